//! The prediction pass of [`super::Swar`].
#![allow(unsafe_code)]

use crate::kernels::Changes;
use crate::kernels::swar::{EVEN, OFFSET};
use crate::layout::Target;

/// Bytes of a column in a panel.
const HEIGHT: usize = Target::Swar.panel();
/// Words of a column in a panel.
const WORDS: usize = HEIGHT / 4;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;
/// Panels worked on at a time: as many as the registers hold. The list is
/// then read once for all of them.
const TOGETHER: usize = if cfg!(target_arch = "riscv32") { 2 } else { 1 };

/// See [`crate::kernels::Kernels::predict`].
#[inline]
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let plus = Changes::entries(changes.plus);
    let minus = Changes::entries(changes.minus);
    let stride = columns * WORDS;
    // Every entry must lie inside a panel, and hold a whole column. Looking at
    // the list once is little beside walking it for every panel.
    let inside = |&entry: &u32| (entry as usize) < columns * HEIGHT && entry as usize % HEIGHT == 0;
    if stride == 0 || !plus.iter().chain(minus).all(inside) {
        return;
    }
    let net = (plus.len() as u32).wrapping_sub(minus.len() as u32);
    let (groups, rest) = accumulators.as_chunks_mut::<{ ACCUMULATORS * TOGETHER }>();
    let mut panels = panels.chunks_exact(stride * TOGETHER);
    for (acc, panels) in groups.iter_mut().zip(panels.by_ref()) {
        // SAFETY: there are TOGETHER panels of `columns` columns, and every
        // entry was found to be the offset of one of them.
        unsafe { apply::<TOGETHER>(acc, panels, stride, plus, minus, net) };
    }
    // What is left over where panels are taken together.
    let (rest, _) = rest.as_chunks_mut::<ACCUMULATORS>();
    for (acc, panel) in rest.iter_mut().zip(panels.remainder().chunks_exact(stride)) {
        // SAFETY: as above, with one panel.
        unsafe { apply::<1>(acc, panel, stride, plus, minus, net) };
    }
}

/// Applies the lists to P panels.
///
/// # Safety
///
/// `panels` has P * `stride` words, `stride` being a number of whole columns,
/// and every entry is the byte offset of a column below `4 * stride`.
#[inline(always)]
unsafe fn apply<const P: usize>(
    acc: &mut [u32],
    panels: &[u32],
    stride: usize,
    plus: &[u32],
    minus: &[u32],
    net: u32,
) {
    let (a_offset, o_offset) = (
        net.wrapping_mul(OFFSET | (OFFSET << 8)),
        net.wrapping_mul(OFFSET),
    );
    let mut a = [[0u32; WORDS]; P];
    let mut o = [[0u32; WORDS]; P];
    let (pairs, _) = acc.as_chunks_mut::<2>();
    let lanes = a.as_flattened_mut().iter_mut().zip(o.as_flattened_mut());
    for ((a, o), pair) in lanes.zip(pairs.iter()) {
        *a = pair[0].wrapping_sub(a_offset);
        *o = pair[1].wrapping_sub(o_offset);
    }
    for &entry in plus {
        for p in 0..P {
            for j in 0..WORDS {
                // SAFETY: the caller's promise; a column has WORDS words.
                let w = unsafe { *panels.get_unchecked(p * stride + entry as usize / 4 + j) };
                a[p][j] = a[p][j].wrapping_add(w);
                o[p][j] = o[p][j].wrapping_add((w >> 8) & EVEN);
            }
        }
    }
    for &entry in minus {
        for p in 0..P {
            for j in 0..WORDS {
                // SAFETY: the caller's promise; a column has WORDS words.
                let w = unsafe { *panels.get_unchecked(p * stride + entry as usize / 4 + j) };
                a[p][j] = a[p][j].wrapping_sub(w);
                o[p][j] = o[p][j].wrapping_sub((w >> 8) & EVEN);
            }
        }
    }
    let lanes = a.as_flattened().iter().zip(o.as_flattened());
    for ((&a, &o), pair) in lanes.zip(pairs) {
        *pair = [a, o];
    }
}
