//! Integer nonlinearities: sigmoid, tanh and softmax by table.
//!
//! The tables are computed at compile time from the formulas below, so there
//! is no number here that cannot be traced. An argument is `t`, Q20 in
//! `[-8, 8)`: its upper eight bits choose one of 256 segments, 1/16 wide, its
//! lower sixteen interpolate:
//!
//! ```text
//! y = base[t >> 16] + ((slope[t >> 16] * (t & 0xffff)) >> 16)
//! ```
//!
//! Arguments beyond the range are limited to it. Linear interpolation keeps the
//! error of sigmoid below 5e-5 and of tanh below 4e-4 (`max |f''| * h^2 / 8`),
//! and rounding adds at most 2 LSB of `2^-15`.
//!
//! Base and slope share a word, so that one load serves both, and the base is
//! stored so that neither the fraction nor the base has to be cut out. With
//! `u = t + 2^23 - 1`, the segment `k = u >> 16` and the word
//! `w = 2^16 (base - k slope) + slope`, modulo 2^32,
//!
//! ```text
//! w + slope u = 2^16 (base - k slope) + slope (u + 1) = 2^16 base + slope (fraction + 1)
//! ```
//!
//! where `fraction + 1` is that of `t`: slopes are not negative and below
//! 2^16, and a segment ends where the next one starts, so that it does not
//! matter which of the two a `t` between them is counted to. The last segment's
//! slope is at most 1, which adds nothing within it, and stored as 0: the table
//! reaches one point beyond its range.

/// Fraction bits of the cell state `c`.
pub const C_FRACTION: u8 = 11;
/// Fraction bits of the argument `t`.
pub const T_FRACTION: u8 = 20;
/// Shift from the cell state to the argument of its tanh.
pub(crate) const C_TO_T: u8 = T_FRACTION - C_FRACTION;

/// Segments of a table over `[-8, 8)`.
pub(crate) const SEGMENTS: usize = 256;

/// A word for every segment.
pub(crate) type Table = [u32; SEGMENTS];

/// tanh over `[-8, 8)`, in the form stated above.
pub(crate) static TANH: Table = tilt(&table(true));
/// sigmoid over `[-8, 8)`, in the form stated above.
pub(crate) static SIGMOID: Table = tilt(&table(false));

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

/// The function at `x`, in Q15, rounded.
const fn value(tanh: bool, x: f64) -> i32 {
    let magnitude = if x < 0.0 { -x } else { x };
    let e = exp_neg(if tanh { 2.0 * magnitude } else { magnitude });
    let y = if tanh {
        (1.0 - e) / (1.0 + e)
    } else {
        1.0 / (1.0 + e)
    };
    // Rounded as a magnitude: both functions stay odd around their middle.
    let q = (y * 32768.0 + 0.5) as i32;
    let q = if q > 32767 { 32767 } else { q };
    match (tanh, x < 0.0) {
        (_, false) => q,
        (true, true) => -q,
        (false, true) => 32768 - q,
    }
}

/// Base in the lower half of a word, slope in the upper.
pub(crate) const fn table(tanh: bool) -> Table {
    let mut out = [0; SEGMENTS];
    let mut i = 0;
    while i < SEGMENTS {
        let x = i as f64 / 16.0 - 8.0;
        let base = value(tanh, x);
        let slope = value(tanh, x + 1.0 / 16.0) - base;
        out[i] = (base as u16 as u32) | ((slope as u16 as u32) << 16);
        i += 1;
    }
    out
}

const fn tilt(table: &Table) -> Table {
    let mut out = [0; SEGMENTS];
    let mut i = 0;
    while i < SEGMENTS {
        let (base, mut slope) = (table[i] << 16, table[i] >> 16);
        if i == SEGMENTS - 1 {
            assert!(slope <= 1, "the tables end flat");
            slope = 0;
        }
        out[i] = base.wrapping_sub((i as u32 * slope) << 16) | slope;
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

/// A point of a table: the `u` of `t`, counted from the table's start, so that
/// one test covers both limits. At most `2^31 - 2^23` may be passed; beyond the
/// table it must be [`limit`]ed.
#[inline(always)]
pub(crate) const fn point(t: i32) -> u32 {
    (t as u32).wrapping_add((1 << 23) - 1)
}

/// Whether any of these points, joined by bitwise or, lies beyond a table. The
/// first `t` of the range counts as beyond it, the one behind the last does not.
#[inline(always)]
pub(crate) const fn is_beyond(points: u32) -> bool {
    points >> 24 != 0
}

/// The point of the table nearest to a point that may lie beyond it, or one of
/// the same value.
#[inline(always)]
pub(crate) const fn limit(point: u32) -> u32 {
    if is_beyond(point) {
        // 0 below, 2^24 - 2 above.
        (!((point as i32) >> 31) as u32 >> 9) << 1
    } else {
        point
    }
}

/// Interpolates `table` at a point within it.
#[inline(always)]
pub(crate) fn interpolate(table: &Table, point: u32) -> i32 {
    // The cast keeps the index below 256, which the compiler can see.
    let word = table[usize::from((point >> 16) as u8)];
    let y = (word & 0xffff).wrapping_mul(point).wrapping_add(word);
    y as i32 >> 16
}

/// Logistic sigmoid of `t`, Q20, limited to `[-8, 8)`; Q15, `[0, 32767]`.
///
/// `t` is at most `2^31 - 2^23`.
#[inline(always)]
#[must_use]
pub fn sigmoid_t(t: i32) -> i32 {
    interpolate(&SIGMOID, limit(point(t)))
}

/// Hyperbolic tangent of `t`, Q20, limited to `[-8, 8)`; Q15,
/// `[-32767, 32767]`.
///
/// `t` is at most `2^31 - 2^23`.
#[inline(always)]
#[must_use]
pub fn tanh_t(t: i32) -> i32 {
    interpolate(&TANH, limit(point(t)))
}

/// Hyperbolic tangent of `z`, Q12 (±8); Q15.
#[inline(always)]
#[must_use]
pub fn tanh(z: i16) -> i16 {
    tanh_t(i32::from(z) << 8) as i16
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
        for t in (-(1 << 23)..1 << 23).step_by(37) {
            let x = f64::from(t) / f64::from(1 << 20);
            let y = f64::from(tanh_t(t)) / 32768.0;
            let s = f64::from(sigmoid_t(t)) / 32768.0;
            let lsb = 2.0 / 32768.0;
            assert!((y - x.tanh()).abs() < 4.0e-4 + lsb, "tanh {x}: {y}");
            let want = 1.0 / (1.0 + (-x).exp());
            assert!((s - want).abs() < 5.0e-5 + lsb, "sigmoid {x}: {s}");
        }
    }

    #[test]
    fn activations_are_monotone_and_in_range() {
        let mut before = (-32767, 0);
        for t in -(1 << 23)..1 << 23 {
            let now = (tanh_t(t), sigmoid_t(t));
            assert!(now.0 >= before.0 && now.1 >= before.1, "{t}");
            before = now;
        }
        assert!(before.0 <= 32767 && before.1 <= 32767);
        assert_eq!((tanh(0), sigmoid_t(0)), (0, 16384));
        for t in [1 << 23, 1 << 30, i32::MAX - (1 << 23)] {
            assert_eq!((tanh_t(t), sigmoid_t(t)), before);
            assert_eq!(tanh_t(-t), tanh_t(-(1 << 23)));
            assert_eq!(sigmoid_t(-t), sigmoid_t(-(1 << 23)));
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
