//! `conform`.

use anyhow::{Result, ensure};
use clap::Args;
use pg_host::conform::{self, Choice};
use std::path::PathBuf;

/// Arguments of `conform`.
#[derive(Args)]
pub struct Conform {
    /// NPZ files: activation, weight, threshold, msb_accumulator, mask,
    /// accumulator, bits, stride, padding, groups.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Kernels: portable, selected or all.
    #[arg(long, default_value = "selected", value_parser = choice)]
    kernels: Choice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn choice(name: &str) -> Result<Choice, String> {
    (Choice::ALL.into_iter())
        .find(|c| c.name() == name)
        .ok_or_else(|| "choose portable, selected or all".into())
}

impl Conform {
    pub fn run(self) -> Result<()> {
        let report = conform::run(&self.files, self.kernels);
        super::show(&report, self.json)?;
        let wrong = report.files.len() - report.exact();
        ensure!(report.all_exact(), "{wrong} files do not match");
        Ok(())
    }
}
