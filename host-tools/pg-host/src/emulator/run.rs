//! Running a firmware in the emulator.

use super::board::Board;
use super::protocol::{Outputs, Record};
use crate::image::ImageBytes;
use anyhow::{Context, Result, bail, ensure};
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

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// Outputs.
    pub outputs: Outputs,
    /// The log.
    pub log: Vec<LogLine>,
}

/// Runs `elf` on `board` with the model image at its address, feeding `records`.
///
/// # Errors
///
/// If the image does not fit, the emulator is missing, or the firmware
/// reports an error, which is then part of the message.
pub fn run(board: &Board, elf: &Path, image: &ImageBytes, records: &[Record]) -> Result<Run> {
    let bytes = image.as_bytes();
    ensure!(
        bytes.len() as u64 <= board.model.size,
        "the image has {} bytes and the model region of {} {}; \
         export it with `--copies one`, or train a smaller model",
        bytes.len(),
        board.name,
        board.model.size
    );
    let elf_bytes = std::fs::read(elf)
        .with_context(|| format!("cannot read the firmware {}; build it first", elf.display()))?;
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut stream = Vec::new();
    for record in records {
        record.write(&mut stream);
    }
    let put = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes)
            .with_context(|| format!("cannot write {name} for the emulator; is the disk full?"))
    };
    put("stream.bin", &stream)?;
    put("model.pgi", bytes)?;
    put("firmware.elf", &elf_bytes)?;

    let (code, stdout, stderr) = emulate(board, folder.path())?;
    let log = decode_log(&elf_bytes, &stdout)?;
    if code != Some(0) {
        let said: Vec<_> = (log.iter())
            .filter(|l| matches!(l.level, "error" | "warn"))
            .map(|l| l.message.as_str())
            .collect();
        bail!(
            "the firmware of {} ended with {}: {}{}",
            board.name,
            code.map_or("a signal".into(), |c| format!("exit code {c}")),
            said.join("; "),
            String::from_utf8_lossy(&stderr)
        );
    }
    let file = std::fs::read(folder.path().join("outputs.bin"))
        .context("the firmware wrote no outputs.bin")?;
    let classes = image.image_of_any_target()?.classes();
    Ok(Run {
        outputs: Outputs::parse(&file, classes)?,
        log,
    })
}

/// Exit code, standard output and standard error of the emulator.
fn emulate(board: &Board, folder: &Path) -> Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
    let loader = format!(
        "loader,file=model.pgi,addr={:#x},force-raw=on",
        board.model.address
    );
    let out = std::fs::File::create(folder.join("log.bin")).context("cannot make a log file")?;
    let err = std::fs::File::create(folder.join("stderr")).context("cannot make a log file")?;
    let mut child = Command::new(&board.qemu)
        .args(&board.args)
        .args(["-display", "none", "-serial", "none", "-monitor", "none"])
        // The board's log is semihosting's console: here, standard output.
        .args(["-chardev", "stdio,id=log,signal=off"])
        .args(["-semihosting-config", "enable=on,target=native,chardev=log"])
        // One instruction is one nanosecond of virtual time: the counters of
        // the board then count instructions, the same on every run.
        .args(["-icount", "shift=0"])
        .args(["-device", &loader, "-kernel", "firmware.elf"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .with_context(|| {
            format!(
                "cannot start {}; on Debian, `apt-get install qemu-system-arm qemu-system-misc` \
                 installs it",
                board.qemu
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
            bail!("{} did not finish within {} s", board.name, LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |name| std::fs::read(folder.join(name)).context("cannot read the emulator's log");
    Ok((status.code(), read("log.bin")?, read("stderr")?))
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
