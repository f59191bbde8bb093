//! The emulator's process: files in, exit code, log and files out.

use anyhow::{Context, Result, bail};
use defmt_decoder::{DecodeError, Table};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest a run may take before it is ended: a hang must not stop CI.
const LIMIT: Duration = Duration::from_secs(600);

/// A line of the board's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `info`, `warn`, `error`, ...
    pub level: &'static str,
    /// The message.
    pub message: String,
}

/// A machine, and what its processor finds in memory.
pub(crate) struct Machine<'a> {
    /// Name, for messages.
    pub name: &'a str,
    /// Emulator program.
    pub qemu: &'a str,
    /// Arguments that choose the machine.
    pub args: &'a [String],
    /// Arguments of this run.
    pub more: &'a [&'a str],
    /// ELF of the firmware.
    pub firmware: &'a [u8],
    /// Model image.
    pub image: &'a [u8],
    /// Address of the model image.
    pub model: u64,
}

impl Machine<'_> {
    /// Runs the firmware to its end, with `folder` as its file system.
    ///
    /// # Errors
    ///
    /// If the emulator is missing, does not come to an end, or the firmware
    /// reports an error, which is then part of the message.
    pub(crate) fn run(&self, folder: &Path) -> Result<Vec<LogLine>> {
        put(folder, "model.pgi", self.image)?;
        put(folder, "firmware.elf", self.firmware)?;
        let (code, stdout, stderr) = self.emulate(folder)?;
        let log = decode_log(self.firmware, &stdout)?;
        if code == Some(0) {
            return Ok(log);
        }
        let said: Vec<_> = (log.iter())
            .filter(|l| matches!(l.level, "error" | "warn"))
            .map(|l| l.message.as_str())
            .collect();
        bail!(
            "the firmware of {} ended with {}: {}{}",
            self.name,
            code.map_or("a signal".into(), |c| format!("exit code {c}")),
            said.join("; "),
            String::from_utf8_lossy(&stderr)
        );
    }

    /// Exit code, standard output and standard error of the emulator.
    fn emulate(&self, folder: &Path) -> Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
        let loader = format!("loader,file=model.pgi,addr={:#x},force-raw=on", self.model);
        let create =
            |name| std::fs::File::create(folder.join(name)).context("cannot make a log file");
        let mut child = Command::new(self.qemu)
            .args(self.args)
            .args(["-display", "none", "-serial", "none", "-monitor", "none"])
            // The board's log is semihosting's console: here, standard output.
            .args(["-chardev", "stdio,id=log,signal=off"])
            .args(["-semihosting-config", "enable=on,target=native,chardev=log"])
            .args(self.more)
            .args(["-device", &loader, "-kernel", "firmware.elf"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(create("log.bin")?)
            .stderr(create("stderr")?)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {}; on Debian, `apt-get install qemu-system-arm \
                     qemu-system-misc` installs it",
                    self.qemu
                )
            })?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().context("waiting for the emulator")? {
                break status;
            }
            if start.elapsed() > LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                bail!("{} did not finish within {} s", self.name, LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let read =
            |name| std::fs::read(folder.join(name)).context("cannot read the emulator's log");
        Ok((status.code(), read("log.bin")?, read("stderr")?))
    }
}

/// Puts a file where the emulated board finds it.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    std::fs::write(folder.join(name), bytes)
        .with_context(|| format!("cannot write {name} for the emulator; is the disk full?"))
}

fn decode_log(elf: &[u8], bytes: &[u8]) -> Result<Vec<LogLine>> {
    let table = Table::parse(elf)
        .context("the firmware's log table")?
        .context("the firmware has no defmt log table: was it stripped?")?;
    let mut decoder = table.new_stream_decoder();
    decoder.received(bytes);
    let mut lines = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => lines.push(LogLine {
                level: frame.level().map_or("print", |l| l.as_str()),
                message: frame.display_message().to_string(),
            }),
            Err(DecodeError::UnexpectedEof) => return Ok(lines),
            // A frame cut off by a reset: the decoder finds the next one.
            Err(DecodeError::Malformed) => {}
        }
    }
}
