//! `cargo xtask TASK`: everything a contributor or CI runs.

mod aarch64;
mod bench;
mod conformance;
mod demo;
mod results;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  demo      train on the shipped speech, export, evaluate, and run on an emulated
            Cortex-M4 and RISC-V core; minutes, plus the first build
  test      everything CI runs
  bench     instructions and modelled cycles on emulated cores
            [--check]     fail if a case got over 3 % slower than its record
            [--record]    write the records and the README's table
            [--mca]       compare with llvm-mca
            [--functions] where the time goes
  results   train and evaluate the models of models/kws over three seeds and write
            models/kws/results.json and the model card; hours
            [--data DIR]  the data set (default: the shipped pack)
            [--out DIR]   where runs are kept and resumed (default: target/results)
            [--report]    only evaluate what is there and write the files
            [--granularity] instead, models whose rows open alone or in groups:
                          models/kws/granularity.md
  setup     install what the others need: Rust targets and the emulator";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    let outcome = shell::enter_root().and_then(|()| match (task.as_deref(), rest.as_slice()) {
        (Some("demo"), []) => demo::run(),
        (Some("test"), []) => test::run(),
        (Some("bench"), rest) => bench::run(rest),
        (Some("results"), rest) => results::run(rest),
        (Some("setup"), []) => setup::all(),
        _ => anyhow::bail!("{USAGE}"),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
