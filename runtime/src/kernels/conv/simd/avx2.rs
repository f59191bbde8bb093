//! AVX2: the 64 rows of a panel in four registers, two 16-bit sums a lane.
//!
//! A lane holds `u0 + 2^8 u1` with `u = w + 128`; sums of lanes and of their
//! upper bytes, modulo 2^16, give those of both rows as in the plain kernels. An
//! entry takes two loads, two shifts and four additions, with a digit four
//! multiplications more.
#![allow(unsafe_code)]

use super::{HEIGHT, Patch, decode};
use crate::kernels::conv::Form;
use core::arch::x86_64::*;

/// Vectors of a column.
const VECTORS: usize = HEIGHT / 32;

/// Sums of a panel.
#[derive(Clone, Copy)]
struct Lanes {
    all: [__m256i; VECTORS],
    odd: [__m256i; VECTORS],
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        Self {
            all: [_mm256_setzero_si256(); VECTORS],
            odd: [_mm256_setzero_si256(); VECTORS],
        }
    }

    /// Adds the sums, less 128 for each of `digits`, and starts anew.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn fold(&mut self, digits: i32, sums: &mut [i32; HEIGHT]) {
        let offset = _mm256_set1_epi16(digits.wrapping_mul(128) as i16);
        let (rows, _) = sums.as_chunks_mut::<16>();
        let (pairs, _) = rows.as_chunks_mut::<2>();
        for (v, [lower, upper]) in pairs.iter_mut().enumerate() {
            let even = _mm256_sub_epi16(self.all[v], _mm256_slli_epi16::<8>(self.odd[v]));
            for (rows, lanes) in [(lower, even), (upper, self.odd[v])] {
                let mut values = [0i16; 16];
                let lanes = _mm256_sub_epi16(lanes, offset);
                // SAFETY: the array has 32 bytes.
                unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), lanes) };
                for (row, value) in rows.iter_mut().zip(values) {
                    *row += i32::from(value);
                }
            }
        }
        *self = Self::zero();
    }
}

/// See [`crate::kernels::conv::ConvKernels::panel`]. The panel has the columns
/// of the patch.
#[target_feature(enable = "avx2")]
pub(super) fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32; HEIGHT]) {
    if panel.len() < patch.columns() * (HEIGHT / 4) {
        return;
    }
    *sums = [0; HEIGHT];
    let mut lanes = Lanes::zero();
    let mut digits = 0;
    // A column, by its offset.
    let column = |offset: u32| {
        let column = panel.as_ptr().wrapping_byte_add(offset as usize);
        // SAFETY: a patch's offsets are those of columns in a panel of its size.
        core::array::from_fn(|v| unsafe { _mm256_loadu_si256(column.cast::<__m256i>().add(v)) })
    };
    if matches!(patch.form(), Form::Planes(_)) {
        for plane in patch.split() {
            if patch.folds() != 0 {
                lanes.fold(core::mem::take(&mut digits), sums);
                sums.iter_mut().for_each(|sum| *sum *= 2);
            } else {
                digits *= 2;
                for lane in lanes.all.iter_mut().chain(&mut lanes.odd) {
                    *lane = _mm256_slli_epi16::<1>(*lane);
                }
            }
            for run in plane.runs() {
                digits += run.entries.len() as i32;
                for &entry in run.entries {
                    let column: [__m256i; VECTORS] = column(entry.wrapping_add(run.base));
                    for (v, u) in column.into_iter().enumerate() {
                        lanes.all[v] = _mm256_add_epi16(lanes.all[v], u);
                        lanes.odd[v] = _mm256_add_epi16(lanes.odd[v], _mm256_srli_epi16::<8>(u));
                    }
                }
            }
        }
    } else {
        let mut room = patch.limit();
        for run in patch.runs() {
            for &entry in run.entries {
                let (digit, offset) = decode(entry);
                let column: [__m256i; VECTORS] = column(offset.wrapping_add(run.base));
                let factor = _mm256_set1_epi16(digit as i16);
                digits += digit;
                for (v, u) in column.into_iter().enumerate() {
                    let upper = _mm256_srli_epi16::<8>(u);
                    lanes.all[v] = _mm256_add_epi16(lanes.all[v], _mm256_mullo_epi16(u, factor));
                    lanes.odd[v] =
                        _mm256_add_epi16(lanes.odd[v], _mm256_mullo_epi16(upper, factor));
                }
                room -= 1;
                if room == 0 {
                    lanes.fold(core::mem::take(&mut digits), sums);
                    room = patch.limit();
                }
            }
        }
    }
    lanes.fold(digits, sums);
}
