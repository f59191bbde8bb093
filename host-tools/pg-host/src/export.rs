//! From a trained model to a model image: quantisation, and the folding of
//! every scale into the integers the runtime works with.

mod layers;

pub use layers::{Projection, Recurrent, dense, lstm};

use crate::data::is_background;
use crate::image::{
    AudioSpec, ImageBytes, ImageSpec, LayerSpec, PoolSpec, TestSpec, WeightCopies, build,
};
use crate::mel::mel_filters;
use crate::model::{GateTest, ModelKind, Readout, TrainedModel};
use crate::quantise::requant;
use anyhow::{Context, Result, bail, ensure};
use pg_runtime::audio::BandNorm;
use pg_runtime::detector::DetectorParams;
use pg_runtime::layout::{Target, WeightBits};
use pg_runtime::quant::Split;

/// Q8 units of a logit of one, and of one log2 unit of a feature.
const Q8: f64 = 256.0;
/// Frames of the built-in test vector.
const TEST_FRAMES: usize = 16;

/// Which gates the image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// The trained ones.
    #[default]
    Learned,
    /// All open: the plain integer network of the same weights.
    Open,
}

/// Choices made at export.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// Copies of the recurrent weights.
    pub copies: WeightCopies,
    /// The cores that the weights are laid out for.
    pub target: Target,
    /// Whether weights of 4 bits are stored two a byte.
    pub packed: bool,
    /// Gates.
    pub gates: Gates,
    /// Detector settings; the background classes are filled in from the labels.
    pub detector: DetectorParams,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            copies: WeightCopies::Two,
            target: Target::Swar,
            packed: true,
            gates: Gates::Learned,
            detector: DetectorParams {
                threshold: (0.75 * 32768.0) as u16,
                release: (0.3 * 32768.0) as u16,
                background: 0,
                smooth: 8,
                refractory: 25,
                reserved: [0; 8],
            },
        }
    }
}

impl ExportOptions {
    /// How weights of so many bits are stored.
    const fn weight_bits(&self, trained: u8) -> WeightBits {
        if self.packed && trained <= WeightBits::Four.get() {
            WeightBits::Four
        } else {
            WeightBits::Eight
        }
    }
}

/// Exports a trained model.
///
/// # Errors
///
/// If the model is floating-point, inconsistent, or beyond the format's ranges.
pub fn export(model: &TrainedModel, options: &ExportOptions) -> Result<ImageBytes> {
    model.check()?;
    let meta = &model.meta;
    if meta.kind == ModelKind::Float {
        bail!(
            "a floating-point model has no integer image: train the recipe with mode \
             \"uniform\" or \"pg\""
        );
    }
    // Without a gate there is nothing to predict: the digit is the whole code.
    let msb_bits = match meta.kind {
        ModelKind::Gated => meta.msb_bits,
        _ => meta.activation_bits,
    };
    let split = Split::new(meta.activation_bits, msb_bits, true)
        .context("activation bits and digit bits are out of range (2 to 8, 1 to B)")?;
    let recurrent = Recurrent {
        kind: meta.kind,
        inputs: meta.inputs,
        hidden: meta.hidden,
        split,
        weight_bits: meta.weight_bits,
        test: GateTest::Within,
        group: meta.gate_group,
        w_x: &model.w_x,
        w_h: &model.w_h,
        bias: &model.bias,
        threshold: &model.threshold,
        scale_x: model.scale_x,
        scale_h: model.scale_h,
    };
    let projection = Projection {
        inputs: meta.hidden,
        outputs: model.head_outputs(),
        split,
        weight_bits: meta.weight_bits,
        weights: &model.head_w,
        bias: &model.head_b,
        scale: model.scale_h.into(),
    };
    let pool = PoolSpec {
        classes: meta.labels.len(),
        window: meta.window,
    };
    let spec = ImageSpec {
        layers: vec![
            LayerSpec::Lstm(lstm(&recurrent, options)?),
            LayerSpec::Dense(dense(&projection, options)?),
            match meta.readout {
                Readout::Mean => LayerSpec::MeanPool(pool),
                Readout::Attention => LayerSpec::AttentionPool(pool),
            },
        ],
        graph: None,
        labels: meta.labels.clone(),
        audio: Some(audio(model, split)?),
        detector: Some(detector(&meta.labels, options.detector)),
        test: TestSpec::Frames(test_frames(TEST_FRAMES, meta.inputs, split.range())),
    };
    build(&spec, options.target)
}

fn audio(model: &TrainedModel, split: Split) -> Result<AudioSpec> {
    let meta = &model.meta;
    let mel = mel_filters(meta.inputs, meta.low_hz, meta.high_hz)?;
    let (_, limit) = split.range();
    let norm = (model.band_mean.iter().zip(&model.band_std))
        .map(|(&mean, &std)| {
            ensure!(std > 0.0, "a mel band never changes in the training data");
            let factor = 1.0 / (Q8 * f64::from(std) * f64::from(model.scale_x));
            Ok(BandNorm {
                offset: (f64::from(mean) * Q8).round().clamp(-32768.0, 32767.0) as i16,
                requant: requant(factor, 32767.0)?,
                reserved: 0,
            })
        })
        .collect::<Result<_>>()
        .context("input normalisation")?;
    Ok(AudioSpec {
        first_bin: mel.first_bin,
        code_limit: limit as u8,
        filters: mel.filters,
        norm,
    })
}

/// Silence and unknown are never reported.
fn detector(labels: &[String], params: DetectorParams) -> DetectorParams {
    let background = (labels.iter().enumerate())
        .filter(|(_, l)| is_background(l))
        .fold(0, |mask, (k, _)| {
            mask | 1u16.checked_shl(k as u32).unwrap_or(0)
        });
    DetectorParams {
        background,
        ..params
    }
}

/// Input that visits the whole code range: a linear congruential sequence
/// (Knuth's MMIX constants), so that images are reproducible.
pub(crate) fn test_frames(frames: usize, width: usize, (low, high): (i16, i16)) -> Vec<Vec<i8>> {
    let span = u64::from((high - low).unsigned_abs()) + 1;
    let mut x = 1u64;
    let mut next = || {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (i64::from(low) + ((x >> 33) % span) as i64) as i8
    };
    (0..frames)
        .map(|_| (0..width).map(|_| next()).collect())
        .collect()
}
