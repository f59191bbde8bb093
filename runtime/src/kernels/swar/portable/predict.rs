//! The prediction pass of [`super::Swar`].
#![allow(unsafe_code)]

use crate::kernels::Changes;
use crate::kernels::swar::{EVEN, OFFSET};
use crate::layout::Target;
use core::ops::Range;

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
    let lists = [changes.plus, changes.minus].map(Changes::entries);
    let stride = columns * WORDS;
    // Every entry must be the offset of a column. Looking at the lists once is
    // little beside walking them for every panel.
    let inside = |&e: &u32| (e as usize) < columns * HEIGHT && e.is_multiple_of(HEIGHT as u32);
    let count = accumulators.len() / ACCUMULATORS;
    if panels.len() < count * stride || !lists.iter().all(|list| list.iter().all(inside)) {
        return;
    }
    let net = (lists[0].len() as u32).wrapping_sub(lists[1].len() as u32);
    let (groups, rest) = accumulators.as_chunks_mut::<{ ACCUMULATORS * TOGETHER }>();
    let mut panel = panels.as_ptr();
    for acc in groups {
        // SAFETY: there are panels for all accumulators, and every entry was
        // found to be the offset of a column.
        unsafe { apply::<TOGETHER>(acc, panel, stride, lists, net) };
        panel = panel.wrapping_add(TOGETHER * stride);
    }
    // What is left over where panels are taken together.
    let (rest, _) = rest.as_chunks_mut::<ACCUMULATORS>();
    for acc in rest {
        // SAFETY: as above.
        unsafe { apply::<1>(acc, panel, stride, lists, net) };
        panel = panel.wrapping_add(stride);
    }
}

/// Applies the lists to P panels.
///
/// # Safety
///
/// From `panel` on there are P panels of `stride` words, a number of whole
/// columns, and every entry is the byte offset of a column in the first.
#[inline(always)]
unsafe fn apply<const P: usize>(
    acc: &mut [u32],
    panel: *const u32,
    stride: usize,
    [plus, minus]: [&[u32]; 2],
    net: u32,
) {
    let mut sums = [[[0; 2]; WORDS]; P];
    let (pairs, _) = acc.as_chunks_mut::<2>();
    for (sum, pair) in sums.as_flattened_mut().iter_mut().zip(pairs.iter()) {
        let offset = [OFFSET | (OFFSET << 8), OFFSET].map(|offset| net.wrapping_mul(offset));
        *sum = [
            pair[0].wrapping_sub(offset[0]),
            pair[1].wrapping_sub(offset[1]),
        ];
    }
    // SAFETY: the caller's promise.
    unsafe {
        walk(&mut sums, panel, stride, plus, u32::wrapping_add);
        walk(&mut sums, panel, stride, minus, u32::wrapping_sub);
    }
    for (pair, sum) in pairs.iter_mut().zip(sums.as_flattened()) {
        *pair = *sum;
    }
}

/// Applies one list.
///
/// # Safety
///
/// As for [`apply`].
#[inline(always)]
unsafe fn walk<const P: usize>(
    sums: &mut [[[u32; 2]; WORDS]; P],
    panel: *const u32,
    stride: usize,
    list: &[u32],
    add: impl Fn(u32, u32) -> u32,
) {
    let Range { mut start, end } = list.as_ptr_range();
    while start != end {
        // SAFETY: `start` lies in the list.
        let entry = unsafe { start.read() };
        start = start.wrapping_add(1);
        let mut column = panel.wrapping_byte_add(entry as usize);
        for panel in sums.iter_mut() {
            for (j, [a, o]) in panel.iter_mut().enumerate() {
                // SAFETY: the caller's promise; a column has WORDS words.
                let w = unsafe { column.add(j).read() };
                *a = add(*a, w);
                *o = add(*o, (w >> 8) & EVEN);
            }
            column = column.wrapping_add(stride);
        }
    }
}
