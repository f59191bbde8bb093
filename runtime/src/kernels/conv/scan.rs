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

/// Lists the digits of a row at a place of the ring, with their indices. The
/// store has the words of [`Geometry::store`].
pub(super) fn scan(geometry: &Geometry, place: usize, row: Row<'_>, store: &mut [u32]) {
    let fits = store.len() >= geometry.store() && place < geometry.window.kernel;
    let codes = geometry.input.shape.width * geometry.input.shape.channels;
    if !fits || row.codes.len() != codes {
        return;
    }
    // SAFETY: as tested; the planes are those of the form.
    unsafe {
        match geometry.form() {
            Form::Planes(1) => walk::<1>(geometry, place, &row, store),
            Form::Planes(2) => walk::<2>(geometry, place, &row, store),
            Form::Planes(_) => walk::<3>(geometry, place, &row, store),
            Form::Weighted => walk::<0>(geometry, place, &row, store),
        }
    }
}

/// The lists of a row as they grow. Single fields, not arrays, which the compiler
/// would keep in memory.
pub(super) struct Lists<const P: usize> {
    /// Ends of the planes' lists, that of bit 0 first; of digits, if there are none.
    pub(super) hb: *mut u32,
    pub(super) hb1: *mut u32,
    pub(super) hb2: *mut u32,
    /// End of the list of the remaining bits.
    pub(super) lb: *mut u32,
    /// The first list's index at this pixel; the others follow at equal distances.
    pub(super) index: *mut u32,
    pub(super) distance: usize,
    pub(super) store: *mut u32,
    pub(super) split: Split,
    /// From the offset of a column to twice its number.
    halves: u32,
}

/// Appends an entry if `keep` is 1 rather than 0, without a branch.
///
/// # Safety
///
/// There is room for an entry more.
#[inline(always)]
unsafe fn push(end: &mut *mut u32, entry: u32, keep: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        end.write(entry);
        *end = end.add(keep as usize);
    }
}

impl<const P: usize> Lists<P> {
    /// Notes where the entries of a pixel begin.
    ///
    /// # Safety
    ///
    /// It is called once for each pixel, and once after the last.
    #[inline(always)]
    unsafe fn mark(&mut self) {
        let mut place = self.index;
        let mut write = |end: *mut u32| {
            // SAFETY: the caller's promise; ends lie in the store.
            unsafe { place.write(end.byte_offset_from(self.store) as u32) };
            place = place.wrapping_add(self.distance);
        };
        write(self.hb);
        if P > 1 {
            write(self.hb1);
        }
        if P > 2 {
            write(self.hb2);
        }
        write(self.lb);
        self.index = self.index.wrapping_add(1);
    }

    /// Appends the digits of a code that is not zero, an unsigned byte, whose
    /// column is at `offset` from the row's left edge.
    ///
    /// # Safety
    ///
    /// It is called at most once for each code of the row.
    #[inline(always)]
    unsafe fn add(&mut self, code: u32, offset: u32) {
        let column = offset >> self.halves;
        // SAFETY: every list has room for an entry of each code.
        unsafe {
            if P == 0 {
                let (hb, lb) = self.split.digits(code as i8);
                let entry = |digit: i8| column | ((i32::from(digit) as u32) << 16);
                push(&mut self.hb, entry(hb), u32::from(hb != 0));
                push(&mut self.lb, entry(lb), u32::from(lb != 0));
                return;
            }
            let hb = code >> self.split.shift();
            push(&mut self.hb, offset, hb & 1);
            if P > 1 {
                push(&mut self.hb1, offset, (hb >> 1) & 1);
            }
            if P > 2 {
                push(&mut self.hb2, offset, (hb >> 2) & 1);
            }
            let lb = code - (hb << self.split.shift());
            push(&mut self.lb, column | (lb << 16), u32::from(lb != 0));
        }
    }
}

/// Lists of so many planes, or of digits if there are none, and of the remaining
/// bits.
///
/// # Safety
///
/// The store is as long as [`scan`] tests, the row is whole, the planes are those
/// of the form.
#[inline(never)] // Its pointers are to stay in registers.
unsafe fn walk<const P: usize>(
    geometry: &Geometry,
    place: usize,
    row: &Row<'_>,
    store: &mut [u32],
) {
    let View {
        shape,
        first,
        step,
        channels,
    } = row.view;
    let height = geometry.height as u32;
    let nth = place * geometry.lists();
    let store = store.as_mut_ptr();
    let list = |list: usize| store.wrapping_add((nth + list) * geometry.capacity());
    let mut lists = Lists::<P> {
        hb: list(0),
        hb1: list(1),
        hb2: list(2),
        lb: list(geometry.lists() - 1),
        index: store.wrapping_add(geometry.entries() + nth * geometry.index()),
        distance: geometry.index(),
        store,
        split: geometry.split,
        halves: height.trailing_zeros() - 1,
    };
    let fours = step == 1 && (first | channels | shape.channels).is_multiple_of(4);
    let words = <[u32]>::ref_from_bytes(row.codes).ok().filter(|_| fours);
    #[cfg(pg_isa = "dsp")]
    if let (Some(words), 1..) = (words, P) {
        let row = super::dsp::scan::Row {
            words,
            pixel: shape.channels / 4,
            first: first / 4,
            count: channels / 4,
        };
        // SAFETY: every list has room for an entry of each code, and every index
        // for a mark at each pixel and one after the last; pixels are whole words.
        unsafe { super::dsp::scan::planes::<P>(&mut lists, &row) };
        return;
    }
    let mut offset = 0;
    // Whole words, if the map starts on one.
    if let Some(mut words) = words {
        while let Some(pixel) = words.split_off(..shape.channels / 4) {
            // SAFETY: one mark for each pixel of the row.
            unsafe { lists.mark() };
            let pixel = pixel.get(first / 4..(first + channels) / 4);
            for &word in pixel.unwrap_or(&[]) {
                let mut word = u32::from_le(word);
                let mut at = offset;
                while word != 0 {
                    if word & 0xff != 0 {
                        // SAFETY: once for each code.
                        unsafe { lists.add(word & 0xff, at) };
                    }
                    word >>= 8;
                    at += height;
                }
                offset += 4 * height;
            }
        }
    } else {
        for pixel in row.codes.chunks_exact(shape.channels.max(1)) {
            // SAFETY: as above.
            unsafe { lists.mark() };
            let codes = pixel.get(first..).unwrap_or(&[]).iter();
            for &code in codes.step_by(step.max(1)).take(channels) {
                if code != 0 {
                    // SAFETY: as above.
                    unsafe { lists.add(code.into(), offset) };
                }
                offset += height;
            }
        }
    }
    // SAFETY: the mark after the last pixel.
    unsafe { lists.mark() };
}
