//! Listing the digits of a row: both digits in one look at the codes, four
//! codes that are all zero in one test.
#![allow(unsafe_code)]

use super::{Form, Geometry};
use crate::layers::View;
use crate::quant::Split;
use zerocopy::FromBytes;

/// A row of a feature map.
pub(super) struct Row<'r> {
    /// The channels that are listed.
    pub view: View,
    /// All codes of the row, pixel by pixel.
    pub codes: &'r [u8],
}

/// `N` lists as they grow: the ends so far. They lie in one store, and so do
/// their indices.
struct Lists<const N: usize> {
    store: *mut u32,
    ends: [*mut u32; N],
    /// The first list's index at this pixel; the others follow at equal distances.
    index: *mut u32,
    distance: usize,
}

impl<const N: usize> Lists<N> {
    /// Appends an entry if `keep` is 1 rather than 0, without a branch.
    ///
    /// # Safety
    ///
    /// There is room for an entry more.
    #[inline(always)]
    unsafe fn push(&mut self, list: usize, entry: u32, keep: u32) {
        // SAFETY: the caller's promise.
        unsafe {
            self.ends[list].write(entry);
            self.ends[list] = self.ends[list].add(keep as usize);
        }
    }

    /// Notes where the entries of a pixel begin.
    ///
    /// # Safety
    ///
    /// It is called once for each pixel, and once after the last.
    #[inline(always)]
    unsafe fn mark(&mut self) {
        for (list, end) in self.ends.iter().enumerate() {
            // SAFETY: the caller's promise; ends lie in the store.
            unsafe {
                let at = end.byte_offset_from(self.store) as u32;
                self.index.add(list * self.distance).write(at);
            }
        }
        self.index = self.index.wrapping_add(1);
    }
}

/// Lists the digits of a row at a place of the ring, with their indices. The
/// store has the words of [`Geometry::store`].
pub(super) fn scan(geometry: &Geometry, place: usize, row: Row<'_>, store: &mut [u32]) {
    let fits = store.len() >= geometry.store() && place < geometry.window.kernel;
    let codes = geometry.input.shape.width * geometry.input.shape.channels;
    if !fits || row.codes.len() != codes {
        return;
    }
    let split = geometry.split;
    // SAFETY: as tested; the lists are those of the form, and the update's.
    unsafe {
        match geometry.form() {
            Form::Planes(1) => bits::<1, 2>(geometry, place, &row, store),
            Form::Planes(2) => bits::<2, 3>(geometry, place, &row, store),
            Form::Planes(_) => bits::<3, 4>(geometry, place, &row, store),
            Form::Weighted => digits(geometry, place, &row, store, split),
        }
    }
}

/// Lists of `P` planes and of the remaining bits.
///
/// # Safety
///
/// The store is as long as [`scan`] tests, the row is whole, the form's lists
/// and the update's are `N = P + 1`.
unsafe fn bits<const P: usize, const N: usize>(
    geometry: &Geometry,
    place: usize,
    row: &Row<'_>,
    store: &mut [u32],
) {
    let shift = geometry.split.shift();
    let rest = (1 << shift) - 1;
    let halves = geometry.height.trailing_zeros() - 1;
    // SAFETY: the caller's promise; of a code a list gets one entry at most.
    unsafe {
        walk::<N>(geometry, place, row, store, |code, offset, lists| {
            for plane in 0..P {
                let bit = (code >> (u32::from(shift) + plane as u32)) & 1;
                lists.push(plane, offset, bit);
            }
            let lb = code & rest;
            lists.push(P, (offset >> halves) | (lb << 16), u32::from(lb != 0));
        });
    }
}

/// Lists of digits and of the remaining bits.
///
/// # Safety
///
/// As [`bits`].
unsafe fn digits(
    geometry: &Geometry,
    place: usize,
    row: &Row<'_>,
    store: &mut [u32],
    split: Split,
) {
    let halves = geometry.height.trailing_zeros() - 1;
    // SAFETY: as in `bits`.
    unsafe {
        walk::<2>(geometry, place, row, store, |code, offset, lists| {
            let (hb, lb) = split.digits(code as i8);
            for (list, digit) in [hb, lb].into_iter().enumerate() {
                let entry = (offset >> halves) | ((i32::from(digit) as u32) << 16);
                lists.push(list, entry, u32::from(digit != 0));
            }
        });
    }
}

/// Calls `add` with every code that is not zero, as an unsigned byte, and the
/// offset of its column from the row's left edge.
///
/// # Safety
///
/// As [`bits`]; `add` appends one entry at most to a list.
#[inline(always)]
unsafe fn walk<const N: usize>(
    geometry: &Geometry,
    place: usize,
    row: &Row<'_>,
    store: &mut [u32],
    mut add: impl FnMut(u32, u32, &mut Lists<N>),
) {
    let View {
        shape,
        first,
        step,
        channels,
    } = row.view;
    let nth = place * N;
    let start = store.as_mut_ptr();
    let entries = start.wrapping_add(nth * geometry.capacity());
    let mut lists = Lists {
        store: start,
        ends: core::array::from_fn(|list| entries.wrapping_add(list * geometry.capacity())),
        index: start.wrapping_add(geometry.entries() + nth * geometry.index()),
        distance: geometry.index(),
    };
    let height = geometry.height as u32;
    let mut offset = 0;
    let mut pixels = row.codes.chunks_exact(shape.channels.max(1));
    let fours = step == 1 && (first | channels | shape.channels).is_multiple_of(4);
    for _ in 0..shape.width {
        // SAFETY: one mark for each pixel of the row.
        unsafe { lists.mark() };
        let pixel = pixels.next().unwrap_or(&[]);
        let pixel = pixel.get(first..).unwrap_or(&[]);
        // Whole words, if the map starts on one.
        let words = pixel.get(..channels).filter(|_| fours);
        if let Some(words) = words.and_then(|bytes| <[u32]>::ref_from_bytes(bytes).ok()) {
            for &word in words {
                let mut word = u32::from_le(word);
                let mut at = offset;
                while word != 0 {
                    if word & 0xff != 0 {
                        add(word & 0xff, at, &mut lists);
                    }
                    word >>= 8;
                    at = at.wrapping_add(height);
                }
                offset = offset.wrapping_add(4 * height);
            }
        } else {
            for &code in pixel.iter().step_by(step.max(1)).take(channels) {
                if code != 0 {
                    add(u32::from(code), offset, &mut lists);
                }
                offset = offset.wrapping_add(height);
            }
        }
    }
    // SAFETY: the mark after the last pixel.
    unsafe { lists.mark() };
}
