//! Host against emulated board, byte for byte.

use super::board::{Board, Sizes};
use super::feed::Feed;
use super::process::LogLine;
use super::protocol::Outputs;
use super::run::run;
use crate::image::ImageBytes;
use anyhow::{Result, bail};
use pg_runtime::kernels::{Kernels, Selected};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// A board that gave the host's bytes, and what it took.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Board.
    pub board: String,
    /// Core.
    pub core: String,
    /// CRC-32 of the image.
    pub image: String,
    /// Bytes of the image.
    pub image_bytes: usize,
    /// Records compared: clips and streams, pictures, or sentences.
    pub records: usize,
    /// Frames compared.
    pub frames: u32,
    /// Bytes compared.
    pub bytes: usize,
    /// Words detected.
    pub detections: u32,
    /// Emulated instructions per frame in the front-end.
    pub frontend_instructions: u64,
    /// Emulated instructions per frame in the engine.
    pub engine_instructions: u64,
    /// Deepest stack, bytes.
    pub peak_stack: u32,
    /// Arena the model uses, bytes.
    pub arena_used: u32,
    /// Flash for code and static RAM, bytes.
    pub firmware: Sizes,
    /// The board's log.
    #[serde(skip)]
    pub log: Vec<LogLine>,
    /// The board's outputs.
    #[serde(skip)]
    pub outputs: Option<Outputs>,
}

/// Runs the board and the host on `feed`, the image laid out for
/// each, and compares every byte.
///
/// # Errors
///
/// If they differ, naming the first differing byte, or the run fails.
pub fn verify(board: &Board, elf: &Path, image: &ImageBytes, feed: &Feed) -> Result<Verification> {
    let firmware = board.sizes(elf, image.has_packed_weights()?)?;
    let host = image.clone().for_target(Selected::TARGET)?;
    let expected = feed.host_outputs(&host)?;
    let image = &image.clone().for_target(board.layout)?;
    let run = run(board, elf, image, feed)?;
    let got = &run.outputs.bytes;
    if *got != expected {
        let at = (got.iter().zip(&expected))
            .position(|(a, b)| a != b)
            .unwrap_or(got.len().min(expected.len()));
        bail!(
            "{} and the host differ at byte {at} of {} (the board wrote {}): \
             this build computes something else; please report it",
            board.name,
            expected.len(),
            got.len()
        );
    }
    let s = run.outputs.statistics;
    let frames = u64::from(s.frames.max(1));
    Ok(Verification {
        board: board.name.clone(),
        core: board.core.clone(),
        image: format!("{:08x}", s.image_crc32),
        image_bytes: image.as_bytes().len(),
        records: feed.len(),
        frames: s.frames,
        bytes: got.len(),
        detections: s.detections,
        frontend_instructions: s.frontend / frames,
        engine_instructions: s.engine / frames,
        peak_stack: s.peak_stack,
        arena_used: s.arena_used,
        firmware,
        log: run.log,
        outputs: Some(run.outputs),
    })
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} ({}): identical to the host, {} records, {} frames, {} bytes, image {}",
            self.board, self.core, self.records, self.frames, self.bytes, self.image
        )?;
        writeln!(
            f,
            "  emulated instructions per frame: front-end {}, engine {}",
            self.frontend_instructions, self.engine_instructions
        )?;
        writeln!(
            f,
            "  flash: code {} (runtime: code {}, tables {}) + image {} bytes; RAM: static {} (arena uses {}) + peak stack {}",
            self.firmware.flash,
            self.firmware.runtime_code,
            self.firmware.runtime_tables,
            self.image_bytes,
            self.firmware.ram,
            self.arena_used,
            self.peak_stack
        )
    }
}
