//! Benches of the runtime on a microcontroller, independent of the board.
//!
//! A board gives a model image, input frames, memory and a [`Meter`]: on an
//! emulated core that is a pair of marker functions, which an emulator plugin
//! watches ([`meter::Markers`]), on silicon the cycle counter
//! ([`meter::Cycles`]). [`run`] then goes through the [`cases`]. The models
//! that turn emulated instructions into cycles are in `CYCLES.md`.
#![no_std]

pub mod cases;
mod inputs;
pub mod meter;
mod plain;

pub use cases::{Error, run};
pub use inputs::{Inputs, InputsError};
pub use meter::{Case, Meter};
