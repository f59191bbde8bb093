//! Dot products with VNNI.
//!
//! `vpdpbusd` adds four products of unsigned by signed bytes to a lane of 32
//! bits, without saturation: the stored `u = w + 128` by the digits as they
//! are, of any magnitude. With 2^14 columns the lanes of a row stay below
//! `2^14 * 255 * 128 < 2^29`. A plane is the digits and, behind them,
//! `-128 * sum x`.
#![allow(unsafe_code)]

use super::{ROWS, Rows, WORDS, by_fours, dots::totals, load};
use crate::kernels::Plane;
use crate::kernels::simd::{OFFSET, plain};
use core::arch::x86_64::*;

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], columns: usize, words: &mut [u32]) {
    plain::plane(digits, columns, words);
    let digits = digits.iter().take(columns / 4);
    let sum: i32 = digits
        .flat_map(|four| four.to_le_bytes())
        .map(|x| i32::from(x as i8))
        .sum();
    if let Some(start) = words.get_mut(columns / 4) {
        *start = (-i32::from(OFFSET) * sum) as u32;
    }
}

/// The same function for each of the two encodings.
macro_rules! dots {
    ($name:ident, $features:literal, $instruction:ident) => {
        pub mod $name {
            use super::*;

            /// See [`crate::kernels::Kernels::dots`].
            #[target_feature(enable = $features)]
            pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
                let Some((digits, &[start, ..])) = plane.words.split_at_checked(plane.columns / 4)
                else {
                    return;
                };
                let digits = digits.as_chunks().0;
                by_fours(rows, plane.columns, list, sums, |rows| {
                    // SAFETY: the digits are as many as a row has columns.
                    unsafe { dot(rows, digits) }.map(|sum| sum.wrapping_add(start as i32))
                });
            }

            /// # Safety
            ///
            /// The rows have as many columns as there are digits.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn dot(rows: Rows, digits: &[[u32; WORDS]]) -> [i32; ROWS] {
                // Two sums a row: the instruction takes longer than four others.
                let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
                for (pair, digits) in digits.chunks(2).enumerate() {
                    for (half, x) in digits.iter().enumerate() {
                        // SAFETY: the caller's promise.
                        let weights = unsafe { rows.vectors(2 * pair + half) };
                        for (sums, u) in sums.iter_mut().zip(weights) {
                            sums[half] = $instruction(sums[half], u, load(x));
                        }
                    }
                }
                totals(sums.map(|[even, odd]| _mm256_add_epi32(even, odd)))
            }
        }
    };
}

dots!(avx, "avx2,avxvnni", _mm256_dpbusd_avx_epi32);
dots!(avx512, "avx2,avx512vnni,avx512vl", _mm256_dpbusd_epi32);
