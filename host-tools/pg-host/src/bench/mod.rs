//! Benches on emulated cores: executed instructions by class, and modelled
//! cycles.
//!
//! [`run()`] builds the bench firmware of a [`Core`], runs it in the emulator
//! with the counting plugin, classifies what was executed ([`decode`]) and
//! applies the core models ([`models`]). `firmware/bench/CYCLES.md` states
//! models, sources and limits. [`records`] keeps the results that a later run
//! is checked against, and [`mca`] compares with a static analyser.

mod analysis;
mod core;
pub mod decode;
mod emulate;
mod inputs;
pub mod mca;
pub mod models;
mod places;
mod plugin;
mod profile;
mod program;
pub mod records;
mod report;
mod run;

pub use self::core::{Core, cores, find};
pub use inputs::{InputReport, Inputs, LayerRates};
pub use report::{BenchReport, CaseReport, CoreReport, Cycles, FunctionShare};
pub use run::{Options, run};
