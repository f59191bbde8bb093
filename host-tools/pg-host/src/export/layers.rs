//! Quantisation of single layers, and the folding of their scales.

use super::{ExportOptions, Gates, Q8};
use crate::image::{DenseSpec, GateSpec, LstmGateSpec, LstmSpec};
use crate::model::{GateGroup, GateTest, ModelKind};
use crate::quantise::{
    NARROW_LIMIT, Rows as RecurrentRows, join_columns, narrow_sum, quantise_recurrent,
    quantise_rows, requant,
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
    pub scale: f32,
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
    let rows = quantise_recurrent(
        &joined,
        model.bias,
        columns,
        model.weight_bits,
        model.scale_h,
        split,
    );
    let (rows, doublings) = refined(rows, model.scale_h, split, columns);
    let units: Vec<f64> = rows.units(model.scale_h).collect();
    let pre = if rows.narrow {
        split.shift()
    } else {
        wide_shift(&units)
    };
    // Real value of one unit of the predictions, per row.
    let steps: Vec<f64> = (units.iter().map(|u| u * f64::from(1u32 << pre))).collect();
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
    let (mult, post) = multipliers(&steps)?;
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
        mult: by_unit(hidden, |row| mult[row]),
        post,
        hidden_requant,
        copies: options.copies,
        weight_bits: options.weight_bits(model.weight_bits + doublings),
    })
}

/// Largest unit of a prediction that a multiplier below 2^15 brings to Q20.
const LARGEST_STEP: f64 = 1.0 / 32.0;

/// The same rows in halves, quarters, ... of their units, if these are too
/// coarse for the multipliers: few bits of weights and activations make them
/// so. Every number doubles, so nothing that is computed changes; the doublings
/// are the bits that the weights gain.
fn refined(
    mut rows: RecurrentRows,
    scale_h: f32,
    split: Split,
    columns: usize,
) -> (RecurrentRows, u8) {
    let mut doublings = 0;
    loop {
        let largest = rows.units(scale_h).fold(0.0, f64::max);
        let pre = if rows.narrow { split.shift() } else { 0 };
        let fits = rows.codes.iter().all(|c| c.abs() <= 63.0);
        if largest * f64::from(1u32 << pre) < LARGEST_STEP || !fits {
            return (rows, doublings);
        }
        rows.codes.iter_mut().for_each(|c| *c *= 2.0);
        rows.scales.iter_mut().for_each(|s| *s /= 2.0);
        rows.bias.iter_mut().for_each(|b| *b *= 2);
        let sums = rows.codes.chunks(columns).zip(&rows.bias);
        rows.narrow &= { sums }.all(|(row, &b)| narrow_sum(row, b, split) <= NARROW_LIMIT);
        doublings += 1;
    }
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
    fn coarse_rows_are_counted_in_parts_of_their_units() {
        let split = Split::new(4, 4, true).expect("a split");
        let rows = RecurrentRows {
            codes: vec![7.0, -3.0, 1.0, 0.0],
            scales: vec![0.5, 0.25],
            bias: vec![3, -2],
            narrow: true,
        };
        let (refined_rows, doublings) = refined(rows.clone(), 0.25, split, 2);
        // 0.5 * 0.25 = 1/8 is above 1/32 until it is halved three times.
        assert_eq!(doublings, 3);
        assert_eq!(refined_rows.codes, [56.0, -24.0, 8.0, 0.0]);
        assert_eq!(refined_rows.bias, [24, -16]);
        assert_eq!(refined_rows.scales, [0.0625, 0.03125]);
        let fine = RecurrentRows {
            scales: vec![0.01, 0.01],
            ..rows
        };
        assert_eq!(refined(fine.clone(), 0.25, split, 2), (fine, 0));
    }
}
