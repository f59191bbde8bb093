//! Sums of columns times digits: the inner loops of a convolution.
//!
//! A convolution's weights are panels of [`HEIGHT`] rows, column after column,
//! a byte `u = w + 128` each, the same for every core. The digits of an input
//! row that are not zero are listed once ([`scan`]); an output pixel walks the
//! parts of the lists that lie under its window, and adds to the sums of a
//! panel the column of each entry times its digit. Zero digits cost nothing.
//!
//! # Two rows a lane
//!
//! For every word `U = u0 + 2^8 u1 + 2^16 u2 + 2^24 u3` of four rows two sums are
//! kept modulo 2^32,
//!
//! ```text
//! A = sum of U x                         O = sum of ((U >> 8) & 0x00ff00ff) x
//! O = S1 + 2^16 S3,    A - 2^8 O = S0 + 2^16 S2
//! ```
//!
//! whatever wrapped on the way, where S are the sums of `u x`. Without their
//! offset, `128 * sum x` for every row, they are the sums of `w x`, and exact
//! if those fit 16 bits: always, if `largest |x| * sum |w| <= 32767` for every
//! row, and otherwise for [`fold_after`] entries, since `127 * sum |x| <= 32767`.
//! After so many they are added to 32-bit sums, which hold for
//! `2^14 columns * 127 * 2^7 < 2^29`.
//!
//! # What it takes
//!
//! A word of four rows and an entry: a load, two multiplications that
//! accumulate, an extraction. Per row and entry that is 1.0 cycle on
//! Cortex-M4 (`mla`, `uxtb16`), 1.5 on Cortex-M0+, 2.0 on a two-stage RV32,
//! beside the entry's own load and address, which sixteen rows share.

mod portable;
mod scan;

pub use portable::{add_group, add_panel};
pub use scan::{Row, scan};

/// Rows of a panel, and bytes of a column in it.
pub const HEIGHT: usize = 16;
/// Rows of a group, which share a word.
pub const GROUP: usize = 4;
/// Groups of a panel.
pub const GROUPS: usize = HEIGHT / GROUP;
/// Words of a column in a panel.
pub const WORDS: usize = HEIGHT / 4;

/// Bits of an entry below the byte offset of its column.
const DIGIT_BITS: u32 = 8;

/// Packs the entry of a column: its byte offset in a panel, and its digit.
#[must_use]
pub const fn entry(column: usize, digit: i8) -> u32 {
    ((column * HEIGHT) as u32) << DIGIT_BITS | digit as u8 as u32
}

/// Digit of an entry.
#[inline(always)]
#[must_use]
pub const fn digit(entry: u32) -> i32 {
    entry as i8 as i32
}

/// Byte offset of an entry's column.
#[inline(always)]
#[must_use]
pub const fn offset(entry: u32) -> u32 {
    entry >> DIGIT_BITS
}

/// Entries that may be added before a fold, for digits up to `largest` and
/// rows with `sum |w| <= row_sum`; `usize::MAX` if no fold is ever needed.
#[must_use]
pub const fn fold_after(largest: u32, row_sum: u32) -> usize {
    const LANE: u32 = i16::MAX as u32;
    let largest = if largest == 0 { 1 } else { largest };
    if largest.saturating_mul(row_sum) <= LANE {
        usize::MAX
    } else {
        // Two at least: digits are up to 128.
        (LANE / (127 * largest)) as usize
    }
}

/// Sums of the words of N groups, as the module's page has them.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<const N: usize> {
    /// A and O of every group.
    pub words: [[u32; 2]; N],
    /// Sum of the digits.
    pub digits: i32,
}

impl<const N: usize> Lanes<N> {
    /// Nothing added yet.
    #[inline(always)]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            words: [[0; 2]; N],
            digits: 0,
        }
    }

    /// Adds the sums to those of the rows, and starts again.
    #[inline(always)]
    pub fn fold(&mut self, rows: &mut [[i32; GROUP]; N]) {
        const OFFSET: u32 = 0x0080_0080;
        let offset = (self.digits as u32).wrapping_mul(OFFSET);
        for ([a, o], rows) in self.words.iter().zip(rows) {
            let even = a.wrapping_sub(o << 8).wrapping_sub(offset);
            let odd = o.wrapping_sub(offset);
            for (k, word) in [even, odd].into_iter().enumerate() {
                let low = word as i16;
                let high = (word.wrapping_sub(low as u32) >> 16) as i16;
                rows[k] = rows[k].wrapping_add(i32::from(low));
                rows[k + 2] = rows[k + 2].wrapping_add(i32::from(high));
            }
        }
        *self = Self::new();
    }
}

impl<const N: usize> Default for Lanes<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Entries of one input row under a window, and where their columns are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run<'e> {
    /// The entries.
    pub entries: &'e [u32],
    /// Added to their offsets, modulo 2^32: offsets count from the start of the
    /// input row, columns from the window's.
    pub base: u32,
}

/// Writes a row-major matrix as panels. `panels` has [`panel_words`] words.
pub fn encode(weights: &[i8], columns: usize, panels: &mut [u32]) {
    use zerocopy::IntoBytes;
    let bytes = panels.as_mut_bytes();
    bytes.fill(0x80);
    for (row, weights) in weights.chunks_exact(columns.max(1)).enumerate() {
        for (column, &weight) in weights.iter().enumerate() {
            if let Some(byte) = bytes.get_mut(place(row, column, columns)) {
                *byte = weight as u8 ^ 0x80;
            }
        }
    }
}

/// The weight of a row and column; 0 outside the panels.
#[must_use]
pub fn weight(panels: &[u32], row: usize, column: usize, columns: usize) -> i8 {
    let place = place(row, column, columns);
    let word = panels.get(place / 4).copied().unwrap_or(0x8080_8080);
    (word.to_le_bytes()[place % 4] ^ 0x80) as i8
}

const fn place(row: usize, column: usize, columns: usize) -> usize {
    (row / HEIGHT * columns + column) * HEIGHT + row % HEIGHT
}

/// Words of a matrix in panels.
#[must_use]
pub const fn panel_words(rows: usize, columns: usize) -> usize {
    rows.div_ceil(HEIGHT) * columns * WORDS
}
