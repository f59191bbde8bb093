//! Integer nonlinearities: sigmoid, tanh and softmax by table.
//!
//! The tables are computed at compile time from the formulas below, so there
//! is no number here that cannot be traced. Linear interpolation between
//! entries 1/16 apart keeps the error of sigmoid below 5e-5 + 1 LSB and of
//! tanh below 4e-4 + 1 LSB (`max |f''| * h^2 / 8`, one LSB is `2^-15`).

/// Fraction bits of a preactivation `z`.
pub const Z_FRACTION: u8 = 12;
/// Fraction bits of the cell state `c`.
pub const C_FRACTION: u8 = 11;

/// Segments of a table over `[0, 8)`.
const SEGMENTS: usize = 128;
/// Q12 units in one segment, as a shift.
const SEGMENT_SHIFT: u8 = 8;

static TANH: [i16; SEGMENTS + 1] = table(true);
static SIGMOID: [i16; SEGMENTS + 1] = table(false);

const EXP2_SEGMENTS: usize = 64;
/// `2^(-i/64)` in Q16, less one LSB at 1.0 to fit a `u16`.
static EXP2: [u16; EXP2_SEGMENTS + 1] = exp2_table();

/// `e^-x` for `0 <= x <= 32`: Taylor series of `e^(-x/1024)`, then ten squarings.
const fn exp_neg(x: f64) -> f64 {
    let t = -x / 1024.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut i = 1;
    while i < 12 {
        term = term * t / i as f64;
        sum += term;
        i += 1;
    }
    let mut i = 0;
    while i < 10 {
        sum *= sum;
        i += 1;
    }
    sum
}

const fn table(tanh: bool) -> [i16; SEGMENTS + 1] {
    let mut out = [0; SEGMENTS + 1];
    let mut i = 0;
    while i <= SEGMENTS {
        let x = i as f64 / 16.0;
        let y = if tanh {
            let e = exp_neg(2.0 * x);
            (1.0 - e) / (1.0 + e)
        } else {
            1.0 / (1.0 + exp_neg(x))
        };
        let q = (y * 32768.0 + 0.5) as i32;
        out[i] = if q > 32767 { 32767 } else { q as i16 };
        i += 1;
    }
    out
}

const fn exp2_table() -> [u16; EXP2_SEGMENTS + 1] {
    let mut out = [0; EXP2_SEGMENTS + 1];
    let mut i = 0;
    while i <= EXP2_SEGMENTS {
        let y = exp_neg(core::f64::consts::LN_2 * i as f64 / EXP2_SEGMENTS as f64);
        let q = (y * 65536.0 + 0.5) as u32;
        out[i] = if q > 65535 { 65535 } else { q as u16 };
        i += 1;
    }
    out
}

/// Interpolates `table` at `x`, Q12 in `[0, 32767]`.
#[inline(always)]
fn interpolate(table: &[i16; SEGMENTS + 1], x: u16) -> i32 {
    // The mask keeps the index below 128, which the compiler can see.
    let i = (x >> SEGMENT_SHIFT) as usize & (SEGMENTS - 1);
    let (a, b) = (i32::from(table[i]), i32::from(table[i + 1]));
    a + (((b - a) * i32::from(x & ((1 << SEGMENT_SHIFT) - 1)) + (1 << (SEGMENT_SHIFT - 1)))
        >> SEGMENT_SHIFT)
}

/// Magnitude of `z`, saturated: `-32768` becomes 32767.
#[inline(always)]
fn magnitude(z: i16) -> u16 {
    z.unsigned_abs().min(i16::MAX as u16)
}

/// Hyperbolic tangent: `z` in Q12 (±8), result in Q15, `[-32767, 32767]`. Odd.
#[inline(always)]
#[must_use]
pub fn tanh(z: i16) -> i16 {
    let y = interpolate(&TANH, magnitude(z));
    (if z < 0 { -y } else { y }) as i16
}

/// Logistic sigmoid: `z` in Q12 (±8), result in Q15, `[0, 32767]`;
/// `sigmoid(-z) = 32767 - sigmoid(z)` up to one LSB.
#[inline(always)]
#[must_use]
pub fn sigmoid(z: i16) -> i16 {
    let y = interpolate(&SIGMOID, magnitude(z));
    (if z < 0 { 32768 - y } else { y }) as i16
}

/// Softmax of logits in Q8 into posteriors in Q15, written to `out`.
///
/// `out` and `logits` have the same length, at most 255. Each posterior is
/// truncated, so the sum is at most 32768 and at least 32768 - classes.
pub fn softmax(logits: &[i16], out: &mut [u16]) {
    let max = logits.iter().copied().max().unwrap_or(0);
    let mut sum = 0u32;
    for (o, &l) in out.iter_mut().zip(logits) {
        *o = exp_neg_q16((i32::from(max) - i32::from(l)) as u32);
        sum += u32::from(*o);
    }
    // The maximum contributes 65535, so the sum is never zero.
    let sum = sum.max(1);
    for o in out.iter_mut() {
        *o = ((u32::from(*o) << 15) / sum) as u16;
    }
}

/// `e^-(d / 256)` in Q16, at most 65535, for a distance `d` in Q8,
/// `0 <= d <= 65535`.
#[inline]
#[must_use]
pub fn exp_neg_q16(d: u32) -> u16 {
    // log2(e) in Q12; d * 5909 < 2^16 * 2^13. t is the exponent of two in Q12.
    const LOG2_E: u32 = (core::f64::consts::LOG2_E * 4096.0 + 0.5) as u32;
    let t = (d * LOG2_E) >> 8;
    let (whole, frac) = (t >> 12, t & 4095);
    if whole > 15 {
        return 0;
    }
    let i = (frac >> 6) as usize & (EXP2_SEGMENTS - 1);
    let (a, b) = (u32::from(EXP2[i]), u32::from(EXP2[i + 1]));
    // The table falls, so a >= b.
    let y = a - (((a - b) * (frac & 63)) >> 6);
    (y >> whole) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::vec::Vec;

    #[test]
    fn tables_follow_the_real_functions() {
        for z in i16::MIN..=i16::MAX {
            let x = f64::from(z) / 4096.0;
            let t = f64::from(tanh(z)) / 32768.0;
            let s = f64::from(sigmoid(z)) / 32768.0;
            assert!((t - x.tanh()).abs() < 4.0e-4 + 1.0 / 16384.0, "tanh {z}");
            let want = 1.0 / (1.0 + (-x).exp());
            assert!((s - want).abs() < 5.0e-5 + 1.0 / 16384.0, "sigmoid {z}");
            assert!(sigmoid(z) >= 0);
        }
    }

    #[test]
    fn activations_are_monotone_and_odd() {
        for z in -32767..i16::MAX {
            assert!(tanh(z) <= tanh(z + 1));
            assert!(sigmoid(z) <= sigmoid(z + 1));
            assert_eq!(tanh(-z), -tanh(z));
        }
    }

    #[test]
    fn softmax_matches_the_real_one() {
        let logits: [i16; 5] = [300, -200, 0, 512, 511];
        let mut out = [0; 5];
        softmax(&logits, &mut out);
        let exps: Vec<f64> = logits
            .iter()
            .map(|&l| (f64::from(l) / 256.0).exp())
            .collect();
        let sum: f64 = exps.iter().sum();
        for (o, e) in out.iter().zip(&exps) {
            assert!((f64::from(*o) / 32768.0 - e / sum).abs() < 2e-4);
        }
        let mut out = [0; 2];
        softmax(&[i16::MIN, i16::MAX], &mut out);
        assert_eq!(out, [0, 32768]);
    }
}
