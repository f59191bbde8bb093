//! `reproduce`.

use super::show;
use anyhow::Result;
use clap::{Args, Subcommand};
use pg_host::language::reproduce::Table;
use std::path::PathBuf;

/// Published tables beside the runs of this project.
#[derive(Subcommand)]
pub enum Reproduce {
    /// The language model on Penn Treebank.
    Ptb(Ptb),
}

/// Arguments of `reproduce ptb`.
#[derive(Args)]
pub struct Ptb {
    /// Directory with a folder for every run of `pg-host train ptb-lstm300`.
    #[arg(long)]
    runs: PathBuf,
    /// Directory with ptb.test.txt: quantised models are then evaluated by the
    /// runtime, otherwise the figures are the trainer's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Reproduce {
    pub fn run(self) -> Result<()> {
        let Self::Ptb(ptb) = self;
        show(&Table::read(&ptb.runs, ptb.data.as_deref())?, ptb.json)
    }
}
