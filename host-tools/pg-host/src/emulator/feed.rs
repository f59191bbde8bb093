//! What boards are fed, and what they must answer; see `firmware/PROTOCOL.md`.

use super::board::{Board, Input};
use crate::eval::picture_input;
use crate::image::ImageBytes;
use crate::spotter::{Spotter, arena};
use anyhow::{Result, ensure};
use pg_runtime::engine::Engine;
use pg_runtime::probe::NoProbe;
use zerocopy::{Immutable, IntoBytes};

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
