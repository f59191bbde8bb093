//! The command line.

#[cfg(feature = "bench")]
mod bench;
mod boards;
mod conform;
mod data;
mod export;
mod flash;
mod measure;
mod reproduce;
#[cfg(feature = "train")]
mod train;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use pg_runtime::layout::Target;
use serde::Serialize;

/// Train, export, evaluate, inspect, run and verify precision-gated models.
#[derive(Parser)]
#[command(name = "pg-host", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a model from a recipe.
    #[cfg(feature = "train")]
    Train(train::Train),
    /// Print a published table beside the results of runs.
    #[command(subcommand)]
    Reproduce(reproduce::Reproduce),
    /// Turn a trained model into a model image.
    Export(export::Export),
    /// Evaluate an image on a data set: accuracy, sparsity, executed MACs.
    Eval(measure::Eval),
    /// Run an image on a clip or a long stream and list its detections.
    Run(measure::RunClip),
    /// Score the detector on a stream composed of a data set's clips.
    Detect(measure::Detect),
    /// Lay an image out for other cores, or with other copies of its weights.
    Repack(export::Repack),
    /// Show what is in an image: layers, sizes, thresholds, memory plan.
    Inspect(measure::Inspect),
    /// Compare host and emulated boards, byte for byte.
    Verify(boards::Verify),
    /// Run test vectors of convolutions (NPZ) through the runtime and compare every number.
    Conform(conform::Conform),
    /// Run a firmware on an emulated board and show its log.
    Emulate(boards::Emulate),
    /// Count instructions and model cycles of kernels and layers on emulated cores.
    #[cfg(feature = "bench")]
    Bench(bench::Bench),
    /// List the boards.
    Boards,
    /// Flash a board through its probe: firmware and model, or a model alone.
    Flash(flash::Flash),
    /// Print the log of a board that runs.
    Monitor(flash::Monitor),
    /// Check, fetch or pack a data set.
    #[command(subcommand)]
    Data(data::Data),
}

/// Parses the arguments and runs the command.
pub fn run() -> Result<()> {
    // Clap exits with 2 for a wrong command line; every error here is exit code 1.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            std::process::exit(i32::from(error.use_stderr()));
        }
    };
    match cli.command {
        #[cfg(feature = "train")]
        Command::Train(c) => c.run(),
        Command::Reproduce(c) => c.run(),
        Command::Export(c) => c.run(),
        Command::Eval(c) => c.run(),
        Command::Run(c) => c.run(),
        Command::Detect(c) => c.run(),
        Command::Repack(c) => c.run(),
        Command::Inspect(c) => c.run(),
        Command::Verify(c) => c.run(),
        Command::Emulate(c) => c.run(),
        #[cfg(feature = "bench")]
        Command::Bench(c) => c.run(),
        Command::Conform(c) => c.run(),
        Command::Boards => boards::list(),
        Command::Flash(c) => c.run(),
        Command::Monitor(c) => c.run(),
        Command::Data(c) => c.run(),
    }
}

/// Reads the name of a target.
fn target(name: &str) -> Result<Target, String> {
    Target::from_name(name).ok_or_else(|| {
        let names = Target::ALL.map(Target::name).join(", ");
        format!("use one of {names}")
    })
}

/// Prints as JSON or in words.
fn show(value: &(impl Serialize + std::fmt::Display), json: bool) -> Result<()> {
    if json {
        show_json(value)?;
    } else {
        println!("{value}");
    }
    Ok(())
}

/// Prints as JSON.
fn show_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("writing JSON")?;
    println!("{text}");
    Ok(())
}
