//! What emulated boards answer; see `firmware/PROTOCOL.md`.

use anyhow::{Context, Result};
use pg_runtime::detector::Event;
use pg_runtime::engine::Output;
use serde::Serialize;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Counts of a board's run; the trailer of its outputs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Serialize,
)]
#[repr(C)]
pub struct Statistics {
    #[serde(skip)]
    magic: [u8; 4],
    /// Frames computed.
    pub frames: u32,
    /// Emulated instructions in the front-end.
    pub frontend: u64,
    /// Emulated instructions in the engine.
    pub engine: u64,
    /// Emulated instructions in everything else: files, detector, log.
    pub other: u64,
    /// Deepest stack, bytes.
    pub peak_stack: u32,
    /// Stack reserved, bytes.
    pub stack_size: u32,
    /// Arena the model uses, bytes.
    pub arena_used: u32,
    /// Arena reserved, bytes.
    pub arena_size: u32,
    /// Frequency of the counter.
    pub counter_hertz: u32,
    /// Instructions of the calibration loop.
    pub calibration_expected: u32,
    /// As counted.
    pub calibration_measured: u32,
    /// Words detected.
    pub detections: u32,
    /// CRC-32 of the image the board ran.
    pub image_crc32: u32,
    /// Records read.
    pub records: u32,
}

/// A board's outputs, taken apart.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Everything before the trailer: comparable byte for byte with
    /// [`super::Feed::host_outputs`].
    pub bytes: Vec<u8>,
    /// The trailer.
    pub statistics: Statistics,
    /// Detections of every record.
    pub events: Vec<Vec<Event>>,
    /// Class of the last frame of every record; `None` without a frame.
    pub answers: Vec<Option<usize>>,
}

impl Outputs {
    /// Takes `outputs.bin` of a model with `classes` classes apart.
    ///
    /// # Errors
    ///
    /// If it is truncated: the board stopped early.
    pub fn parse(file: &[u8], classes: usize) -> Result<Self> {
        let early = "the board's outputs are incomplete: it stopped early; see its log";
        let end = file
            .len()
            .checked_sub(size_of::<Statistics>())
            .context(early)?;
        let (bytes, trailer) = file.split_at(end);
        let statistics = Statistics::read_from_bytes(trailer)
            .ok()
            .filter(|s| &s.magic == b"STAT")
            .context(early)?;
        let mut rest = bytes;
        let mut outputs = Self {
            bytes: bytes.to_vec(),
            statistics,
            events: Vec::new(),
            answers: Vec::new(),
        };
        while !rest.is_empty() {
            let frames = take_u32(&mut rest).context(early)? as usize;
            let (body, after) = rest.split_at_checked(frames * classes * 4).context(early)?;
            rest = after;
            let last = body.chunks_exact(classes * 4).last();
            outputs.answers.push(last.map(|f| class(&f[..classes * 2])));
            let count = take_u32(&mut rest).context(early)?;
            let mut events = Vec::new();
            for _ in 0..count {
                let (event, after) = rest.split_first_chunk::<8>().context(early)?;
                rest = after;
                let [f0, f1, f2, f3, l0, _, s0, s1] = *event;
                events.push(Event {
                    frame: u32::from_le_bytes([f0, f1, f2, f3]),
                    label: l0,
                    score: u16::from_le_bytes([s0, s1]),
                });
            }
            outputs.events.push(events);
        }
        Ok(outputs)
    }
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*word))
}

/// The class that little-endian logits decide for, by the runtime's rule.
fn class(logits: &[u8]) -> usize {
    let pairs = logits.chunks_exact(2);
    let logits: Vec<i16> = pairs.map(|p| i16::from_le_bytes([p[0], p[1]])).collect();
    let output = Output {
        logits: &logits,
        posteriors: &[],
    };
    output.class()
}
