//! Digits of 3 x 3 pixels of 16 channels.

use super::digits::{HALF, LANES, fours};
use super::{Product, settle};
use crate::sddmm::Patches;
use core::arch::x86_64::*;

/// Outputs of a group. Fewer than where they share what is loaded: the next group is
/// then under way sooner.
const GROUP: usize = 4;

/// Three runs of a vector and a half: 3 x 3 pixels of 16 channels. All weights of a row
/// stay in registers, so that outputs need not be interleaved to share them.
pub struct Held(pub Patches);

impl Product<u8, GROUP> for Held {
    type Row = [(__m256i, __m128i); 3];
    type Sums = __m128i;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn spread(sums: __m128i) -> [i32; GROUP] {
        let mut spread = [0; GROUP];
        // SAFETY: four numbers are 16 bytes.
        unsafe { _mm_storeu_si128(spread.as_mut_ptr().cast(), sums) };
        spread
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn row(&self, weights: *const i8) -> Self::Row {
        core::array::from_fn(|run| {
            let run = weights.wrapping_add(run * (LANES + HALF));
            // SAFETY: the caller's promise.
            unsafe {
                let half = _mm_loadu_si128(run.add(LANES).cast());
                (_mm256_loadu_si256(run.cast()), half)
            }
        })
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn group<const N: usize>(&self, row: Self::Row, patches: [*const u8; N]) -> __m128i {
        let mut all = [_mm256_setzero_si256(); GROUP];
        let ones = _mm256_set1_epi16(1);
        for (sum, patch) in all.iter_mut().zip(patches) {
            let parts: [_; 3] = core::array::from_fn(|run| {
                let (whole, half) = row[run];
                let patch = patch.wrapping_add(run * self.0.stride);
                // SAFETY: the caller's promise.
                unsafe {
                    let x = _mm256_loadu_si256(patch.cast());
                    let y = _mm_loadu_si128(patch.add(LANES).cast());
                    let y = _mm256_zextsi128_si256(_mm_maddubs_epi16(y, half));
                    _mm256_add_epi16(_mm256_maddubs_epi16(x, whole), y)
                }
            });
            let narrow = _mm256_add_epi16(_mm256_add_epi16(parts[0], parts[1]), parts[2]);
            *sum = _mm256_madd_epi16(narrow, ones);
        }
        let sums = fours(all);
        let mut sums = _mm_add_epi32(
            _mm256_castsi256_si128(sums),
            _mm256_extracti128_si256::<1>(sums),
        );
        settle!(sums in xmm_reg);
        sums
    }
}
