//! The cell of an LSTM: from four preactivations to the new hidden code.
//!
//! ```text
//! t  = clamp((a * mult) >> post, -2^23, 2^23 - 1)       Q20: +-8
//! i, f, o = sigmoid(t),  g = tanh(t)                     Q15
//! c' = sat16((f * c + ((i * g) >> 4) + 2^14) >> 15)      Q11
//! p  = (o * tanh(c')) >> 15                              Q15
//! h  = clamp((p * mult_h + 2^(post_h - 1)) >> post_h)    a code
//! ```
//!
//! `>>` is arithmetic. Bounds: |a| <= 2^15 and mult < 2^15, so a product is
//! below 2^30; |f * c| <= 2^30 and |(i * g) >> 4| < 2^26.

use crate::activation::{C_TO_T, SIGMOID, TANH, interpolate, is_beyond, limit, point};
use crate::quant::{Requant, saturate_i16};
use core::hint::cold_path;

/// Parameters of a layer's cells.
#[derive(Clone, Copy, Debug)]
pub struct Constants<'a> {
    /// Multiplier of every row, below 2^15; rows in unit order.
    pub mult: &'a [u16],
    /// Shift after the multiplication, 0 to 15.
    pub post: u8,
    /// From `o * tanh(c)` in Q15 to a code: without a shift before, and with
    /// one of at least 1 after.
    pub hidden: Requant,
    /// Largest magnitude of a code.
    pub limit: i8,
}

/// One unit: updates its state `c` and returns its code.
#[inline(always)]
#[must_use]
pub fn unit(constants: &Constants<'_>, a: &[i16; 4], mult: &[u16; 4], c: &mut i16) -> i8 {
    let mut t = [0; 4];
    for ((t, &a), &mult) in t.iter_mut().zip(a).zip(mult) {
        let product = i32::from(a).wrapping_mul(i32::from(mult));
        *t = point(product >> (constants.post & 31));
    }
    if is_beyond(t[0] | t[1] | t[2] | t[3]) {
        cold_path();
        t = t.map(limit);
    }
    let (i, f) = (interpolate(&SIGMOID, t[0]), interpolate(&SIGMOID, t[1]));
    let (g, o) = (interpolate(&TANH, t[2]), interpolate(&SIGMOID, t[3]));
    let sum = f.wrapping_mul(i32::from(*c)) + (i.wrapping_mul(g) >> 4);
    let mut new = (sum + (1 << 14)) >> 15;
    if i32::from(new as i16) != new {
        cold_path();
        new = i32::from(saturate_i16(new));
    }
    *c = new as i16;
    let mut t = point(new << C_TO_T);
    if is_beyond(t) {
        cold_path();
        t = limit(t);
    }
    let p = o.wrapping_mul(interpolate(&TANH, t)) >> 15;
    let Requant { mult, post, .. } = constants.hidden;
    let half = (1 << (post & 31)) >> 1;
    let code = (p.wrapping_mul(i32::from(mult)) + half) >> (post & 31);
    let limit = i32::from(constants.limit);
    if (code + limit) as u32 > 2 * limit as u32 {
        cold_path();
        return if code < 0 { -limit } else { limit } as i8;
    }
    code as i8
}

/// All units: `preactivations` has four numbers a unit, in the order of the
/// gates i, f, g, o; `state` and `codes` one.
#[inline]
pub fn update(
    constants: &Constants<'_>,
    preactivations: &[i16],
    state: &mut [i16],
    codes: &mut [i8],
) {
    let (units, _) = preactivations.as_chunks();
    let (mults, _) = constants.mult.as_chunks();
    let cells = state.iter_mut().zip(codes);
    for (((c, code), a), mult) in cells.zip(units).zip(mults) {
        *code = unit(constants, a, mult, c);
    }
}
