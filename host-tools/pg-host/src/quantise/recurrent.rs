//! The integers of a recurrent layer, whose prediction accumulators are state
//! and should fit 16 bits.

use pg_runtime::image::record::MAX_BIAS;
use pg_runtime::quant::Split;

/// Rows of a recurrent layer as the integers that trainer, host and device
/// compute with.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Weight codes `[rows, columns]`; whole numbers.
    pub codes: Vec<f32>,
    /// Scale of each row's weights.
    pub scales: Vec<f32>,
    /// Bias of each row in accumulator units, `scale * scale_h`.
    pub bias: Vec<i32>,
    /// Whether every row meets the bound of [`narrow_sum`].
    pub narrow: bool,
}

impl Rows {
    /// Real value of one accumulator unit of each row.
    pub fn units(&self, scale_h: f32) -> impl Iterator<Item = f64> {
        (self.scales.iter()).map(move |s| f64::from(*s) * f64::from(scale_h))
    }
}

/// Widest prediction digit whose layers are made narrow. A wider one would
/// leave a weight fewer than six bits on average.
const NARROW_DIGIT: u8 = 4;

/// Largest value of [`narrow_sum`]: prediction and bias fit 16 bits, with one
/// to spare for the rounding of a later shift.
pub const NARROW_LIMIT: f32 = 32766.0;

/// Largest magnitude of the prediction digit.
#[must_use]
pub const fn digit_limit(split: Split) -> i32 {
    if split.shift() == 0 {
        (1 << (split.bits() - 1)) - 1
    } else {
        1 << (split.msb_bits() - 1)
    }
}

/// Bound of a row's prediction in units of `2^s`, bias included: 16-bit
/// accumulators hold it if it does not exceed [`NARROW_LIMIT`].
///
/// Where `s <= B_hb`, no remainder is larger than the largest digit, so the
/// bound holds for the update pass of the row as well.
#[must_use]
pub fn narrow_sum(codes: &[f32], bias: i32, split: Split) -> f32 {
    let sum: f32 = codes.iter().map(|c| c.abs()).sum();
    digit_limit(split) as f32 * sum + (bias >> split.shift()).unsigned_abs() as f32
}

/// Quantises the rows of a recurrent layer, `weights` `[rows, columns]` joined
/// by [`super::join_columns`].
///
/// With a prediction digit of at most four bits the rows are *narrow*: a bias
/// is a multiple of `2^s` units, and the scale of a row is the smallest, to
/// within the rounding of its codes, at which these fit `weight_bits` and
/// [`narrow_sum`] its limit. Otherwise the scale is the smallest at which the
/// codes fit.
#[must_use]
pub fn quantise_recurrent(
    weights: &[f32],
    bias: &[f32],
    columns: usize,
    weight_bits: u8,
    scale_h: f32,
    split: Split,
) -> Rows {
    let max = ((1i32 << (weight_bits - 1)) - 1) as f32;
    let narrow = split.msb_bits() <= NARROW_DIGIT;
    // A step of the bias, in accumulator units.
    let step = if narrow { 1 << split.shift() } else { 1 };
    let digit = digit_limit(split) as f32;
    let mut rows = Rows {
        codes: Vec::with_capacity(weights.len()),
        scales: Vec::with_capacity(bias.len()),
        bias: Vec::with_capacity(bias.len()),
        narrow,
    };
    for (row, &b) in weights.chunks_exact(columns).zip(bias) {
        let (peak, sum) = (row.iter()).fold((0.0f32, 0.0f32), |(peak, sum), w| {
            (peak.max(w.abs()), sum + w.abs())
        });
        let mut scale = if peak > 0.0 { peak / max } else { 1.0 };
        if narrow {
            let bias = b.abs() / (scale_h * step as f32);
            scale = scale.max((digit * sum + bias) / NARROW_LIMIT);
        }
        let start = rows.codes.len();
        loop {
            rows.codes.truncate(start);
            (rows.codes).extend(row.iter().map(|w| (w / scale).round().clamp(-max, max)));
            let code = bias_code(b, scale, scale_h, step);
            let bound = narrow_sum(&rows.codes[start..], code, split);
            // A number that is not finite exceeds nothing; the loss reports it.
            let exceeds = narrow && bound > NARROW_LIMIT;
            if !exceeds {
                rows.scales.push(scale);
                rows.bias.push(code);
                break;
            }
            // Rounding went upwards: a little more than the excess.
            scale *= (bound / NARROW_LIMIT).max(1.0 + 1e-5);
        }
    }
    rows
}

