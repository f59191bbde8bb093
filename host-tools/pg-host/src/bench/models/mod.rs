//! Core models: from executed instructions to cycles.
//!
//! Every model is a rule per instruction, with the instruction that follows
//! in memory as its only context, and states where its numbers come from.
//! All assume memory without wait states. `firmware/bench/CYCLES.md` explains
//! them in prose.

mod cortex_m0;
mod cortex_m3;
mod cortex_m4;
mod five_stage;
mod two_stage;

use super::decode::Instruction;
use anyhow::{Context, Result};

/// An instruction and how often it ran.
#[derive(Clone, Copy, Debug)]
pub struct Executed<'a> {
    /// The instruction.
    pub instruction: &'a Instruction,
    /// The one after it in memory, if that ran too.
    pub next: Option<&'a Instruction>,
    /// Executions.
    pub count: u64,
    /// Executions after which control went elsewhere than to the next.
    pub taken: u64,
}

impl Executed<'_> {
    /// Executions after which the next instruction in memory ran.
    #[must_use]
    pub fn sequential(&self) -> u64 {
        self.count.saturating_sub(self.taken)
    }
}

/// A core model.
pub trait Model: Sync {
    /// Name, as in cores.toml.
    fn name(&self) -> &'static str;

    /// Where the timings are documented.
    fn source(&self) -> &'static str;

    /// Cycles of all executions of one instruction.
    fn cycles(&self, executed: &Executed<'_>) -> u64;
}

/// All models.
pub static MODELS: [&dyn Model; 6] = [
    &cortex_m0::CortexM0Plus,
    &cortex_m0::CortexM0,
    &cortex_m3::CortexM3,
    &cortex_m4::CortexM4,
    &two_stage::TwoStage,
    &five_stage::FiveStage,
];

/// The model of this name.
///
/// # Errors
///
/// If there is none; the names are listed.
pub fn find(name: &str) -> Result<&'static dyn Model> {
    (MODELS.iter().find(|m| m.name() == name).copied()).with_context(|| {
        let names: Vec<_> = MODELS.iter().map(|m| m.name()).collect();
        format!(
            "there is no model {name:?}; choose from {}",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
