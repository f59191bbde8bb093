//! The loops of [`super::Dsp`] in assembly.
//!
//! Registers that a loop keeps are named where it starts. Loads stand next to
//! each other wherever their results have a register: each but the last then
//! takes one cycle.
#![allow(unsafe_code)]

mod cells;
mod copy;
mod dots;
mod gate;
mod plane;
mod predict;
mod scan;

pub use cells::{cells, clamp};
pub use copy::copy;
pub use dots::{sums, update};
pub use gate::load_within;
pub use plane::plane;
pub use predict::{BATCH, apply};
pub use scan::scan;

/// What the assembler has to be told where the target leaves the DSP
/// extension open.
#[cfg(pg_dsp = "optional")]
macro_rules! dsp {
    () => {
        ".cpu cortex-m33"
    };
}
/// The target has the DSP extension: nothing to tell.
#[cfg(not(pg_dsp = "optional"))]
macro_rules! dsp {
    () => {
        ""
    };
}
#[cfg_attr(
    not(any(feature = "conv", feature = "weights4")),
    allow(unused_imports)
)]
pub(in crate::kernels) use dsp;
