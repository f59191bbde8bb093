//! What the benches compute on: a model image, and frames of real speech or
//! pictures.

use crate::data::images::Images;
use crate::data::{Clip, Dataset, Split, spread};
use crate::eval::{LayerWork, picture_input};
use crate::image::ImageBytes;
use crate::spotter::arena;
use anyhow::{Context, Result, ensure};
use pg_runtime::audio::{Frontend, MAX_BANDS, quantise};
use pg_runtime::engine::Engine;
use pg_runtime::image::Image;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::probe::LayerCounts;
use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

/// Bytes of codes that the bench firmware has memory for: see its `main.rs`.
const FRAME_BYTES: usize = 64 * 1024 - 8;

/// Inputs of the benches, and what the host computes from them.
pub struct Inputs {
    /// The image.
    pub image: ImageBytes,
    /// `frames.bin`: frames and codes per frame, u32, then the codes.
    pub frames: Vec<u8>,
    /// Digest of the engine's outputs, as `pg-bench` computes it.
    pub engine_check: u32,
    /// For the record.
    pub report: InputReport,
}

/// What the benches computed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputReport {
    /// CRC-32 of the image.
    pub image: String,
    /// Clips, one after another, the state carried on; or pictures.
    pub clips: Vec<String>,
    /// Frames.
    pub frames: u64,
    /// What the layers did on these frames.
    pub layers: Vec<LayerRates>,
}

/// What a layer did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRates {
    /// Kind.
    pub kind: String,
    /// Multiply-accumulates of a dense step.
    pub macs: u64,
    /// Share of the columns that the prediction pass applied.
    pub columns_applied: f64,
    /// Share of the outputs that got the update pass.
    pub open: f64,
    /// Share of the multiply-accumulates executed.
    pub macs_executed: f64,
}

impl Inputs {
    /// Codes of `clips` clips, spread evenly over a split, by the image's own
    /// front-end.
    ///
    /// # Errors
    ///
    /// If the image has no audio input, or a clip cannot be read.
    pub fn compose(image: ImageBytes, data: &Dataset, split: Split, clips: usize) -> Result<Self> {
        data.require(split)?;
        let all: Vec<&Clip> = data.split(split).collect();
        let chosen: Vec<&Clip> = spread(clips, all.len()).map(|i| all[i]).collect();
        ensure!(!chosen.is_empty(), "no clips: the benches need frames");
        let mut samples = Vec::new();
        for clip in &chosen {
            samples.extend(data.load(clip)?);
        }
        let host = image.clone().for_target(Selected::TARGET)?;
        let parsed = host.image()?;
        let audio = parsed
            .audio()
            .context("the image has no audio input: the benches cannot feed it")?;
        let mut codes = Vec::new();
        let (mut frontend, mut rest) = (Frontend::new(), &samples[..]);
        let mut buffer = [0; MAX_BANDS];
        while let Some(logmel) = frontend.push(&audio, &mut rest) {
            let frame = &mut buffer[..logmel.len()];
            quantise(&audio, logmel, frame);
            codes.extend_from_slice(frame);
        }
        let names = chosen.iter().map(|c| c.file.clone()).collect();
        Self::of_codes(&image, &parsed, &codes, names)
    }

    /// Codes of `count` pictures, spread evenly over `pictures`, but no more
    /// than the bench firmware has memory for; they are of the size that the
    /// network reads.
    ///
    /// # Errors
    ///
    /// If the image is of another kind of model, or a picture cannot be read.
    pub fn of_pictures(image: ImageBytes, pictures: &Images, count: usize) -> Result<Self> {
        let host = image.clone().for_target(Selected::TARGET)?;
        let parsed = host.image()?;
        let (shape, pixels) = picture_input(&parsed)?;
        let count = count.min(pictures.len()).min(FRAME_BYTES / shape.len());
        ensure!(count > 0, "no pictures, or too large ones for the benches");
        let mut codes = vec![0; count * shape.len()];
        let mut names = Vec::new();
        let chosen = spread(count, pictures.len());
        for (codes, k) in codes.chunks_mut(shape.len()).zip(chosen) {
            let picture = pictures.pixels(k)?;
            ensure!(
                picture.len() == codes.len(),
                "a picture has {} bytes, the network reads {}",
                picture.len(),
                codes.len()
            );
            pixels.encode(&picture, codes);
            names.push(format!("picture {k}"));
        }
        Self::of_codes(&image, &parsed, &codes, names)
    }

    /// Frames of codes, and what the host's engine makes of them.
    fn of_codes(
        image: &ImageBytes,
        parsed: &Image<'_>,
        codes: &[i8],
        clips: Vec<String>,
    ) -> Result<Self> {
        let mut memory = arena(parsed);
        let mut engine = Engine::new(parsed, &mut memory)?;
        let mut work: Vec<_> = parsed.layers().map(|l| LayerWork::of(&l)).collect();
        let (mut count, mut check) = (0_u32, 0_u32);
        for frame in codes.chunks_exact(parsed.input_len()) {
            count += 1;
            let mut probe = |layer: usize, counts: LayerCounts| work[layer].add(&counts);
            let output = engine.push_probed(frame, &mut probe)?;
            for &posterior in output.posteriors {
                // FNV-1a on words, as in pg-bench.
                check = (check ^ u32::from(posterior)).wrapping_mul(0x0100_0193);
            }
        }
        let width = parsed.input_len() as u32;
        let header = [count.to_le_bytes(), width.to_le_bytes()].concat();
        let layers = (work.iter().filter(|w| w.dense_macs > 0))
            .map(|w| LayerRates::of(w, u64::from(count)))
            .collect();
        Ok(Self {
            frames: [header.as_slice(), codes.as_bytes()].concat(),
            engine_check: check,
            report: InputReport {
                image: format!("{:08x}", image.image_of_any_target()?.crc32()),
                clips,
                frames: u64::from(count),
                layers,
            },
            image: image.clone(),
        })
    }
}

impl LayerRates {
    fn of(work: &LayerWork, frames: u64) -> Self {
        let share = |part: u64, of: u64| super::report::rounded(part as f64 / of.max(1) as f64);
        Self {
            kind: work.kind.to_owned(),
            macs: work.dense_macs / frames.max(1),
            columns_applied: share(work.columns_applied, work.columns),
            open: share(work.open, work.outputs),
            macs_executed: share(work.macs, work.dense_macs),
        }
    }
}
