//! Quantisation of single layers, and the folding of their scales.

use super::{ExportOptions, Gates, Q8};
use crate::image::{DenseSpec, GateSpec, LstmGateSpec, LstmSpec};
use crate::model::{GateGroup, GateTest, ModelKind};
use crate::quantise::{
    NARROW_LIMIT, join_columns, narrow_sum, quantise_recurrent, quantise_rows, requant,
};
use anyhow::{Context, Result, ensure};
use pg_runtime::activation::T_FRACTION;
use pg_runtime::gate::GateKind;
use pg_runtime::image::record::MAX_BIAS;
use pg_runtime::layers::DenseOutput;
use pg_runtime::quant::{Requant, Split};

/// Q20 units of a preactivation of one.
const T_ONE: f64 = (1 << T_FRACTION) as f64;
/// Preactivation beyond which the tables saturate.
const Z_LIMIT: f64 = 8.0;

/// Integer weights, biases and requantisations of rows that share a unit.
struct Rows {
    weights: Vec<i8>,
    bias: Vec<i32>,
    /// Real value of one accumulator unit, per row.
    units: Vec<f64>,
}

fn quantise(weights: &[f32], bias: &[f32], columns: usize, bits: u8, scale: f64) -> Rows {
    let max = ((1i32 << (bits - 1)) - 1) as f32;
    let (codes, scales) = quantise_rows(weights, columns, max);
    let units: Vec<f64> = (scales.iter().map(|s| f64::from(*s) * scale)).collect();
    let limit = f64::from(MAX_BIAS);
    Rows {
        weights: codes.iter().map(|&c| c as i8).collect(),
        bias: (bias.iter().zip(&units))
            .map(|(b, u)| (f64::from(*b) / u).round().clamp(-limit, limit) as i32)
            .collect(),
        units,
    }
}

/// A trained LSTM; matrices row-major, gate rows in the order i, f, g, o.
#[derive(Clone, Copy, Debug)]
pub struct Recurrent<'a> {
    /// How it computes.
    pub kind: ModelKind,
    /// Input width, I.
    pub inputs: usize,
    /// Hidden units, H.
    pub hidden: usize,
    /// Split of its codes.
    pub split: Split,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Which predictions get the update pass.
    pub test: GateTest,
    /// Rows whose gates open together.
    pub group: GateGroup,
    /// Input weights `[4H, I]`.
    pub w_x: &'a [f32],
    /// Recurrent weights `[4H, H]`.
    pub w_h: &'a [f32],
    /// Bias `[4H]`.
    pub bias: &'a [f32],
    /// Thresholds `[4H]` in units of the preactivation; empty without a gate.
    pub threshold: &'a [f32],
    /// One input code.
    pub scale_x: f32,
    /// One hidden code.
    pub scale_h: f32,
}

/// A trained dense layer that gives logits, `[outputs, inputs]` row-major.
#[derive(Clone, Copy, Debug)]
pub struct Projection<'a> {
    /// Input width.
    pub inputs: usize,
    /// Output width.
    pub outputs: usize,
    /// Split of the input's codes.
    pub split: Split,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Weights.
    pub weights: &'a [f32],
    /// Bias.
    pub bias: &'a [f32],
    /// One input code.
    pub scale: f64,
}

/// The integers of an LSTM.
///
/// # Errors
/// If its scales are beyond what the integers can represent.
pub fn lstm(model: &Recurrent<'_>, options: &ExportOptions) -> Result<LstmSpec> {
    let (inputs, hidden, split) = (model.inputs, model.hidden, model.split);
    let columns = inputs + hidden;
    let joined = join_columns(
        (model.w_x, inputs),
        (model.w_h, hidden),
        model.scale_x,
        model.scale_h,
    );
    let mut rows = quantise_recurrent(
        &joined,
        model.bias,
        columns,
        model.weight_bits,
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
    let gate = if model.kind == ModelKind::Gated && options.gates == Gates::Learned {
        LstmGateSpec {
            kind: match model.test {
                GateTest::Within => GateKind::Within,
                GateTest::Above => GateKind::Above,
            },
            group: model.group.rows(),
            // |a| < t or a > t for an integer a, as for the real numbers behind it.
            thresholds: by_unit(hidden, |row| {
                let t = f64::from(model.threshold[row]) / steps[row];
                let most = f64::from(i16::MAX);
                match model.test {
                    GateTest::Within => t.ceil().clamp(0.0, most) as i16,
                    GateTest::Above => t.floor().clamp(-most, most) as i16,
                }
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
        weight_bits: options.weight_bits(model.weight_bits),
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

/// The integers of a dense layer, every gate open.
///
/// # Errors
/// If its scales are beyond what the integers can represent.
pub fn dense(model: &Projection<'_>, options: &ExportOptions) -> Result<DenseSpec> {
    let rows = quantise(
        model.weights,
        model.bias,
        model.inputs,
        model.weight_bits,
        model.scale,
    );
    Ok(DenseSpec {
        inputs: model.inputs,
        outputs: model.outputs,
        split: model.split,
        gate: GateSpec::open(),
        weights: rows.weights,
        bias: rows.bias,
        requant: (rows.units.iter())
            .map(|u| requant(u * Q8, 128.0 / u))
            .collect::<Result<Vec<Requant>>>()
            .context("head")?,
        output: DenseOutput::Logits,
        weight_bits: options.weight_bits(model.weight_bits),
    })
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
