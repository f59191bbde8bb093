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

/// The entries of both lists, if every one of them is the offset of one of
/// `columns` columns. Looking at them once is little beside walking them for
/// every panel.
#[inline]
pub fn columns_of<'c>(lists: &Changes<'c>, columns: usize) -> Option<(&'c [u32], &'c [u32])> {
    let plus = Changes::entries(lists.plus);
    let minus = Changes::entries(lists.minus);
    let inside = |&entry: &u32| (entry as usize) < columns * HEIGHT && entry as usize % HEIGHT == 0;
    (columns > 0 && plus.iter().chain(minus).all(inside)).then_some((plus, minus))
}

/// See [`crate::kernels::Kernels::predict`].
#[inline]
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let Some((plus, minus)) = columns_of(changes, columns) else {
        return;
    };
    let stride = columns * WORDS;
    let net = (plus.len() as u32).wrapping_sub(minus.len() as u32);
    let (accumulators, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    for (acc, panel) in accumulators.iter_mut().zip(panels.chunks_exact(stride)) {
        // SAFETY: the panel has `columns` columns, and every entry was found
        // to be the offset of one of them.
        unsafe { apply(acc, panel, plus, minus, net) };
    }
}

/// Applies the lists to a panel.
///
/// # Safety
///
/// Every entry is the byte offset of a column of `panel`.
#[inline(always)]
unsafe fn apply(
    acc: &mut [u32; ACCUMULATORS],
    panel: &[u32],
    plus: &[u32],
    minus: &[u32],
    net: u32,
) {
    let (a_offset, o_offset) = (
        net.wrapping_mul(OFFSET | (OFFSET << 8)),
        net.wrapping_mul(OFFSET),
    );
    let mut a = [0u32; WORDS];
    let mut o = [0u32; WORDS];
    let (pairs, _) = acc.as_chunks_mut::<2>();
    for ((a, o), pair) in a.iter_mut().zip(&mut o).zip(pairs.iter()) {
        *a = pair[0].wrapping_sub(a_offset);
        *o = pair[1].wrapping_sub(o_offset);
    }
    for &entry in plus {
        for j in 0..WORDS {
            // SAFETY: the caller's promise; a column has WORDS words.
            let w = unsafe { *panel.get_unchecked(entry as usize / 4 + j) };
            a[j] = a[j].wrapping_add(w);
            o[j] = o[j].wrapping_add((w >> 8) & EVEN);
        }
    }
    for &entry in minus {
        for j in 0..WORDS {
            // SAFETY: the caller's promise; a column has WORDS words.
            let w = unsafe { *panel.get_unchecked(entry as usize / 4 + j) };
            a[j] = a[j].wrapping_sub(w);
            o[j] = o[j].wrapping_sub((w >> 8) & EVEN);
        }
    }
    for ((&a, &o), pair) in a.iter().zip(&o).zip(pairs) {
        *pair = [a, o];
    }
}
