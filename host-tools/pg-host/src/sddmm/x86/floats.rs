//! Numbers in single precision.

use super::{Product, settle};
use crate::sddmm::{Mask, Operands, Patches};
use core::arch::x86_64::*;
use std::ops::Range;

/// Outputs that share the weights of a row.
const GROUP: usize = 8;
/// Numbers of a vector.
const LANES: usize = 8;

/// See [`crate::sddmm::element::sealed::Sealed::tile`]; only where the instructions are
/// [`super::available`].
pub fn tile<'a>(
    operands: &Operands<'_, f32>,
    mask: &Mask,
    part: Range<usize>,
    row: usize,
    out: impl Iterator<Item = &'a mut [f32]>,
) {
    let patches = operands.plan.patches;
    // SAFETY: the processor has the instructions; the sizes were compared.
    unsafe {
        match (patches.runs, patches.length) {
            (3, 48) => super::tile(&Runs::<3, 6>(patches), operands, mask, &part, row, out),
            (3, 96) => super::tile(&Runs::<3, 12>(patches), operands, mask, &part, row, out),
            (3, 192) => super::tile(&Runs::<3, 24>(patches), operands, mask, &part, row, out),
            _ => super::tile(&Runs::<0, 0>(patches), operands, mask, &part, row, out),
        }
    }
}

/// `RUNS` runs of `WHOLE` vectors, or, where they are 0, those of the patches.
struct Runs<const RUNS: usize, const WHOLE: usize>(Patches);

impl<const RUNS: usize, const WHOLE: usize> Product<f32, GROUP> for Runs<RUNS, WHOLE> {
    type Row = *const f32;
    type Sums = __m256;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn spread(sums: __m256) -> [f32; GROUP] {
        let mut spread = [0.0; GROUP];
        // SAFETY: eight numbers are 32 bytes.
        unsafe { _mm256_storeu_ps(spread.as_mut_ptr(), sums) };
        spread
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn row(&self, weights: *const f32) -> *const f32 {
        weights
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn group<const N: usize>(
        &self,
        mut weights: *const f32,
        patches: [*const f32; N],
    ) -> __m256 {
        let (runs, whole, rest) = match RUNS {
            0 => (self.0.runs, self.0.length / LANES, self.0.length % LANES),
            _ => (RUNS, WHOLE, 0),
        };
        // A sum waits for the one before it: few patches have several sums each.
        let sets = match N {
            ..=3 => 4,
            4..=6 => 2,
            _ => 1,
        };
        let mut sums = [[_mm256_setzero_ps(); N]; 4];
        for run in 0..runs {
            let mut at = run * self.0.stride;
            let mut step = |set: usize| {
                // SAFETY: the caller's promise, for every vector of a run.
                unsafe {
                    let w = _mm256_loadu_ps(weights);
                    for (sum, patch) in sums[set % sets].iter_mut().zip(patches) {
                        let x = _mm256_loadu_ps(patch.wrapping_add(at));
                        *sum = _mm256_fmadd_ps(w, x, *sum);
                    }
                }
                weights = weights.wrapping_add(LANES);
                at += LANES;
            };
            for _ in 0..whole / 4 {
                step(0);
                step(1);
                step(2);
                step(3);
            }
            for _ in 0..whole % 4 / 2 {
                step(0);
                step(1);
            }
            for _ in 0..whole % 2 {
                step(0);
            }
            if rest > 0 {
                let mask: [i32; LANES] = core::array::from_fn(|k| -i32::from(k < rest));
                // SAFETY: as above; behind a run nothing is read.
                unsafe {
                    let mask = _mm256_loadu_si256(mask.as_ptr().cast());
                    let w = _mm256_maskload_ps(weights, mask);
                    for (sum, patch) in sums[0].iter_mut().zip(patches) {
                        let x = _mm256_maskload_ps(patch.wrapping_add(at), mask);
                        *sum = _mm256_fmadd_ps(w, x, *sum);
                    }
                }
                weights = weights.wrapping_add(rest);
            }
        }
        let mut all = [_mm256_setzero_ps(); GROUP];
        for (n, all) in all.iter_mut().enumerate().take(N) {
            *all = sums[1..sets]
                .iter()
                .fold(sums[0][n], |sum, more| _mm256_add_ps(sum, more[n]));
        }
        totals(all)
    }
}

/// The sum over the lanes of each vector.
#[inline]
#[target_feature(enable = "avx2")]
fn totals(v: [__m256; GROUP]) -> __m256 {
    // What a shuffle can be spared, a blend does: it runs on more ports.
    let pairs = |a, b| {
        let other = _mm256_shuffle_ps::<0b01_00_11_10>(a, b);
        _mm256_add_ps(_mm256_blend_ps::<0b1100_1100>(a, b), other)
    };
    let fours = |k: usize| {
        let (a, b) = (pairs(v[k], v[k + 1]), pairs(v[k + 2], v[k + 3]));
        let even = _mm256_shuffle_ps::<0b10_00_10_00>(a, b);
        _mm256_add_ps(even, _mm256_shuffle_ps::<0b11_01_11_01>(a, b))
    };
    let (a, b) = (fours(0), fours(4));
    let other = _mm256_permute2f128_ps::<0x21>(a, b);
    let mut sums = _mm256_add_ps(_mm256_blend_ps::<0b1111_0000>(a, b), other);
    settle!(sums in ymm_reg);
    sums
}
