//! What host and emulated board tell each other; see `firmware/PROTOCOL.md`.

use super::board::{Board, Input};
use crate::eval::picture_input;
use crate::image::ImageBytes;
use crate::spotter::{Spotter, arena};
use anyhow::{Context, Result, ensure};
use pg_runtime::detector::Event;
use pg_runtime::engine::{Engine, Output};
use pg_runtime::probe::NoProbe;
use serde::Serialize;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const RESET: u32 = 1 << 0;
const DETECT: u32 = 1 << 1;

/// Samples for the board, and what to do with them.
#[derive(Clone, Debug)]
pub struct Record {
    /// Forget the past first.
    pub reset: bool,
    /// Run the detector.
    pub detect: bool,
    /// 16 kHz samples.
    pub samples: Vec<i16>,
}

impl Record {
    /// Appends the record as the board reads it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let flags = if self.reset { RESET } else { 0 } | if self.detect { DETECT } else { 0 };
        write_record(out, flags, &self.samples);
    }
}

/// Appends a record of samples or of tokens.
fn write_record<T: IntoBytes + Immutable>(out: &mut Vec<u8>, flags: u32, numbers: &[T]) {
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&(numbers.len() as u32).to_le_bytes());
    out.extend_from_slice(numbers.as_bytes());
}

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
    /// [`Feed::host_outputs`].
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

/// What a board is fed.
#[derive(Clone, Debug)]
pub enum Feed {
    /// Samples.
    Sound(Vec<Record>),
    /// Pictures of an image network's input size, a byte per channel.
    Pictures(Vec<Vec<u8>>),
    /// Tokens of a language model, which starts each list from a reset.
    Words(Vec<Vec<u16>>),
}

impl Feed {
    /// Records, pictures or lists of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Sound(records) => records.len(),
            Self::Pictures(pictures) => pictures.len(),
            Self::Words(texts) => texts.len(),
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a board's firmware reads it.
    #[must_use]
    pub fn suits(&self, board: &Board) -> bool {
        board.input == self.input()
    }

    /// What a board's firmware must read to take it.
    pub(super) fn input(&self) -> Input {
        match self {
            Self::Sound(_) => Input::Audio,
            Self::Pictures(_) => Input::Pictures,
            Self::Words(_) => Input::Words,
        }
    }

    /// Name and contents of the file that the board reads.
    pub(super) fn file(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Sound(records) => {
                let mut stream = Vec::new();
                records.iter().for_each(|record| record.write(&mut stream));
                ("stream.bin", stream)
            }
            Self::Pictures(pictures) => ("pictures.bin", pictures.concat()),
            Self::Words(texts) => {
                let mut stream = Vec::new();
                for tokens in texts {
                    write_record(&mut stream, RESET, tokens);
                }
                ("stream.bin", stream)
            }
        }
    }

    /// The bytes a board must write, computed on the host, before the trailer.
    ///
    /// # Errors
    ///
    /// If the image is of another kind of model.
    pub fn host_outputs(&self, image: &ImageBytes) -> Result<Vec<u8>> {
        match self {
            Self::Sound(records) => of_sound(image, records),
            Self::Pictures(pictures) => of_pictures(image, pictures),
            Self::Words(texts) => of_words(image, texts),
        }
    }
}

fn of_pictures(bytes: &ImageBytes, pictures: &[Vec<u8>]) -> Result<Vec<u8>> {
    let image = bytes.image()?;
    let (shape, pixels) = picture_input(&image)?;
    let mut memory = arena(&image);
    let mut engine = Engine::new(&image, &mut memory)?;
    let mut codes = vec![0; shape.len()];
    let mut out = Vec::new();
    for picture in pictures {
        ensure!(
            picture.len() == shape.len(),
            "a picture has {} bytes, the network reads {}",
            picture.len(),
            shape.len()
        );
        pixels.encode(picture, &mut codes);
        let output = engine.push(&codes)?;
        // One frame, no detections.
        out.extend_from_slice(&1u32.to_le_bytes());
        out.extend_from_slice(output.logits.as_bytes());
        out.extend_from_slice(output.posteriors.as_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
    }
    Ok(out)
}

fn of_words(bytes: &ImageBytes, texts: &[Vec<u16>]) -> Result<Vec<u8>> {
    let image = bytes.image()?;
    let mut memory = arena(&image);
    let mut engine = Engine::new(&image, &mut memory)?;
    let mut out = Vec::new();
    for tokens in texts {
        engine.reset();
        out.extend_from_slice(&(tokens.len() as u32).to_le_bytes());
        for &token in tokens {
            let output = engine.push_token(token)?;
            out.extend_from_slice(output.logits.as_bytes());
            out.extend_from_slice(output.posteriors.as_bytes());
        }
        // No detections.
        out.extend_from_slice(&0u32.to_le_bytes());
    }
    Ok(out)
}

fn of_sound(bytes: &ImageBytes, records: &[Record]) -> Result<Vec<u8>> {
    let image = bytes.image()?;
    let mut memory = arena(&image);
    let mut spotter = Spotter::new(&image, &mut memory)?;
    let mut out = Vec::new();
    for record in records {
        ensure!(
            !record.detect || image.detector().is_some(),
            "the image has no detector settings"
        );
        if record.reset {
            spotter.reset();
        }
        let at = out.len();
        let mut frames = 0u32;
        let mut events = Vec::new();
        out.extend_from_slice(&[0; 4]);
        spotter.push(&record.samples, record.detect, &mut NoProbe, |o, event| {
            frames += 1;
            out.extend_from_slice(o.logits.as_bytes());
            out.extend_from_slice(o.posteriors.as_bytes());
            events.extend(event);
        })?;
        out[at..at + 4].copy_from_slice(&frames.to_le_bytes());
        out.extend_from_slice(&(events.len() as u32).to_le_bytes());
        for e in events {
            out.extend_from_slice(&e.frame.to_le_bytes());
            out.extend_from_slice(&u16::from(e.label).to_le_bytes());
            out.extend_from_slice(&e.score.to_le_bytes());
        }
    }
    Ok(out)
}
