//! Outputs that the codes of another map are added to.
#![allow(unsafe_code)]

use super::{Rows, Scale};

/// Bits behind the point of an output that a residual is added to.
pub(in crate::kernels::conv) const FRACTION: u8 = 4;

/// What a residual adds to the outputs of a panel, in sixteenths of a code:
/// `round_shift(code * mult, shift)`.
#[derive(Clone, Copy, Debug)]
pub struct Addend {
    /// The first of the rows that something is added to.
    pub first: usize,
    /// How many they are.
    pub count: usize,
    /// Index of the code that is added to the first of them.
    pub index: usize,
    /// Distance from one code to the next.
    pub step: usize,
    /// Whether codes are signed.
    pub signed: bool,
    /// Factor of a code, below 2^15.
    pub mult: u16,
    /// Shift of the product, 0 to 31.
    pub shift: u8,
}

/// Where the codes of a panel's outputs go, and what is added to them.
#[derive(Debug)]
pub struct Mixed<'m> {
    /// The map that is read; `None` if that is `output`.
    pub residual: Option<&'m [i8]>,
    /// The map that is written.
    pub output: &'m mut [i8],
    /// Index of the code of the panel's first row.
    pub index: usize,
    /// Distance from one code to the next.
    pub step: usize,
}

impl Addend {
    /// Half of what the product is divided by.
    #[inline(always)]
    pub(in crate::kernels) const fn half(&self) -> i32 {
        ((1u32 << (self.shift & 31)) >> 1) as i32
    }
}

impl Mixed<'_> {
    /// Whether the rows up to `last` have a code, and those that something is
    /// added to also one to read.
    #[inline(always)]
    pub(in crate::kernels) fn covers(&self, last: usize, addend: &Addend) -> bool {
        let map = self.residual.map_or(self.output.len(), <[i8]>::len);
        let read = addend.index + addend.count.saturating_sub(1) * addend.step;
        self.index + last * self.step < self.output.len() && (addend.count == 0 || read < map)
    }
}

/// See [`crate::kernels::conv::ConvKernels::added_codes`].
pub fn added_codes(
    scales: &[Scale],
    (sums, shift): (&[i32], u8),
    rows: &Rows,
    (low, high): (i32, i32),
    mixed: Mixed<'_>,
    addend: &Addend,
) {
    let (last, rows) = (rows.last(), rows.list());
    if last >= scales.len().min(sums.len()) || !mixed.covers(last, addend) {
        return;
    }
    let output = mixed.output.as_mut_ptr();
    let map = mixed.residual.map_or(output.cast_const(), <[i8]>::as_ptr);
    let (mult, half) = (i32::from(addend.mult), addend.half());
    for &row in rows {
        let row = usize::from(row);
        let lane = row.wrapping_sub(addend.first);
        // SAFETY: rows are in ascending order, and what the last one reads and
        // writes is there; so is the code of the last lane.
        unsafe {
            let code = if lane < addend.count {
                let code = *map.add(addend.index + lane * addend.step);
                if addend.signed {
                    i32::from(code)
                } else {
                    i32::from(code as u8)
                }
            } else {
                0
            };
            // As `round_shift`: |code * mult| < 2^23.
            let add = (code * mult).wrapping_add(half) >> (addend.shift & 31);
            let range = (i16::MIN.into(), i16::MAX.into());
            let sum = *sums.as_ptr().add(row);
            let y = (*scales.as_ptr().add(row)).apply(sum << (shift & 31), range);
            let rounded = (y + add + (1 << (FRACTION - 1))) >> FRACTION;
            *output.add(mixed.index + row * mixed.step) = rounded.clamp(low, high) as i8;
        }
    }
}
