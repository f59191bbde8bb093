//! Output channels of a convolution: weights, batch norm and threshold as
//! integers.

use crate::network::EPSILON;
use crate::quantise::{quantise_rows, requant};
use anyhow::{Result, ensure};
use pg_runtime::image::record::{MAX_BIAS, MAX_THRESHOLD};
use pg_runtime::quant::Requant;

/// Real-valued parameters of a convolution's channels.
pub(super) struct Trained<'m> {
    /// `[C_out][columns]`.
    pub weights: &'m [f32],
    /// One per block of channels; empty without a gate.
    pub thresholds: &'m [f32],
    pub block: usize,
    pub gamma: &'m [f32],
    pub beta: &'m [f32],
    pub mean: &'m [f32],
    pub var: &'m [f32],
    /// Largest weight code.
    pub weight_max: f32,
    /// Value of one input code.
    pub input: f64,
    /// Value of one unit of the requantised output.
    pub output: f64,
    /// Magnitude in these units beyond which an output needs no precision.
    pub reach: f64,
}

/// The same as integers.
pub(super) struct Folded {
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub requant: Vec<Requant>,
    /// One per channel, the bias included.
    pub thresholds: Vec<i32>,
}

/// A channel that the convolution moves by less than this, in units of the
/// output, is its bias: batch norm has turned it off.
const STILL: f64 = 1.0 / 64.0;
/// Unit of such a channel's accumulator, in units of the output.
const STILL_UNIT: f64 = 1.0 / 256.0;

impl Folded {
    pub(super) fn new(t: &Trained<'_>) -> Result<Self> {
        let channels = t.gamma.len();
        let columns = t.weights.len() / channels.max(1);
        let (codes, scales) = quantise_rows(t.weights, columns, t.weight_max);
        let mut folded = Self {
            weights: codes.iter().map(|&c| c as i8).collect(),
            bias: Vec::new(),
            requant: Vec::new(),
            thresholds: Vec::new(),
        };
        for (channel, &scale) in scales.iter().enumerate() {
            let unit = t.input * f64::from(scale);
            let gain = f64::from(t.gamma[channel])
                / (f64::from(t.var[channel]) + f64::from(EPSILON)).sqrt();
            let factor = unit * gain / t.output;
            let row = &mut folded.weights[channel * columns..][..columns];
            let sum: f64 = row.iter().map(|w| f64::from(w.unsigned_abs())).sum();
            let beta = f64::from(t.beta[channel]);
            let threshold = t.thresholds.get(channel / t.block.max(1));
            // No code is above 255.
            if 255.0 * sum * factor < STILL {
                row.fill(0);
                let offset = beta - f64::from(t.mean[channel]) * gain;
                folded.push(offset / t.output / STILL_UNIT, STILL_UNIT, t.reach)?;
                if threshold.is_some() {
                    folded.thresholds.push(MAX_THRESHOLD);
                }
                continue;
            }
            let bias = (beta / gain - f64::from(t.mean[channel])) / unit;
            let bias = folded.push(bias, factor, t.reach)?;
            if let Some(&threshold) = threshold {
                let limit = f64::from(MAX_THRESHOLD);
                let above = (f64::from(threshold) / unit).floor() + f64::from(bias);
                folded.thresholds.push(above.clamp(-limit, limit) as i32);
            }
        }
        Ok(folded)
    }

    /// Adds a channel's bias, in units of its accumulator, and requantisation.
    fn push(&mut self, bias: f64, factor: f64, reach: f64) -> Result<i32> {
        let limit = f64::from(MAX_BIAS);
        let bias = bias.round().clamp(-limit, limit) as i32;
        self.bias.push(bias);
        self.requant.push(requant(factor, reach / factor)?);
        Ok(bias)
    }
}

/// A factor as a number below 2^15 and a shift.
pub(super) fn multiplier(factor: f64) -> Result<(u16, u8)> {
    let mut shift = 14 - factor.log2().floor() as i32;
    let mut mult = (factor * 2f64.powi(shift)).round();
    if mult >= 32768.0 {
        shift -= 1;
        mult = (factor * 2f64.powi(shift)).round();
    }
    ensure!(
        factor.is_finite() && factor > 0.0 && (0..=31).contains(&shift),
        "cannot rescale by {factor:e}: the ranges of these maps are degenerate; train again"
    );
    Ok((mult as u16, shift as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained<'t>(gamma: &'t [f32], thresholds: &'t [f32]) -> Trained<'t> {
        Trained {
            weights: &[0.5, -1.0, 0.25, 0.0],
            thresholds,
            block: 1,
            gamma,
            beta: &[0.5, 0.5],
            mean: &[0.1, -0.2],
            var: &[1.0, 4.0],
            weight_max: 127.0,
            input: 0.02,
            output: 0.05,
            reach: 32.0,
        }
    }

    #[test]
    fn integers_follow_batch_norm() {
        let folded = Folded::new(&trained(&[1.5, 0.7], &[0.3, -0.1])).unwrap();
        assert_eq!(folded.weights, [64, -127, 127, 0]);
        for (channel, (gamma, mean, var)) in
            [(1.5, 0.1, 1.0), (0.7, -0.2, 4.0)].into_iter().enumerate()
        {
            let unit = 0.02 * [1.0, 0.25][channel] / 127.0;
            for z in [-3000, 0, 500, 8000] {
                let real = f64::from(z) * unit;
                let value = gamma * (real - mean) / f64::sqrt(var + 1e-5) + 0.5;
                let got = folded.requant[channel].apply(z + folded.bias[channel]);
                assert!((f64::from(got) - value / 0.05).abs() < 0.6, "{got} {value}");
                // The gate, on the sum with its bias, as on the real number.
                let open = z + folded.bias[channel] > folded.thresholds[channel];
                assert_eq!(open, real > [0.3, -0.1][channel]);
            }
        }
    }

    #[test]
    fn a_channel_that_is_off_is_its_bias() {
        let folded = Folded::new(&trained(&[1e-12, 0.7], &[0.3, -0.1])).unwrap();
        assert_eq!(folded.weights[..2], [0, 0]);
        assert_eq!(folded.requant[0].apply(folded.bias[0]), 10);
        assert_eq!(folded.thresholds[0], MAX_THRESHOLD);
    }

    #[test]
    fn multipliers_are_exact_to_fifteen_bits() {
        for factor in [0.001, 0.5, 1.0, 16.0, 1999.0, 32766.6 / 32768.0] {
            let (mult, shift) = multiplier(factor).unwrap();
            let real = f64::from(mult) * 2f64.powi(-i32::from(shift));
            assert!((real / factor - 1.0).abs() < 1.0 / 32768.0, "{factor}");
        }
        assert!(multiplier(0.0).is_err() && multiplier(1e9).is_err());
    }
}
