//! Cortex-M0+: two stages, single-cycle multiplier.

use super::{Executed, Model};
use crate::bench::decode::Class;

/// Cortex-M0+ with the fast multiplier.
pub struct CortexM0Plus;

impl Model for CortexM0Plus {
    fn name(&self) -> &'static str {
        "cortex-m0plus"
    }

    fn source(&self) -> &'static str {
        "Arm DDI 0484, Cortex-M0+ Technical Reference Manual, table 3-1"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        let n = x.count;
        let transfers = u64::from(x.instruction.transfers);
        // To the program counter: POP {.., PC} takes 3 + N.
        let refill = if x.instruction.to_pc { 2 } else { 0 };
        match x.instruction.class {
            Class::Load | Class::Store => n * (2 + refill),
            Class::LoadMultiple | Class::StoreMultiple => n * (1 + transfers + refill),
            Class::Branch => 2 * x.taken + x.sequential(),
            Class::Jump => 2 * n,
            // BL; BLX takes 2.
            Class::Call => 3 * n,
            Class::System => 3 * n,
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
}
