//! Dot products with AVX2 and FMA.
#![allow(unsafe_code)]

use super::{Operands, TOGETHER};
use core::arch::x86_64::*;
use std::sync::OnceLock;

/// Numbers of a vector.
const LANES: usize = 8;

/// Whether the processor has the instructions.
#[inline]
pub fn available() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
}

/// See [`super::dots`]; only where the instructions are [`available`], and for
/// patches that lie in the inputs.
#[inline]
pub fn dots(operands: &Operands<'_>, weights: &[f32], list: &[usize], sums: &mut [f32; TOGETHER]) {
    // Checked for all patches at the start.
    let inputs = operands.inputs.as_ptr();
    let start = |n: usize| inputs.wrapping_add(operands.plan.starts[n]);
    let patch = Patch {
        weights: weights.as_ptr(),
        runs: operands.plan.patches.runs,
        length: operands.plan.patches.length,
        stride: operands.plan.patches.stride,
    };
    // Fewer than eight sums would wait for each other: their columns are cut in
    // two or three.
    macro_rules! by_count {
        ($($count:literal: $parts:literal),+) => {
            match list.len() {
                $($count => {
                    let inputs: [*const f32; $count] = core::array::from_fn(|k| start(list[k]));
                    // SAFETY: the processor has the instructions, the weights are
                    // those of a patch, and every listed patch lies in the inputs.
                    *sums = unsafe { products::<$count, $parts>(&patch, inputs) };
                })+
                _ => {}
            }
        };
    }
    by_count!(1: 3, 2: 3, 3: 2, 4: 2, 5: 2, 6: 1, 7: 1, 8: 1);
}

/// Weights of a row and the shape of a patch.
struct Patch {
    weights: *const f32,
    runs: usize,
    length: usize,
    stride: usize,
}

/// The sum over the lanes of each of eight vectors.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn totals(sums: [__m256; TOGETHER]) -> [f32; TOGETHER] {
    let fours = |k: usize| {
        _mm256_hadd_ps(
            _mm256_hadd_ps(sums[k], sums[k + 1]),
            _mm256_hadd_ps(sums[k + 2], sums[k + 3]),
        )
    };
    let (first, second) = (fours(0), fours(4));
    let low = _mm256_permute2f128_ps::<0x20>(first, second);
    let high = _mm256_permute2f128_ps::<0x31>(first, second);
    let mut out = [0.0; TOGETHER];
    // SAFETY: eight numbers are 32 bytes.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_add_ps(low, high)) };
    out
}

/// Dot products of a row with R patches, in U parts each.
///
/// # Safety
///
/// The processor has AVX2 and FMA; there are weights for every run, and runs at
/// every pointer.
#[target_feature(enable = "avx2,fma")]
unsafe fn products<const R: usize, const U: usize>(
    patch: &Patch,
    mut inputs: [*const f32; R],
) -> [f32; TOGETHER] {
    let mut sums = [[_mm256_setzero_ps(); R]; U];
    let mut weights = patch.weights;
    let (vectors, rest) = (patch.length / LANES, patch.length % LANES);
    for _ in 0..patch.runs {
        // SAFETY: a run has so many vectors and, behind them, the rest.
        unsafe {
            let mut k = 0;
            while k + U <= vectors {
                for (u, sums) in sums.iter_mut().enumerate() {
                    let w = _mm256_loadu_ps(weights.add(LANES * (k + u)));
                    for (sum, input) in sums.iter_mut().zip(inputs) {
                        let x = _mm256_loadu_ps(input.add(LANES * (k + u)));
                        *sum = _mm256_fmadd_ps(w, x, *sum);
                    }
                }
                k += U;
            }
            while k < vectors {
                let w = _mm256_loadu_ps(weights.add(LANES * k));
                for (sum, input) in sums[0].iter_mut().zip(inputs) {
                    *sum = _mm256_fmadd_ps(w, _mm256_loadu_ps(input.add(LANES * k)), *sum);
                }
                k += 1;
            }
            if rest > 0 {
                let mask: [i32; LANES] = core::array::from_fn(|k| -i32::from(k < rest));
                let mask = _mm256_loadu_si256(mask.as_ptr().cast());
                let w = _mm256_maskload_ps(weights.add(LANES * vectors), mask);
                for (sum, input) in sums[0].iter_mut().zip(inputs) {
                    let x = _mm256_maskload_ps(input.add(LANES * vectors), mask);
                    *sum = _mm256_fmadd_ps(w, x, *sum);
                }
            }
        }
        weights = weights.wrapping_add(patch.length);
        inputs = inputs.map(|input| input.wrapping_add(patch.stride));
    }
    let mut whole = [_mm256_setzero_ps(); TOGETHER];
    for (r, whole) in whole.iter_mut().enumerate().take(R) {
        *whole = sums[1..]
            .iter()
            .fold(sums[0][r], |sum, part| _mm256_add_ps(sum, part[r]));
    }
    totals(whole)
}
