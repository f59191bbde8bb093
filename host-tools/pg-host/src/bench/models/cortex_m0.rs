//! Cortex-M0: three stages, so a taken branch costs one cycle more than on
//! Cortex-M0+.

use super::{Executed, Model};
use crate::bench::decode::Class;

/// Cortex-M0 with the fast multiplier.
pub struct CortexM0;

impl Model for CortexM0 {
    fn name(&self) -> &'static str {
        "cortex-m0"
    }

    fn source(&self) -> &'static str {
        "Arm DDI 0432, Cortex-M0 Technical Reference Manual, table 3-1"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        let n = x.count;
        let transfers = u64::from(x.instruction.transfers);
        // POP {.., PC} takes 4 + N.
        let refill = if x.instruction.to_pc { 3 } else { 0 };
        match x.instruction.class {
            Class::Load | Class::Store => n * (2 + refill),
            Class::LoadMultiple | Class::StoreMultiple => n * (1 + transfers + refill),
            Class::Branch => 3 * x.taken + x.sequential(),
            Class::Jump => 3 * n,
            // BL; BLX takes 3.
            Class::Call => 4 * n,
            Class::System => 4 * n,
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
