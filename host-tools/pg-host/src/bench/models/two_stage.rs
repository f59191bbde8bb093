//! RV32, two stages: a small in-order core without branch prediction.

use super::{Executed, Model};
use crate::bench::decode::Class;

/// A two-stage RV32 core like Ibex with its single-cycle multiplier.
pub struct TwoStage;

impl Model for TwoStage {
    fn name(&self) -> &'static str {
        "rv32-two-stage"
    }

    fn source(&self) -> &'static str {
        "Ibex reference guide, \"Pipeline Details\", multi- and single-cycle instructions"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        let n = x.count;
        match x.instruction.class {
            // One stall each at best.
            Class::Load | Class::Store => 2 * n,
            Class::MultiplyLong => 2 * n,
            // 37 stalls.
            Class::Divide => 38 * n,
            // 2 stalls when taken, none when not.
            Class::Branch => 3 * x.taken + x.sequential(),
            // One stall.
            Class::Jump | Class::Call => 2 * n,
            _ => n,
        }
    }
}
