//! The prediction pass of [`crate::kernels::swar::Swar`].
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

/// See [`crate::kernels::Kernels::predict`].
#[inline]
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let stride = columns * WORDS;
    let count = accumulators.len() / ACCUMULATORS;
    let Some(lists) = changes.checked(columns, HEIGHT) else {
        return;
    };
    if panels.len() < count * stride {
        return;
    }
    // What a column adds to both sums beside the weights.
    let offsets = [OFFSET | (OFFSET << 8), OFFSET];
    let mut panel = panels.as_ptr();
    #[cfg(pg_isa = "rv32")]
    let accumulators = {
        let (pairs, rest) = accumulators.as_chunks_mut::<{ 2 * ACCUMULATORS }>();
        let count = pairs.len();
        // SAFETY: there are panels for all accumulators, and every entry was
        // found to be the offset of a column.
        unsafe { super::rv32::pairs(pairs, panel, stride, lists, offsets) };
        panel = panel.wrapping_add(2 * count * stride);
        rest
    };
    let net = (lists[0].len() as u32).wrapping_sub(lists[1].len() as u32);
    let offsets = offsets.map(|offset| net.wrapping_mul(offset));
    let (groups, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    for sums in groups {
        // SAFETY: as above.
        unsafe { apply(sums, panel, lists, offsets) };
        panel = panel.wrapping_add(stride);
    }
}

/// Applies the lists to a panel.
///
/// # Safety
///
/// `panel` is a number of whole columns, and every entry is the byte offset of one of them.
#[inline(always)]
unsafe fn apply(
    accumulators: &mut [u32; ACCUMULATORS],
    panel: *const u32,
    [plus, minus]: [&[u32]; 2],
    offsets: [u32; 2],
) {
    let mut sums = *accumulators;
    let (pairs, _) = sums.as_chunks_mut::<2>();
    for [a, o] in pairs.iter_mut() {
        *a = a.wrapping_sub(offsets[0]);
        *o = o.wrapping_sub(offsets[1]);
    }
    // SAFETY: the caller's promise.
    unsafe {
        walk(pairs, panel, plus, u32::wrapping_add);
        walk(pairs, panel, minus, u32::wrapping_sub);
    }
    *accumulators = sums;
}

/// Applies one list.
///
/// # Safety
///
/// As for [`apply`].
#[inline(always)]
unsafe fn walk(
    sums: &mut [[u32; 2]],
    panel: *const u32,
    list: &[u32],
    add: impl Fn(u32, u32) -> u32,
) {
    for &entry in list {
        let column = panel.wrapping_byte_add(entry as usize);
        for (j, [a, o]) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise; a column has a word for each pair.
            let w = unsafe { column.add(j).read() };
            *a = add(*a, w);
            *o = add(*o, (w >> 8) & EVEN);
        }
    }
}
