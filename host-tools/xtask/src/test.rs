//! Everything CI runs, in the order in which it fails fastest.

use crate::shell::{build_host, cargo, pg_host, run as show};
use crate::{aarch64, conformance, setup};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Cores the runtime must build for, without a standard library.
const NO_STD_TARGETS: [&str; 7] = [
    "thumbv6m-none-eabi",
    "thumbv7m-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabi",
    "riscv32imc-unknown-none-elf",
    "riscv32imac-unknown-none-elf",
    "aarch64-unknown-none",
];

/// Targets of the benches whose code differs: the counter, the start-up.
const BENCH_TARGETS: [&str; 3] = [
    "thumbv6m-none-eabi",
    "thumbv7em-none-eabihf",
    "riscv32imac-unknown-none-elf",
];

pub fn run() -> Result<()> {
    let start = std::time::Instant::now();
    setup::all()?;
    formatting()?;
    runtime()?;
    lints()?;
    host()?;
    conformance::run()?;
    aarch64::run()?;
    emulators()?;
    benches()?;
    eprintln!(
        "\nall checks passed in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn formatting() -> Result<()> {
    run_cargo(&["fmt", "--all", "--check"])?;
    show(
        cargo()
            .args(["fmt", "--all", "--check"])
            .current_dir("firmware"),
    )
}

fn run_cargo(args: &[&str]) -> Result<()> {
    run_cargo_in(Path::new("."), args)
}

fn run_cargo_in(folder: &Path, args: &[&str]) -> Result<()> {
    show(cargo().args(args).current_dir(folder))
}

/// The runtime with overflow checks and without, and for every core.
fn runtime() -> Result<()> {
    let tests = ["test", "--locked", "-p", "pg-runtime", "-p", "pg-tests"];
    run_cargo(&tests)?;
    run_cargo(&[&tests[..], &["--release"]].concat())?;
    for target in NO_STD_TARGETS {
        let build = ["build", "--locked", "--release", "-p", "pg-runtime"];
        run_cargo(
            &[
                &build[..],
                &[
                    "--features",
                    "conv,defmt,embedding,weights4",
                    "--target",
                    target,
                ],
            ]
            .concat(),
        )?;
    }
    Ok(())
}

fn lints() -> Result<()> {
    let workspace = ["--locked", "--release", "--workspace"];
    show(
        cargo()
            .arg("clippy")
            .args(workspace)
            .args(["--all-targets", "--", "-D", "warnings"]),
    )?;
    show(
        cargo()
            .arg("doc")
            .args(workspace)
            .args(["--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    show(
        cargo()
            .args(["test", "--locked", "-p", "pg-app", "-p", "pg-slots"])
            .current_dir("firmware"),
    )?;
    show(
        cargo()
            .args(["clippy", "--locked", "-p", "pg-slots", "--all-targets"])
            .args(["--features", "signature,defmt", "--", "-D", "warnings"])
            .current_dir("firmware"),
    )?;
    for folder in board_folders()? {
        run_cargo_in(
            &folder,
            &["clippy", "--locked", "--release", "--", "-D", "warnings"],
        )?;
    }
    for target in BENCH_TARGETS {
        let benches = ["-p", "pg-bench", "-p", "pg-bench-emulated"];
        show(
            cargo()
                .args(["clippy", "--locked", "--release", "--target", target])
                .args(benches)
                .args(["--", "-D", "warnings"])
                .current_dir("firmware"),
        )?;
    }
    Ok(())
}

/// The crates of the boards of `firmware/boards.toml`.
fn board_folders() -> Result<Vec<PathBuf>> {
    let path = "firmware/boards.toml";
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let boards: toml::Table = text.parse().with_context(|| format!("parsing {path}"))?;
    let boards = boards.get("board").and_then(toml::Value::as_array);
    let folder =
        |board: &toml::Value| Some(Path::new("firmware").join(board.get("folder")?.as_str()?));
    let folders = boards.and_then(|boards| boards.iter().map(folder).collect());
    folders.with_context(|| format!("{path} has no boards with folders"))
}

/// The host tools, training included. In release only: the training framework
/// is too large to build twice.
fn host() -> Result<()> {
    run_cargo(&[
        "test",
        "--locked",
        "--release",
        "-p",
        "pg-host",
        "-p",
        "xtask",
    ])?;
    build_host()
}

/// Images on every emulated board against the host: the shipped one at
/// length, then its other layout and its weights with every gate open; before,
/// image networks and language models.
fn emulators() -> Result<()> {
    let suites = ["--test", "language", "--test", "pictures"];
    let tests = ["test", "--locked", "--release", "-p", "pg-tests"];
    run_cargo(&[&tests[..], &suites, &["--", "--ignored"]].concat())?;
    show(&mut pg_host([
        "verify",
        "models/cifar10-resnet20/resnet20.pgi",
    ]))?;
    show(&mut pg_host([
        "flash",
        "--dry-run",
        "--board",
        "nrf52840-dk",
    ]))?;
    show(&mut pg_host(["verify", "models/kws/kws.pgi"]))?;
    for (name, option, value) in [("one-copy", "--copies", "one"), ("open", "--gates", "open")] {
        let image = &format!("target/{name}.pgi");
        let model = "models/kws/kws.safetensors";
        show(&mut pg_host([
            "export", model, "--output", image, option, value,
        ]))?;
        show(&mut pg_host([
            "verify", image, "--clips", "11", "--stream", "10",
        ]))?;
    }
    Ok(())
}

/// No kernel got slower than its record.
fn benches() -> Result<()> {
    show(&mut pg_host(["bench", "--check"]))
}
