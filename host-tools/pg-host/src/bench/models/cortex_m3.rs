//! Cortex-M3: the pipeline of Cortex-M4 with a slower multiplier.

use super::cortex_m4::common;
use super::{Executed, Model};
use crate::bench::decode::Class;

/// Cortex-M3.
pub struct CortexM3;

/// `smull`, `umull`: 3 to 5 cycles, fewer for small operands. The most.
const LONG: u64 = 5;
/// `smlal`, `umlal`: 4 to 7 cycles. The most.
const LONG_ADD: u64 = 7;

impl Model for CortexM3 {
    fn name(&self) -> &'static str {
        "cortex-m3"
    }

    fn source(&self) -> &'static str {
        "Arm DDI 0337, Cortex-M3 Technical Reference Manual, table 3-1 and section 3.3.2"
    }

    fn cycles(&self, x: &Executed<'_>) -> u64 {
        match x.instruction.class {
            Class::MultiplyAdd => 2 * x.count,
            Class::MultiplyLong => LONG * x.count,
            Class::MultiplyLongAdd => LONG_ADD * x.count,
            _ => common(x),
        }
    }
}
