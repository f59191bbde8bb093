//! RV32, five stages with branch prediction: no one core, see CYCLES.md.

use super::{Executed, Model};
use crate::bench::decode::Class;

/// A five-stage RV32 core with dynamic branch prediction.
pub struct FiveStage;

/// A mispredicted branch flushes two instructions.
const MISPREDICTION: u64 = 2;

impl Model for FiveStage {
    fn name(&self) -> &'static str {
        "rv32-five-stage"
    }

    fn source(&self) -> &'static str {
        "textbook pipeline of five stages with bypasses; no one core's manual"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        let n = x.count;
        match x.instruction.class {
            Class::Load | Class::Multiply | Class::MultiplyLong => n + waits(x),
            Class::Divide => 33 * n,
            // As if every execution of the rarer direction was mispredicted.
            Class::Branch => n + MISPREDICTION * x.taken.min(x.sequential()),
            Class::Jump | Class::Call => 2 * n,
            _ => n,
        }
    }
}

/// One cycle where the next instruction uses the result.
fn waits(x: &Executed<'_>) -> u64 {
    let used = (x.next).is_some_and(|next| next.sources & x.instruction.result != 0);
    if used { x.sequential() } else { 0 }
}