/// A real bias in accumulator units, a multiple of `step`.
fn bias_code(bias: f32, scale: f32, scale_h: f32, step: i32) -> i32 {
    let unit = f64::from(scale) * f64::from(scale_h) * f64::from(step);
    let limit = f64::from(MAX_BIAS / step);
    (f64::from(bias) / unit).round().clamp(-limit, limit) as i32 * step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantise::quantise_rows;

    /// Deterministic values in (-1, 1), heavier at zero as weights are.
    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut x = seed;
        let mut next = || {
            x = (x.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1_442_695_040_888_963_407);
            (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next() * next().abs()).collect()
    }

    #[test]
    fn recurrent_rows_fit_16_bits_and_no_scale_is_larger_than_it_must_be() {
        let (columns, scale_h) = (168, 0.0079f32);
        let mut bound_by_sum = 0;
        for (bits, msb, weight_bits) in [
            (8, 4, 8),
            (8, 3, 8),
            (8, 2, 8),
            (8, 1, 4),
            (6, 4, 8),
            (4, 4, 8),
            (4, 4, 4),
        ] {
            let split = Split::new(bits, msb, true).unwrap();
            let max = f32::from((1i16 << (weight_bits - 1)) - 1);
            for seed in 1..40 {
                let spread = 10f32.powi(seed as i32 % 5 - 3);
                let mut weights: Vec<f32> = noise(8 * columns, seed)
                    .iter()
                    .map(|w| w * spread)
                    .collect();
                // Rows without an outlier: their sum is the tighter bound.
                for w in &mut weights[..2 * columns] {
                    *w = spread.copysign(*w);
                }
                // A row without weights.
                weights[7 * columns..].fill(0.0);
                let bias: Vec<f32> = noise(8, seed + 100).iter().map(|b| b * 9.0).collect();
                let rows =
                    quantise_recurrent(&weights, &bias, columns, weight_bits, scale_h, split);
                assert!(rows.narrow);
                let units: Vec<f64> = rows.units(scale_h).collect();
                for row in 0..8 {
                    let codes = &rows.codes[row * columns..][..columns];
                    let real = &weights[row * columns..][..columns];
                    let (b, scale) = (rows.bias[row], rows.scales[row]);
                    let sum: f32 = codes.iter().map(|c| c.abs()).sum();
                    assert!(codes.iter().all(|c| c.abs() <= max && c.fract() == 0.0));
                    assert_eq!(b % (1 << split.shift()), 0);
                    let bound = digit_limit(split) as f32 * sum + (b.abs() >> split.shift()) as f32;
                    assert!(bound <= 32766.0, "{split:?} row {row}: {bound}");
                    for (code, w) in codes.iter().zip(real) {
                        assert!((code * scale - w).abs() <= 0.5001 * scale);
                    }
                    let step = units[row] * f64::from(1u32 << split.shift());
                    let error = f64::from(b) * units[row] - f64::from(bias[row]);
                    assert!(error.abs() <= 0.5001 * step);
                    // One of the two bounds is nearly reached: the sum to
                    // within the rounding of all codes.
                    let slack = digit_limit(split) as f32 * 0.5 * columns as f32 + 2.0;
                    let peak = codes.iter().fold(0.0f32, |m, c| m.max(c.abs()));
                    assert!(peak == max || bound > 32766.0 - 2.0 * slack || row == 7);
                    bound_by_sum += u32::from(peak < max && row < 7);
                }
            }
        }
        assert!(bound_by_sum > 100, "the narrow rule was hardly tried");
    }

    #[test]
    fn with_a_wide_digit_the_rows_are_those_of_a_dense_layer() {
        let weights = noise(4 * 100, 3);
        for msb in [5, 8] {
            let split = Split::new(8, msb, true).unwrap();
            let rows = quantise_recurrent(&weights, &[0.3; 4], 100, 8, 0.01, split);
            let (codes, scales) = quantise_rows(&weights, 100, 127.0);
            assert!(!rows.narrow);
            assert_eq!((rows.codes, rows.scales.clone()), (codes, scales));
            let unit = f64::from(rows.scales[0]) * f64::from(0.01f32);
            assert_eq!(rows.bias[0], (f64::from(0.3f32) / unit).round() as i32);
        }
    }
}
