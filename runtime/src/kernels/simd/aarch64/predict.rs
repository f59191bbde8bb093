//! The prediction pass in NEON: `add` and `usra`, shift and add in one.

use crate::kernels::simd::{ACCUMULATORS, Entries, HEIGHT};
use core::arch::aarch64::*;

/// Words of a vector register.
const WORDS: usize = 4;
/// Vectors of a column in a panel.
const VECTORS: usize = HEIGHT / 16;

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], entries: &Entries<'_>) {
    let (panels, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    let stored = entries.panels.chunks_exact(entries.stride);
    for (accumulators, panel) in panels.iter_mut().zip(stored) {
        // SAFETY: every 64-bit Arm core has NEON.
        unsafe { apply(accumulators, panel, entries) };
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn apply(accumulators: &mut [u32; ACCUMULATORS], panel: &[u32], entries: &Entries<'_>) {
    let zero = vdupq_n_u16(0);
    let (mut a, mut o) = ([zero; VECTORS], [zero; VECTORS]);
    let column = |entry: u32| {
        // SAFETY: an entry is the offset of a whole column of a panel.
        let column = unsafe { &*panel.as_ptr().add(entry as usize / 4).cast() };
        vectors(column)
    };
    for &entry in entries.plus {
        for (v, u) in column(entry).into_iter().enumerate() {
            a[v] = vaddq_u16(a[v], u);
            o[v] = vsraq_n_u16::<8>(o[v], u);
        }
    }
    for &entry in entries.minus {
        for (v, u) in column(entry).into_iter().enumerate() {
            a[v] = vsubq_u16(a[v], u);
            o[v] = vsubq_u16(o[v], vshrq_n_u16::<8>(u));
        }
    }
    // Rows 0 to 7, 8 to 15, 16 to 23, 24 to 31 of a group of 32 rows: the
    // lower bytes of two vectors, then their upper ones.
    let offset = vdupq_n_u16(entries.offset());
    let (groups, _) = accumulators.as_chunks_mut::<{ 4 * WORDS }>();
    let sums = a.as_chunks::<2>().0.iter().zip(o.as_chunks::<2>().0);
    for (rows, (a, o)) in groups.iter_mut().zip(sums) {
        let even = |k: usize| vsubq_u16(a[k], vshlq_n_u16::<8>(o[k]));
        let sums = [even(0), even(1), o[0], o[1]];
        for (row, sum) in rows.as_chunks_mut::<WORDS>().0.iter_mut().zip(sums) {
            let sum = vsubq_u16(sum, offset);
            // SAFETY: the reference is to 16 bytes.
            unsafe {
                let before = vld1q_u16(row.as_ptr().cast());
                vst1q_u16(row.as_mut_ptr().cast(), vaddq_u16(before, sum));
            }
        }
    }
}

/// A column of a panel.
#[inline]
#[target_feature(enable = "neon")]
fn vectors(column: &[u32; WORDS * VECTORS]) -> [uint16x8_t; VECTORS] {
    let first = column.as_ptr().cast::<u16>();
    // SAFETY: the reference is to VECTORS vectors of 8 numbers.
    core::array::from_fn(|v| unsafe { vld1q_u16(first.add(8 * v)) })
}
