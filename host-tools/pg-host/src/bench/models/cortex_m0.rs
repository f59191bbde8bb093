//! Cortex-M0 and M0+ with the fast multiplier: the former has a stage more, so
//! that every branch costs it one cycle more.

use super::{Executed, Model};
use crate::bench::decode::Class;

/// Cortex-M0: three stages.
pub struct CortexM0;

/// Cortex-M0+: two stages.
pub struct CortexM0Plus;

impl Model for CortexM0 {
    fn name(&self) -> &'static str {
        "cortex-m0"
    }

    fn source(&self) -> &'static str {
        "Arm DDI 0432, Cortex-M0 Technical Reference Manual, table 3-1"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        cycles(x, 2)
    }
}

impl Model for CortexM0Plus {
    fn name(&self) -> &'static str {
        "cortex-m0plus"
    }

    fn source(&self) -> &'static str {
        "Arm DDI 0484, Cortex-M0+ Technical Reference Manual, table 3-1"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        cycles(x, 1)
    }
}

/// Cycles where refilling the pipeline after a branch takes `refill`.
fn cycles(x: &Executed<'_>, refill: u64) -> u64 {
    let n = x.count;
    let transfers = u64::from(x.instruction.transfers);
    // POP {.., PC} takes 3 + N on Cortex-M0+, 4 + N on Cortex-M0.
    let to_pc = if x.instruction.to_pc { 1 + refill } else { 0 };
    match x.instruction.class {
        Class::Load | Class::Store => n * (2 + to_pc),
        Class::LoadMultiple | Class::StoreMultiple => n * (1 + transfers + to_pc),
        Class::Branch => (1 + refill) * x.taken + x.sequential(),
        Class::Jump => (1 + refill) * n,
        // BL; BLX takes one less.
        Class::Call | Class::System => (2 + refill) * n,
        Class::Alu
        | Class::Multiply
        | Class::MultiplyAdd
        | Class::MultiplyLong
        | Class::MultiplyLongAdd
        | Class::Divide
        | Class::Coprocessor
        | Class::Unknown => n,
    }
}
