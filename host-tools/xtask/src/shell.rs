//! Running commands, seen and timed.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Makes the root of the checkout the current directory.
pub fn enter_root() -> Result<()> {
    let here = std::env::current_dir().context("no current directory")?;
    let root = (here.ancestors())
        .find(|d| d.join("runtime/FORMAT.md").is_file())
        .context("run this inside a checkout of the project")?;
    std::env::set_current_dir(root).context("entering the root of the checkout")
}

/// A cargo command.
pub fn cargo() -> Command {
    Command::new("cargo")
}

/// The command line as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|w| w.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

/// Runs a command whose output the user sees.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("\n$ {line}");
    let start = Instant::now();
    let status = (command.stdin(Stdio::null()).status())
        .with_context(|| format!("cannot start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed with {status}");
    eprintln!("({:.0} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command and returns what it prints.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    eprintln!("\n$ {line}");
    let output = (command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output())
    .with_context(|| format!("cannot start `{line}`"))?;
    ensure!(
        output.status.success(),
        "`{line}` failed with {}",
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("output of `{line}`"))
}

/// Runs a command and returns the JSON it prints.
pub fn json(command: &mut Command) -> Result<serde_json::Value> {
    let text = output(command)?;
    serde_json::from_str(&text).context("expected JSON")
}

/// Whether a program answers to `--version`.
pub fn available(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

/// `pg-host` with arguments, as built by [`build_host`].
pub fn pg_host<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(target_directory().join("release/pg-host"));
    command.args(args);
    command
}

/// Builds `pg-host` with everything in it.
pub fn build_host() -> Result<()> {
    run(cargo().args(["build", "--release", "--locked", "--package", "pg-host"]))
}

/// Builds `pg-host` without training, which takes a fraction of the time.
pub fn build_host_without_training() -> Result<()> {
    let features = ["--no-default-features", "--features", "bench,fetch"];
    let build = ["build", "--release", "--locked", "--package", "pg-host"];
    run(cargo().args(build).args(features))
}

fn target_directory() -> std::path::PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR");
    set.map_or_else(|| Path::new("target").to_owned(), Into::into)
}
