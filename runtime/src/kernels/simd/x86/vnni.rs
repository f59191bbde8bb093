//! Dot products with VNNI.
//!
//! `vpdpbusd` adds four products of unsigned by signed bytes to a lane of 32
//! bits, without saturation: the stored `u = w + 128` by the digits as they
//! are, of any magnitude. With 2^14 columns the lanes of a row stay below
//! `2^14 * 255 * 128 < 2^29`. A plane is the digits and, behind them,
//! `-128 * sum x`.

use super::{ROWS, WORDS, by_fours, dots::totals, load};
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
                    dot(rows, digits).map(|sum| sum.wrapping_add(start as i32))
                });
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn dot(rows: [&[[u32; WORDS]]; ROWS], digits: &[[u32; WORDS]]) -> [i32; ROWS] {
                // Two sums a row: the instruction takes longer than four others.
                let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
                let [mut a, mut b, mut c, mut d] = rows.map(|row| row.chunks(2));
                for digits in digits.chunks(2) {
                    let (Some(a), Some(b), Some(c), Some(d)) =
                        (a.next(), b.next(), c.next(), d.next())
                    else {
                        break;
                    };
                    for (sums, row) in sums.iter_mut().zip([a, b, c, d]) {
                        for ((sum, u), x) in sums.iter_mut().zip(row).zip(digits) {
                            *sum = $instruction(*sum, load(u), load(x));
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
