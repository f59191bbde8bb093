//! From a trained model to a model image: quantisation, and the folding of
//! every scale into the integers the runtime works with.

use crate::data::is_background;
use crate::image::{
    AudioSpec, DenseSpec, GateSpec, ImageBytes, ImageSpec, LayerSpec, LstmGateSpec, LstmSpec,
    PoolSpec, WeightCopies, build,
};
use crate::mel::mel_filters;
use crate::model::{ModelKind, Readout, TrainedModel};
use crate::quantise::{
    NARROW_LIMIT, join_columns, narrow_sum, quantise_recurrent, quantise_rows, requant,
};
use anyhow::{Context, Result, bail, ensure};
use pg_runtime::activation::T_FRACTION;
use pg_runtime::audio::BandNorm;
use pg_runtime::detector::DetectorParams;
use pg_runtime::gate::GateKind;
use pg_runtime::image::record::MAX_BIAS;
use pg_runtime::layers::DenseOutput;
use pg_runtime::layout::{Target, WeightBits};
use pg_runtime::quant::{Requant, Split};

/// Q20 units of a preactivation of one.
const T_ONE: f64 = (1 << T_FRACTION) as f64;
/// Preactivation beyond which the tables saturate.
const Z_LIMIT: f64 = 8.0;
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
    let pool = PoolSpec {
        classes: meta.labels.len(),
        window: meta.window,
    };
    let spec = ImageSpec {
        layers: vec![
            LayerSpec::Lstm(lstm(model, split, options)?),
            LayerSpec::Dense(head(model, split, options)?),
            match meta.readout {
                Readout::Mean => LayerSpec::MeanPool(pool),
                Readout::Attention => LayerSpec::AttentionPool(pool),
            },
        ],
        labels: meta.labels.clone(),
        audio: Some(audio(model, split)?),
        detector: Some(detector(&meta.labels, options.detector)),
        test_frames: test_frames(meta.inputs, split),
    };
    build(&spec, options.target)
}

/// Integer weights, biases and requantisations of rows that share a unit.
struct Rows {
    weights: Vec<i8>,
    bias: Vec<i32>,
    /// Real value of one accumulator unit, per row.
    units: Vec<f64>,
}

fn quantise(weights: &[f32], bias: &[f32], columns: usize, bits: u8, scale: f32) -> Rows {
    let max = ((1i32 << (bits - 1)) - 1) as f32;
    let (codes, scales) = quantise_rows(weights, columns, max);
    let units: Vec<f64> = (scales.iter().map(|s| f64::from(*s) * f64::from(scale))).collect();
    let limit = f64::from(MAX_BIAS);
    Rows {
        weights: codes.iter().map(|&c| c as i8).collect(),
        bias: (bias.iter().zip(&units))
            .map(|(b, u)| (f64::from(*b) / u).round().clamp(-limit, limit) as i32)
            .collect(),
        units,
    }
}

fn lstm(model: &TrainedModel, split: Split, options: &ExportOptions) -> Result<LstmSpec> {
    let meta = &model.meta;
    let (inputs, hidden) = (meta.inputs, meta.hidden);
    let columns = inputs + hidden;
    let joined = join_columns(
        (&model.w_x, inputs),
        (&model.w_h, hidden),
        model.scale_x,
        model.scale_h,
    );
    let mut rows = quantise_recurrent(
        &joined,
        &model.bias,
        columns,
        meta.weight_bits,
        model.scale_h,
        split,
    );
    let units: Vec<f64> = rows.units(model.scale_h).collect();
    // Real value of one unit of the predictions, per row.
    let steps_after =
        |pre: u8| -> Vec<f64> { units.iter().map(|u| u * f64::from(1u32 << pre)).collect() };
    // Predictions that are kept must fit 16 bits in the units they are lifted to.
    let lifted = f32::from(1u16 << lift(&steps_after(split.shift())));
    rows.narrow &= (rows.codes.chunks(columns).zip(&rows.bias))
        .all(|(row, &b)| narrow_sum(row, b, split) * lifted <= NARROW_LIMIT);
    let pre = if rows.narrow {
        split.shift()
    } else {
        wide_shift(&units)
    };
    let steps = steps_after(pre);
    let lift = lift(&steps);
    let gate = if meta.kind == ModelKind::Gated && options.gates == Gates::Learned {
        LstmGateSpec {
            kind: GateKind::Within,
            group: meta.gate_group.rows(),
            // |a| < t for an integer a, as for the real numbers behind it.
            thresholds: by_unit(hidden, |row| {
                let t = (f64::from(model.threshold[row]) / steps[row]).ceil();
                t.clamp(0.0, f64::from(i16::MAX)) as i16
            }),
        }
    } else {
        LstmGateSpec::open()
    };
    let parts = f64::from(1u32 << lift);
    let (mult, post) = multipliers(&steps.iter().map(|s| s / parts).collect::<Vec<f64>>())?;
    let hidden_requant =
        hidden_requant(1.0 / (32768.0 * f64::from(model.scale_h))).context("hidden activation")?;
    Ok(LstmSpec {
        inputs,
        hidden,
        split,
        gate,
        weights: by_unit(hidden, |row| &rows.codes[row * columns..][..columns])
            .concat()
            .iter()
            .map(|&c| c as i8)
            .collect(),
        bias: by_unit(hidden, |row| rows.bias[row]),
        pre,
        lift,
        mult: by_unit(hidden, |row| mult[row]),
        post,
        hidden_requant,
        copies: options.copies,
        weight_bits: options.weight_bits(meta.weight_bits),
    })
}

