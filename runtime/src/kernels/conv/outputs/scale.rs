//! Accumulators to codes.
#![allow(unsafe_code)]

use super::Rows;
use crate::quant::Requant;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bias and requantisation of an output, with the halves of both rounding
/// shifts at hand: [`Requant::apply`] of an accumulator in four operations and
/// its limits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Scale {
    /// Bias, and half of `2^pre`.
    bias: i32,
    /// `mult * 2^16 + pre`.
    factor: u32,
    /// Half of `2^post`.
    half: i32,
    post: u32,
}

impl Scale {
    /// Of an output.
    #[must_use]
    pub fn new(bias: i32, requant: Requant) -> Self {
        let half = |shift: u8| ((1u32 << (shift & 31)) >> 1) as i32;
        Self {
            bias: bias.wrapping_add(half(requant.pre)),
            factor: (u32::from(requant.mult) << 16) | u32::from(requant.pre),
            half: half(requant.post),
            post: requant.post.into(),
        }
    }

    /// [`Requant::apply`] of `sum + bias`, saturated to `low..=high`, a part of
    /// the 16-bit numbers.
    #[inline(always)]
    #[must_use]
    pub fn apply(&self, sum: i32, (low, high): (i32, i32)) -> i32 {
        let a = sum.wrapping_add(self.bias) >> (self.factor & 31);
        let a = a.clamp(-32767, 32767);
        let product = a.wrapping_mul((self.factor >> 16) as i32);
        let y = product.wrapping_add(self.half) >> (self.post & 31);
        y.clamp(low, high)
    }
}

/// See [`crate::kernels::conv::ConvKernels::codes`].
#[inline(always)]
pub fn codes(
    scales: &[Scale],
    (sums, shift): (&[i32], u8),
    rows: &Rows,
    range: (i32, i32),
    (codes, step): (&mut [i8], usize),
) {
    let (last, rows) = (rows.last(), rows.list());
    if last >= scales.len().min(sums.len()) || last * step >= codes.len() {
        return;
    }
    for &row in rows {
        let row = usize::from(row);
        // SAFETY: rows are in ascending order, and the last one is there.
        unsafe {
            let sum = *sums.as_ptr().add(row);
            let code = (*scales.as_ptr().add(row)).apply(sum << (shift & 31), range);
            *codes.as_mut_ptr().add(row * step) = code as i8;
        }
    }
}
