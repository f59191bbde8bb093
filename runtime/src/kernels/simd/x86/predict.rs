//! The prediction pass in AVX2.
#![allow(unsafe_code)]

use super::{VECTOR, WORDS, load, store};
use crate::kernels::simd::{ACCUMULATORS, Entries, HEIGHT};
use core::arch::x86_64::*;

/// Vectors of a column in a panel.
const VECTORS: usize = HEIGHT / VECTOR;

/// See [`crate::kernels::Kernels::predict`].
#[target_feature(enable = "avx2")]
pub fn predict(accumulators: &mut [u32], entries: &Entries<'_>) {
    let (panels, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    let stored = entries.panels.chunks_exact(entries.stride);
    for (accumulators, panel) in panels.iter_mut().zip(stored) {
        apply(accumulators, panel, entries);
    }
}

/// Applies the entries to a panel, which has `entries.stride` words.
#[inline]
#[target_feature(enable = "avx2")]
fn apply(accumulators: &mut [u32; ACCUMULATORS], panel: &[u32], entries: &Entries<'_>) {
    let zero = _mm256_setzero_si256();
    let (mut a, mut o) = ([zero; VECTORS], [zero; VECTORS]);
    let column = |entry: u32| {
        let column = panel.as_ptr().wrapping_add(entry as usize / 4);
        // The same column of the next panel: a processor cannot foresee it,
        // since the columns of a list follow no pattern.
        _mm_prefetch::<_MM_HINT_T0>(column.wrapping_add(entries.stride).cast());
        // SAFETY: an entry is the offset of a whole column of a panel.
        let vectors: &[[u32; WORDS]; VECTORS] = unsafe { &*column.cast() };
        vectors.each_ref().map(|vector| load(vector))
    };
    for &entry in entries.plus {
        for (v, u) in column(entry).into_iter().enumerate() {
            a[v] = _mm256_add_epi16(a[v], u);
            o[v] = _mm256_add_epi16(o[v], _mm256_srli_epi16::<8>(u));
        }
    }
    for &entry in entries.minus {
        for (v, u) in column(entry).into_iter().enumerate() {
            a[v] = _mm256_sub_epi16(a[v], u);
            o[v] = _mm256_sub_epi16(o[v], _mm256_srli_epi16::<8>(u));
        }
    }
    let offset = _mm256_set1_epi16(entries.offset() as i16);
    let (vectors, _) = accumulators.as_chunks_mut::<WORDS>();
    let (pairs, _) = vectors.as_chunks_mut::<2>();
    for ([lower, upper], (a, o)) in pairs.iter_mut().zip(a.into_iter().zip(o)) {
        let even = _mm256_sub_epi16(a, _mm256_slli_epi16::<8>(o));
        let add = |rows: &mut [u32; WORDS], sum| {
            let sum = _mm256_sub_epi16(sum, offset);
            store(rows, _mm256_add_epi16(load(rows), sum));
        };
        add(lower, even);
        add(upper, o);
    }
}