/// Largest unit of a preactivation that a multiplier below 2^15 brings to Q20.
const LARGEST_STEP: f64 = 1.0 / 32.0;

/// The shift that brings predictions in units of `steps`, few bits of weights
/// and activations make them coarse, to units that a multiplier can scale.
fn lift(steps: &[f64]) -> u8 {
    let largest = steps.iter().copied().fold(0.0, f64::max);
    // A multiplier is at most 32767, a little less than the limit.
    let fits = |lift: &u8| largest / f64::from(1u32 << lift) * T_ONE < LARGEST_STEP * T_ONE - 1.0;
    (0..=15).find(fits).unwrap_or(15)
}

/// From the trainer's order of rows, gate after gate, to the runtime's, unit
/// after unit.
fn by_unit<T>(hidden: usize, of_row: impl Fn(usize) -> T) -> Vec<T> {
    (0..4 * hidden)
        .map(|k| of_row(k % 4 * hidden + k / 4))
        .collect()
}

/// The shift that brings every row's accumulator to 16 bits, up to where the
/// tables end.
fn wide_shift(units: &[f64]) -> u8 {
    let smallest = units.iter().copied().fold(f64::MAX, f64::min);
    (Z_LIMIT / smallest / 32767.0)
        .log2()
        .ceil()
        .clamp(0.0, 24.0) as u8
}

/// Multipliers and their common shift: from one unit of every row's
/// prediction to Q20.
fn multipliers(steps: &[f64]) -> Result<(Vec<u16>, u8)> {
    let largest = steps.iter().copied().fold(0.0, f64::max) * T_ONE;
    ensure!(
        largest.is_finite() && largest > 0.0 && largest < 32767.0,
        "LSTM: one step of a prediction stands for {}; beyond 1/32 the weights are degenerate: \
         train again, with less learning rate or more weight decay",
        largest / T_ONE
    );
    let post = (32767.0 / largest).log2().floor().clamp(0.0, 15.0) as u8;
    let factor = T_ONE * f64::from(1u32 << post);
    let mult = steps.iter().map(|s| (s * factor).round() as u16).collect();
    Ok((mult, post))
}

/// The requantisation of a number below one, Q15, without a shift before.
fn hidden_requant(factor: f64) -> Result<Requant> {
    let requant = requant(factor, 32767.0)?;
    ensure!(requant.pre == 0, "its scale is out of range");
    Ok(requant)
}

fn head(model: &TrainedModel, split: Split, options: &ExportOptions) -> Result<DenseSpec> {
    let meta = &model.meta;
    let rows = quantise(
        &model.head_w,
        &model.head_b,
        meta.hidden,
        meta.weight_bits,
        model.scale_h,
    );
    Ok(DenseSpec {
        inputs: meta.hidden,
        outputs: model.head_outputs(),
        split,
        gate: GateSpec::open(),
        weights: rows.weights,
        bias: rows.bias,
        requant: (rows.units.iter())
            .map(|u| requant(u * Q8, 128.0 / u))
            .collect::<Result<Vec<Requant>>>()
            .context("head")?,
        output: DenseOutput::Logits,
        weight_bits: options.weight_bits(meta.weight_bits),
    })
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
fn test_frames(inputs: usize, split: Split) -> Vec<Vec<i8>> {
    let (low, high) = split.range();
    let span = u64::from((high - low).unsigned_abs()) + 1;
    let mut x = 1u64;
    let mut next = || {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (i64::from(low) + ((x >> 33) % span) as i64) as i8
    };
    (0..TEST_FRAMES)
        .map(|_| (0..inputs).map(|_| next()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_predictions_are_lifted_until_a_multiplier_scales_them() {
        for (step, shift) in [(0.01, 0), (0.031, 0), (1.0 / 32.0, 1), (0.1, 2), (0.5, 5)] {
            let steps = [step, step / 3.0];
            assert_eq!(lift(&steps), shift, "{step}");
            let parts = f64::from(1u32 << shift);
            let (mult, post) = multipliers(&steps.map(|s| s / parts)).expect("multipliers");
            for (m, s) in mult.iter().zip(steps) {
                let real = f64::from(*m) / f64::from(1u32 << post) / T_ONE * parts;
                assert!((real / s - 1.0).abs() < 1e-3);
            }
        }
        assert!(multipliers(&[4096.0 / 32768.0]).is_err());
    }
}
