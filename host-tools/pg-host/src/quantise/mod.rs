//! Weight quantisation and fixed-point rescaling, shared by the trainer's
//! forward pass and the exporter, so that both see the same integers.

mod recurrent;

pub use recurrent::{NARROW_LIMIT, Rows, digit_limit, narrow_sum, quantise_recurrent};

use anyhow::{Result, ensure};
use pg_runtime::quant::Requant;

/// Rounds each row of `[rows, columns]` to `-max..=max` with its own scale
/// (largest magnitude / `max`). Returns the codes, as floats, and the scales.
#[must_use]
pub fn quantise_rows(weights: &[f32], columns: usize, max: f32) -> (Vec<f32>, Vec<f32>) {
    let mut codes = Vec::with_capacity(weights.len());
    let mut scales = Vec::with_capacity(weights.len() / columns.max(1));
    for row in weights.chunks_exact(columns) {
        let peak = row.iter().fold(0.0f32, |m, w| m.max(w.abs()));
        let scale = if peak > 0.0 { peak / max } else { 1.0 };
        scales.push(scale);
        codes.extend(row.iter().map(|w| (w / scale).round().clamp(-max, max)));
    }
    (codes, scales)
}

/// Codes of `values` at a scale, halves rounded towards positive infinity and
/// limited to `-limit..=limit`, as the trainer computes them.
#[must_use]
pub fn codes(values: &[f32], scale: f32, limit: i16) -> Vec<i8> {
    let (inverse, limit) = (1.0 / scale, f32::from(limit));
    let code = |v: &f32| (v * inverse + 0.5).floor().clamp(-limit, limit);
    values.iter().map(|v| code(v) as i8).collect()
}

/// Joins input weights `[rows, inputs]` and recurrent weights `[rows, hidden]`
/// row by row, bringing the input columns to the activation scale: an input
/// code then stands for `scale_h`, as a hidden code does.
#[must_use]
pub fn join_columns(
    (w_x, inputs): (&[f32], usize),
    (w_h, hidden): (&[f32], usize),
    scale_x: f32,
    scale_h: f32,
) -> Vec<f32> {
    let ratio = scale_x / scale_h;
    let mut joined = Vec::with_capacity(w_x.len() + w_h.len());
    for (x, h) in w_x.chunks_exact(inputs).zip(w_h.chunks_exact(hidden)) {
        joined.extend(x.iter().map(|w| w * ratio));
        joined.extend_from_slice(h);
    }
    joined
}

/// The [`Requant`] nearest to a positive real factor.
///
/// `saturates_at` is the magnitude of the accumulator beyond which the result
/// needs no precision, because it saturates there: the shift before the
/// multiplication keeps everything below it within 15 bits and no more.
///
/// # Errors
///
/// If the factor cannot be represented: it must lie between about 2^-54 and 2^14.
pub fn requant(factor: f64, saturates_at: f64) -> Result<Requant> {
    ensure!(
        factor.is_finite() && factor > 0.0,
        "cannot rescale by {factor}: the scales of this layer are degenerate; train it again"
    );
    // No accumulator goes beyond 2^30 (FORMAT.md, bounds).
    let largest = saturates_at.min(f64::from(1 << 30));
    let pre = (largest / 32767.0).log2().ceil().clamp(0.0, 24.0) as i32;
    let scaled = factor * 2f64.powi(pre);
    // mult = scaled * 2^post in [2^14, 2^15).
    let mut post = 14 - scaled.log2().floor() as i32;
    let mut mult = (scaled * 2f64.powi(post)).round();
    if mult >= 32768.0 {
        post -= 1;
        mult = (scaled * 2f64.powi(post)).round();
    }
    let result = Requant {
        mult: mult as u16,
        pre: pre as u8,
        post: u8::try_from(post).unwrap_or(u8::MAX),
    };
    ensure!(
        result.is_valid(),
        "cannot rescale by {factor:e} in fixed point: the scales of this layer are degenerate; \
         train it again"
    );
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requant_represents_factors_to_15_bits() {
        for exponent in -14..2 {
            for step in 0..50 {
                let factor = 2f64.powi(exponent) * (1.0 + f64::from(step) / 50.0);
                let limit = 32767.0 / factor;
                let r = requant(factor, limit).unwrap();
                let real = f64::from(r.mult) * 2f64.powi(-i32::from(r.pre) - i32::from(r.post));
                assert!((real / factor - 1.0).abs() < 1.0 / 16384.0);
                // Within the range in use, the pre-shift costs at most half an output unit.
                for share in [-0.99, -0.5, 0.001, 0.3, 0.9] {
                    let acc = (limit * share) as i32;
                    let want = f64::from(acc) * factor;
                    let error = (f64::from(r.apply(acc)) - want).abs();
                    assert!(error < 2.5 + factor, "{factor} {acc} {error}");
                }
            }
        }
    }

    #[test]
    fn degenerate_factors_are_refused() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(requant(factor, 1e4).is_err());
        }
    }

    #[test]
    fn codes_round_halves_up_and_saturate() {
        let values = [0.25, -0.25, 0.74, -0.76, 9.0, -9.0, 0.0];
        assert_eq!(codes(&values, 0.5, 7), [1, 0, 1, -2, 7, -7, 0]);
    }

    #[test]
    fn rows_use_their_whole_range() {
        let (codes, scales) = quantise_rows(&[0.5, -1.0, 0.0, 0.0], 2, 127.0);
        assert_eq!(codes, [64.0, -127.0, 0.0, 0.0]);
        assert_eq!(scales, [1.0 / 127.0, 1.0]);
    }
}
