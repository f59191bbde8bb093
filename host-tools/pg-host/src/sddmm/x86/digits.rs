//! Digits by weights of 8 bits.
//!
//! `vpmaddubsw` adds pairs of products in 16 bits; [`Fold`] says how many vectors of
//! them can be added before they are widened.

use super::held::Held;
use super::{Product, settle};
use crate::sddmm::element::Fold;
use crate::sddmm::{Mask, Operands, Patches};
use core::arch::x86_64::*;
use std::ops::Range;

/// Outputs that share the weights of a row.
const GROUP: usize = 8;
/// Digits of a vector.
pub(super) const LANES: usize = 32;
/// Digits of half a vector.
pub(super) const HALF: usize = LANES / 2;

/// See [`crate::sddmm::element::sealed::Sealed::tile`]; only where the instructions are
/// [`super::available`].
pub fn tile<'a>(
    operands: &Operands<'_, u8>,
    mask: &Mask,
    part: Range<usize>,
    row: usize,
    out: impl Iterator<Item = &'a mut [i32]>,
) {
    let patches = operands.plan.patches;
    macro_rules! by {
        ($product:expr) => {
            // SAFETY: the processor has the instructions; the sizes were compared.
            unsafe { super::tile(&$product, operands, mask, &part, row, out) }
        };
    }
    match (operands.fold, patches.runs, patches.length) {
        (Fold::Patch, 3, 48) => by!(Held(patches)),
        (Fold::Patch, 3, 96) => by!(Runs::<3, 96, PATCH>(patches)),
        (Fold::Patch, 3, 192) => by!(Runs::<3, 192, PATCH>(patches)),
        (Fold::Patch, ..) => by!(Runs::<0, 0, PATCH>(patches)),
        (Fold::Run, ..) => by!(Runs::<0, 0, RUN>(patches)),
        (Fold::Vector, ..) => by!(Runs::<0, 0, VECTOR>(patches)),
    }
}

const PATCH: u8 = Fold::Patch as u8;
const RUN: u8 = Fold::Run as u8;
const VECTOR: u8 = Fold::Vector as u8;

/// `RUNS` runs of `LENGTH` digits, or, where they are 0, those of the patches.
struct Runs<const RUNS: usize, const LENGTH: usize, const FOLD: u8>(Patches);

impl<const RUNS: usize, const LENGTH: usize, const FOLD: u8> Product<u8, GROUP>
    for Runs<RUNS, LENGTH, FOLD>
{
    type Row = *const i8;
    type Sums = __m256i;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn spread(sums: __m256i) -> [i32; GROUP] {
        let mut spread = [0; GROUP];
        // SAFETY: eight numbers are 32 bytes.
        unsafe { _mm256_storeu_si256(spread.as_mut_ptr().cast(), sums) };
        spread
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn row(&self, weights: *const i8) -> *const i8 {
        weights
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn group<const N: usize>(&self, weights: *const i8, patches: [*const u8; N]) -> __m256i {
        let (runs, length) = match RUNS {
            0 => (self.0.runs, self.0.length),
            _ => (RUNS, LENGTH),
        };
        let mut sums = Sums {
            narrow: [_mm256_setzero_si256(); N],
            wide: [_mm256_setzero_si256(); N],
        };
        for run in 0..runs {
            let weights = weights.wrapping_add(run * length);
            let patches = patches.map(|patch| patch.wrapping_add(run * self.0.stride));
            let mut at = 0;
            while at + LANES <= length {
                // SAFETY: the caller's promise, for every digit of a run.
                unsafe {
                    let w = _mm256_loadu_si256(weights.add(at).cast());
                    let x = patches.map(|patch| _mm256_loadu_si256(patch.add(at).cast()));
                    sums.add(w, x);
                }
                if FOLD == VECTOR {
                    sums.widen();
                }
                at += LANES;
            }
            if at + HALF <= length {
                // SAFETY: as above.
                unsafe {
                    let half = |p: *const u8| _mm256_zextsi128_si256(_mm_loadu_si128(p.cast()));
                    let x = patches.map(|patch| half(patch.add(at)));
                    sums.add(half(weights.add(at).cast()), x);
                }
                if FOLD == VECTOR {
                    sums.widen();
                }
                at += HALF;
            }
            if at < length {
                // SAFETY: as above; behind a run nothing is read.
                unsafe {
                    let some = |p: *const u8| {
                        let mut digits = [0u8; HALF];
                        p.copy_to_nonoverlapping(digits.as_mut_ptr(), length - at);
                        _mm256_zextsi128_si256(_mm_loadu_si128(digits.as_ptr().cast()))
                    };
                    let x = patches.map(|patch| some(patch.add(at)));
                    sums.add(some(weights.add(at).cast()), x);
                }
                if FOLD == VECTOR {
                    sums.widen();
                }
            }
            if FOLD == RUN {
                sums.widen();
            }
        }
        if FOLD == PATCH {
            sums.widen();
        }
        let mut all = [_mm256_setzero_si256(); GROUP];
        all[..N].copy_from_slice(&sums.wide);
        totals(all)
    }
}

/// Sums of 16 bits, and of 32 bits.
struct Sums<const N: usize> {
    narrow: [__m256i; N],
    wide: [__m256i; N],
}

impl<const N: usize> Sums<N> {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(&mut self, weights: __m256i, digits: [__m256i; N]) {
        for (sum, digits) in self.narrow.iter_mut().zip(digits) {
            *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(digits, weights));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn widen(&mut self) {
        let ones = _mm256_set1_epi16(1);
        for (wide, narrow) in self.wide.iter_mut().zip(&mut self.narrow) {
            *wide = _mm256_add_epi32(*wide, _mm256_madd_epi16(*narrow, ones));
            *narrow = _mm256_setzero_si256();
        }
    }
}

/// The sums over the lanes of four vectors, in each half over those of a half.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn fours(v: [__m256i; 4]) -> __m256i {
    let pairs = |a, b| _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (a, b) = (pairs(v[0], v[1]), pairs(v[2], v[3]));
    _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b))
}

/// The sum over the lanes of each vector.
#[inline]
#[target_feature(enable = "avx2")]
fn totals([a, b, c, d, e, f, g, h]: [__m256i; GROUP]) -> __m256i {
    let (a, b) = (fours([a, b, c, d]), fours([e, f, g, h]));
    let other = _mm256_permute2x128_si256::<0x21>(a, b);
    let mut sums = _mm256_add_epi32(_mm256_blend_epi32::<0b1111_0000>(a, b), other);
    settle!(sums in ymm_reg);
    sums
}
