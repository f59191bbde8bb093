//! Running a board's firmware on records.

use super::board::Board;
use super::feed::Feed;
use super::process::{LogLine, Machine, put};
use super::protocol::Outputs;
use crate::image::ImageBytes;
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// Outputs.
    pub outputs: Outputs,
    /// The log.
    pub log: Vec<LogLine>,
}

/// Runs `elf` on `board` with the model image at its address, on what it is fed.
///
/// # Errors
///
/// If the image does not fit, the emulator is missing, or the firmware
/// reports an error, which is then part of the message.
pub fn run(board: &Board, elf: &Path, image: &ImageBytes, feed: &Feed) -> Result<Run> {
    ensure!(
        feed.suits(board),
        "the firmware of {} reads {}: choose a board for {} (`pg-host boards` lists them)",
        board.name,
        board.input,
        feed.input()
    );
    let bytes = image.as_bytes();
    ensure!(
        bytes.len() as u64 <= board.model.size,
        "the image has {} bytes and the model region of {} {}; \
         export it with `--copies one`, a language model with `--words`, or train a smaller model",
        bytes.len(),
        board.name,
        board.model.size
    );
    let firmware = std::fs::read(elf)
        .with_context(|| format!("cannot read the firmware {}; build it first", elf.display()))?;
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let (name, contents) = feed.file();
    put(folder.path(), name, &contents)?;
    let machine = Machine {
        name: &board.name,
        qemu: &board.qemu,
        args: &board.args,
        // One instruction is one nanosecond of virtual time: the counters of
        // the board then count instructions, the same on every run.
        more: &["-icount", "shift=0"],
        firmware: &firmware,
        image: bytes,
        model: board.model.address,
    };
    let log = machine.run(folder.path())?;
    let file = std::fs::read(folder.path().join("outputs.bin"))
        .context("the firmware wrote no outputs.bin")?;
    let classes = image.image_of_any_target()?.classes();
    Ok(Run {
        outputs: Outputs::parse(&file, classes)?,
        log,
    })
}
