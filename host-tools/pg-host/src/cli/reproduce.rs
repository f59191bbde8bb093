//! `reproduce`.

use super::show;
use anyhow::Result;
use clap::{Args, Subcommand};
#[cfg(feature = "train")]
use pg_host::language::reproduce as language;
use pg_host::network::reproduce as network;
use std::path::PathBuf;

/// Published tables beside the runs of this project.
#[derive(Subcommand)]
pub enum Reproduce {
    /// The language model on Penn Treebank.
    #[cfg(feature = "train")]
    Ptb(Ptb),
    /// Image networks: CIFAR-10, and folders of pictures.
    Cifar10(Cifar10),
}

/// Arguments of `reproduce cifar10`.
#[derive(Args)]
pub struct Cifar10 {
    /// Directory with a folder for every run of `pg-host train cifar10-...`.
    #[arg(long)]
    runs: PathBuf,
    /// Directory with the pictures: quantised models are then exported and
    /// evaluated by the runtime, otherwise the figures are the trainer's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `reproduce ptb`.
#[cfg(feature = "train")]
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
        match self {
            #[cfg(feature = "train")]
            Self::Ptb(c) => show(&language::Table::read(&c.runs, c.data.as_deref())?, c.json),
            Self::Cifar10(c) => show(&network::Table::read(&c.runs, c.data.as_deref())?, c.json),
        }
    }
}
