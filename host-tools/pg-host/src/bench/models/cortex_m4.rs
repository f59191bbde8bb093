//! Cortex-M4: three stages, every multiplication in one cycle.

use super::{Executed, Model};
use crate::bench::decode::Class;

/// Cortex-M4.
pub struct CortexM4;

/// Refill of the pipeline, P of the manual: 1 to 3 cycles, depending on the
/// target's alignment and width. 2 throughout.
pub(super) const REFILL: u64 = 2;

/// Division takes 2 to 12 cycles, by its operands. 7 throughout.
pub(super) const DIVISION: u64 = 7;

impl Model for CortexM4 {
    fn name(&self) -> &'static str {
        "cortex-m4"
    }

    fn source(&self) -> &'static str {
        "Arm DDI 0439, Cortex-M4 Technical Reference Manual, table 3-1 and section 3.3.2"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        match x.instruction.class {
            Class::Alu
            | Class::Multiply
            | Class::MultiplyAdd
            | Class::MultiplyLong
            | Class::MultiplyLongAdd
            | Class::Coprocessor
            | Class::Unknown => x.count,
            _ => common(x),
        }
    }
}

/// What Cortex-M3 and M4 have in common: everything but multiplication.
pub(super) fn common(x: &Executed<'_>) -> u64 {
    let n = x.count;
    let refill = if x.instruction.to_pc { REFILL } else { 0 };
    match x.instruction.class {
        Class::Load => n * (2 + refill) - pipelined(x),
        // The write buffer takes it while the next instruction runs.
        Class::Store => n,
        Class::LoadMultiple | Class::StoreMultiple => {
            n * (1 + u64::from(x.instruction.transfers) + refill)
        }
        Class::Divide => n * DIVISION,
        Class::Branch => (1 + REFILL) * x.taken + x.sequential(),
        Class::Jump | Class::Call => (1 + REFILL) * n,
        _ => n,
    }
}

/// Loads whose second cycle overlaps with the address phase of the load or
/// store of a single register that follows, unless the loaded register is
/// part of that address.
fn pipelined(x: &Executed<'_>) -> u64 {
    let overlaps = x.next.is_some_and(|next| {
        matches!(next.class, Class::Load | Class::Store) && next.address & x.instruction.result == 0
    });
    if overlaps { x.sequential() } else { 0 }
}
