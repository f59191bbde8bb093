//! The prediction pass in AVX2.
#![allow(unsafe_code)]

use super::{VECTOR, WORDS, load, store};
use crate::kernels::simd::{ACCUMULATORS, Entries, HEIGHT};
use core::arch::x86_64::*;

/// Vectors of a column in a panel.
const VECTORS: usize = HEIGHT / VECTOR;
/// Panels worked on at a time, so that the lists are read once for them.
const TOGETHER: usize = 2;

/// See [`crate::kernels::Kernels::predict`].
#[target_feature(enable = "avx2")]
pub fn predict(accumulators: &mut [u32], entries: &Entries<'_>) {
    let (groups, rest) = accumulators.as_chunks_mut::<{ ACCUMULATORS * TOGETHER }>();
    let mut panels = entries.panels.chunks_exact(entries.stride * TOGETHER);
    for (accumulators, panels) in groups.iter_mut().zip(panels.by_ref()) {
        // SAFETY: there are TOGETHER panels.
        unsafe { apply::<TOGETHER>(accumulators, panels, entries) };
    }
    let (rest, _) = rest.as_chunks_mut::<ACCUMULATORS>();
    let panels = panels.remainder().chunks_exact(entries.stride);
    for (accumulators, panel) in rest.iter_mut().zip(panels) {
        // SAFETY: there is one panel.
        unsafe { apply::<1>(accumulators, panel, entries) };
    }
}

/// Applies the entries to P panels.
///
/// # Safety
///
/// `panels` has P panels of `entries.stride` words.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn apply<const P: usize>(accumulators: &mut [u32], panels: &[u32], entries: &Entries<'_>) {
    let zero = _mm256_setzero_si256();
    let mut a = [[zero; VECTORS]; P];
    let mut o = [[zero; VECTORS]; P];
    let column = |panel: usize, entry: u32, vector: usize| {
        let word = panel * entries.stride + entry as usize / 4 + vector * WORDS;
        // SAFETY: an entry is the offset of a whole column of a panel, and the
        // caller's slice has P of them.
        load(unsafe { &*panels.as_ptr().add(word).cast() })
    };
    for &entry in entries.plus {
        for p in 0..P {
            for v in 0..VECTORS {
                let u = column(p, entry, v);
                a[p][v] = _mm256_add_epi16(a[p][v], u);
                o[p][v] = _mm256_add_epi16(o[p][v], _mm256_srli_epi16::<8>(u));
            }
        }
    }
    for &entry in entries.minus {
        for p in 0..P {
            for v in 0..VECTORS {
                let u = column(p, entry, v);
                a[p][v] = _mm256_sub_epi16(a[p][v], u);
                o[p][v] = _mm256_sub_epi16(o[p][v], _mm256_srli_epi16::<8>(u));
            }
        }
    }
    let offset = _mm256_set1_epi16(entries.offset() as i16);
    let (vectors, _) = accumulators.as_chunks_mut::<WORDS>();
    let (pairs, _) = vectors.as_chunks_mut::<2>();
    let sums = a.as_flattened().iter().zip(o.as_flattened());
    for ([lower, upper], (&a, &o)) in pairs.iter_mut().zip(sums) {
        let even = _mm256_sub_epi16(a, _mm256_slli_epi16::<8>(o));
        let add = |rows: &mut [u32; WORDS], sum| {
            let sum = _mm256_sub_epi16(sum, offset);
            store(rows, _mm256_add_epi16(load(rows), sum));
        };
        add(lower, even);
        add(upper, o);
    }
}
