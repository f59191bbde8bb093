//! What reaches the chip: the command-line tool of probe-rs.

use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A way to a chip's flash.
pub trait Probe {
    /// The word at an address.
    ///
    /// # Errors
    ///
    /// If the chip cannot be reached.
    fn word(&mut self, address: u32) -> Result<u32>;

    /// Erases the blocks that `bytes` at `address` lie in, writes them and reads
    /// them back. What else lay in those blocks may be lost.
    ///
    /// # Errors
    ///
    /// If the chip cannot be reached, or reads back other bytes.
    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<()>;
}

/// The tool `probe-rs`, one call for every operation.
#[derive(Clone, Debug)]
pub struct ProbeRs {
    program: PathBuf,
    chip: String,
}

impl ProbeRs {
    /// The tool at `program`, a path or a name to look up, for a chip of this name.
    #[must_use]
    pub const fn new(program: PathBuf, chip: String) -> Self {
        Self { program, chip }
    }

    /// Flashes a firmware.
    ///
    /// # Errors
    ///
    /// If the tool is missing or fails; its own words are in the error.
    pub fn firmware(&mut self, elf: &Path) -> Result<()> {
        let verify = ["--verify".as_ref(), elf.as_os_str()];
        self.call("download", &verify).map(|_| ())
    }

    /// Restarts the chip.
    ///
    /// # Errors
    ///
    /// As [`Self::firmware`].
    pub fn reset(&mut self) -> Result<()> {
        self.call("reset", &[]).map(|_| ())
    }

    /// Prints the log of a firmware that runs, until interrupted.
    ///
    /// # Errors
    ///
    /// If the tool is missing or fails.
    pub fn monitor(&mut self, elf: &Path) -> Result<()> {
        let status = (self.command("attach").arg(elf).status()).with_context(|| self.missing())?;
        ensure!(status.success(), "{} attach failed", self.program.display());
        Ok(())
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).args(["--chip", &self.chip]);
        command
    }

    fn missing(&self) -> String {
        format!(
            "cannot start {}: install it with `cargo install probe-rs-tools --locked`, or name it \
             with --probe-rs",
            self.program.display()
        )
    }

    fn call(&self, verb: &str, arguments: &[&std::ffi::OsStr]) -> Result<Output> {
        let output =
            (self.command(verb).args(arguments).output()).with_context(|| self.missing())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`{} {verb}` failed; is the board connected and powered, and is its chip a {}?\n{}",
                self.program.display(),
                self.chip,
                said.trim_end()
            );
        }
        Ok(output)
    }
}

impl Probe for ProbeRs {
    fn word(&mut self, address: u32) -> Result<u32> {
        let address = format!("{address:#010x}");
        let output = self.call("read", &["b32".as_ref(), address.as_ref(), "1".as_ref()])?;
        let text = String::from_utf8_lossy(&output.stdout);
        // One word in hexadecimal; some versions put its address before it.
        let word = text.split_whitespace().last().unwrap_or_default();
        u32::from_str_radix(word.trim_start_matches("0x"), 16)
            .with_context(|| format!("`{} read` answered {text:?}", self.program.display()))
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        let mut file = tempfile::NamedTempFile::new().context("no temporary file")?;
        file.write_all(bytes).context("writing a temporary file")?;
        let address = format!("{address:#010x}");
        let arguments = [
            "--verify",
            "--binary-format",
            "bin",
            "--base-address",
            &address,
        ];
        let mut arguments: Vec<&std::ffi::OsStr> = arguments.iter().map(|a| a.as_ref()).collect();
        arguments.push(file.path().as_os_str());
        self.call("download", &arguments).map(|_| ())
    }
}
