//! `train`.

use anyhow::Result;
use clap::Args;

/// Arguments of `train`.
#[derive(Args)]
pub struct Train {}

impl Train {
    pub fn run(self) -> Result<()> {
        Ok(())
    }
}
