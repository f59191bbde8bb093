//! How weights lie in memory: one arrangement per family of cores.
//!
//! A matrix of R rows and K columns is kept as **rows**, for dot products,
//! and, where the prediction pass applies single columns, as **panels**:
//! groups of [`Target::panel`] rows, column after column, so that one changed
//! digit touches consecutive bytes. Both hold the same numbers; what differs
//! between families is their order and encoding, chosen so that the inner
//! loop needs no instruction to rearrange them:
//!
//! | target | cores | panel byte | row |
//! |---|---|---|---|
//! | [`Target::Swar`] | any; Cortex-M0/M0+/M3, RV32 | `w + 128` | `w + 128`, padded to 8 columns |
//! | [`Target::Dsp`] | Cortex-M4/M7, Cortex-M33 with DSP | `w`, rows 0, 2, 1, 3 of each four | pairs `w0 + 256 * w1`, padded to 8 |
//! | [`Target::Simd`] | x86-64, aarch64 | `w + 128`, rows 0, 16, 1, 17, ... of each 32 | `w + 128`, padded to 32 |
//!
//! The exporter writes through the same functions that the loader reads with.

#[cfg(not(feature = "tools"))]
use crate::kernels::{Kernels, Selected};

/// The family of cores an image's weights are laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u16)]
pub enum Target {
    /// Any core; four weights share a 32-bit register.
    Swar = 0,
    /// Armv7E-M and Armv8-M with the DSP extension: two 16-bit lanes.
    Dsp = 1,
    /// 64-bit hosts with vector registers.
    Simd = 2,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 3] = [Self::Swar, Self::Dsp, Self::Simd];

    /// The target of an image's tag.
    #[must_use]
    pub const fn from_tag(tag: u16) -> Option<Self> {
        match tag {
            0 => Some(Self::Swar),
            1 => Some(Self::Dsp),
            2 => Some(Self::Simd),
            _ => None,
        }
    }

    /// Name, as `pg-host` takes and prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swar => "swar",
            Self::Dsp => "dsp",
            Self::Simd => "simd",
        }
    }

    /// The target of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Rows of a panel.
    #[must_use]
    pub const fn panel(self) -> usize {
        match self {
            Self::Swar | Self::Dsp => 16,
            Self::Simd => 64,
        }
    }

    /// Columns of a stored row: `columns` rounded up, the rest zero weights.
    #[must_use]
    pub const fn row_columns(self, columns: usize) -> usize {
        match self {
            Self::Swar | Self::Dsp => columns.next_multiple_of(8),
            Self::Simd => columns.next_multiple_of(32),
        }
    }

    /// Largest magnitude of a digit in a plane ([`crate::kernels::Plane`]).
    #[must_use]
    pub const fn plane_max(self) -> u32 {
        match self {
            Self::Swar => 32,
            Self::Dsp | Self::Simd => 128,
        }
    }

    /// Words of a plane of `columns` digits, `columns` being a result of
    /// [`Self::row_columns`].
    #[must_use]
    pub const fn plane_words(self, columns: usize) -> usize {
        match self {
            // Two words for four digits, and one a chunk of at least eight.
            Self::Swar => columns / 2 + columns.div_ceil(8),
            Self::Dsp => columns / 2,
            // Two halves of the digits, and a vector for each before every
            // 512 columns; whole digits with one before every 64 need less.
            Self::Simd => columns / 2 + 16 * columns.div_ceil(512),
        }
    }

    /// What a changed column costs over what a column costs in a dense pass
    /// over all rows, in sixteenths. With more than `16 * columns /
    /// entry_cost` entries in the lists of changes, the dense pass is cheaper.
    #[must_use]
    pub const fn entry_cost(self) -> usize {
        match self {
            Self::Swar => 11,
            Self::Dsp => 12,
            Self::Simd => 14,
        }
    }

    /// What weights start at a multiple of, in bytes from the start of the
    /// image: a vector, or a line of the cache, is then not split in two where
    /// the image itself starts at such a multiple.
    #[must_use]
    pub const fn alignment(self) -> usize {
        match self {
            Self::Swar | Self::Dsp => 16,
            Self::Simd => 64,
        }
    }

    /// Words of a matrix kept as rows.
    #[must_use]
    pub const fn row_words(self, rows: usize, columns: usize) -> usize {
        rows * self.row_columns(columns) / 4
    }

    /// Words of a matrix kept as panels.
    #[must_use]
    pub const fn panel_words(self, rows: usize, columns: usize) -> usize {
        rows.next_multiple_of(self.panel()) * columns / 4
    }

    /// Byte of a panel that holds a weight.
    const fn panel_index(self, row: usize, column: usize, columns: usize) -> usize {
        let height = self.panel();
        let (panel, lane) = (row / height, row % height);
        let lane = match self {
            // Bits 0 and 1 exchanged.
            Self::Dsp => (lane & !3) | ((lane & 1) << 1) | ((lane >> 1) & 1),
            // Rows j and j + 16 share a 16-bit lane: the sums of the lower and
            // of the upper bytes are then rows in their natural order.
            Self::Simd => (lane & !31) | ((lane & 15) << 1) | ((lane >> 4) & 1),
            Self::Swar => lane,
        };
        (panel * columns + column) * height + lane
    }

    const fn encode_byte(self, weight: i8) -> u8 {
        match self {
            Self::Swar | Self::Simd => (weight as u8) ^ 0x80,
            Self::Dsp => weight as u8,
        }
    }

    /// Four weights of a row as its stored word.
    #[must_use]
    pub const fn encode_row_word(self, weights: [i8; 4]) -> u32 {
        match self {
            Self::Swar | Self::Simd => {
                u32::from_le_bytes([
                    weights[0] as u8,
                    weights[1] as u8,
                    weights[2] as u8,
                    weights[3] as u8,
                ]) ^ 0x8080_8080
            }
            Self::Dsp => {
                let low = (weights[0] as i32 + 256 * weights[1] as i32) as u16;
                let high = (weights[2] as i32 + 256 * weights[3] as i32) as u16;
                low as u32 | ((high as u32) << 16)
            }
        }
    }

    /// The four weights of a stored word of a row.
    #[must_use]
    pub const fn decode_row_word(self, word: u32) -> [i8; 4] {
        let word = match self {
            Self::Swar | Self::Simd => word ^ 0x8080_8080,
            // The odd weights were lowered by the sign of the even ones.
            Self::Dsp => {
                let low = (word as u16).wrapping_add(((word as u16) & 0x80) << 1);
                let high = (word >> 16) as u16;
                let high = high.wrapping_add((high & 0x80) << 1);
                low as u32 | ((high as u32) << 16)
            }
        };
        let b = word.to_le_bytes();
        [b[0] as i8, b[1] as i8, b[2] as i8, b[3] as i8]
    }

    /// Stores a row-major matrix as rows. `words` has [`Self::row_words`]
    /// words; rows or words too many are left alone.
    pub fn encode_rows(self, weights: &[i8], columns: usize, words: &mut [u32]) {
        let stored = self.row_columns(columns) / 4;
        let rows = weights.chunks_exact(columns.max(1));
        for (row, out) in rows.zip(words.chunks_exact_mut(stored.max(1))) {
            for (index, word) in out.iter_mut().enumerate() {
                let at = |k: usize| row.get(4 * index + k).copied().unwrap_or(0);
                *word = self.encode_row_word([at(0), at(1), at(2), at(3)]);
            }
        }
    }

    /// Stores a row-major matrix as panels. `bytes` has four times
    /// [`Self::panel_words`] bytes; what does not fit is left out.
    pub fn encode_panels(self, weights: &[i8], columns: usize, bytes: &mut [u8]) {
        bytes.fill(self.encode_byte(0));
        for (row, weights) in weights.chunks_exact(columns.max(1)).enumerate() {
            for (column, &weight) in weights.iter().enumerate() {
                if let Some(byte) = bytes.get_mut(self.panel_index(row, column, columns)) {
                    *byte = self.encode_byte(weight);
                }
            }
        }
    }
}

/// The target of a loaded image.
///
/// A device loads images of its own target only, and the compiler knows it:
/// nothing of the other layouts stays in its flash. Host tools read them all
/// (feature `tools`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageTarget {
    #[cfg(feature = "tools")]
    target: Target,
}

impl ImageTarget {
    /// `None` where this build cannot read the target's layout.
    #[cfg(feature = "tools")]
    pub const fn new(target: Target) -> Option<Self> {
        Some(Self { target })
    }

    /// `None` where this build cannot read the target's layout.
    #[cfg(not(feature = "tools"))]
    pub const fn new(target: Target) -> Option<Self> {
        if target as u16 == Selected::TARGET as u16 {
            Some(Self {})
        } else {
            None
        }
    }

    #[cfg(feature = "tools")]
    #[inline(always)]
    pub const fn get(self) -> Target {
        self.target
    }

    #[cfg(not(feature = "tools"))]
    #[inline(always)]
    pub const fn get(self) -> Target {
        Selected::TARGET
    }
}

/// A matrix as stored in an image, readable weight by weight.
///
/// Reading is slow; kernels take the words as they are.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(crate) target: ImageTarget,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) panel_words: Option<&'a [u32]>,
    pub(crate) row_words: Option<&'a [u32]>,
}

impl<'a> Matrix<'a> {
    /// The target the matrix is laid out for.
    #[inline(always)]
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target.get()
    }

    /// Rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the matrix is kept as panels.
    #[must_use]
    pub const fn has_panels(&self) -> bool {
        self.panel_words.is_some()
    }

    /// Whether the matrix is kept as rows.
    #[must_use]
    pub const fn has_rows(&self) -> bool {
        self.row_words.is_some()
    }

    /// Bytes in the image, all copies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = |w: Option<&[u32]>| w.map_or(0, |w| w.len());
        4 * (words(self.panel_words) + words(self.row_words))
    }

    /// Weight of `row` and `column`; zero outside the matrix.
    #[must_use]
    pub fn weight(&self, row: usize, column: usize) -> i8 {
        if row >= self.rows || column >= self.columns {
            return 0;
        }
        match self.row_words {
            Some(_) => self.row_weight(row, column),
            None => self.panel_weight(row, column),
        }
    }

    pub(crate) fn row_weight(&self, row: usize, column: usize) -> i8 {
        let stored = self.target().row_columns(self.columns) / 4;
        let word = (self.row_words)
            .and_then(|w| w.get(row * stored + column / 4))
            .copied();
        word.map_or(0, |w| self.target().decode_row_word(w)[column % 4])
    }

    pub(crate) fn panel_weight(&self, row: usize, column: usize) -> i8 {
        let index = self.target().panel_index(row, column, self.columns);
        let word = self.panel_words.and_then(|w| w.get(index / 4)).copied();
        word.map_or(0, |w| {
            self.target().encode_byte(w.to_le_bytes()[index % 4] as i8) as i8
        })
    }

    /// Checks every stored number: no weight is -128, padding is zero, both
    /// copies agree. `each` is told every row and its `sum |w|`; the largest
    /// of them is returned, `None` if something is wrong.
    pub(crate) fn validate(&self, mut each: impl FnMut(usize, u32)) -> Option<u32> {
        let mut largest = 0;
        for row in 0..self.rows.next_multiple_of(self.target().panel()) {
            let mut sum = 0;
            for column in 0..self.target().row_columns(self.columns) {
                let inside = row < self.rows && column < self.columns;
                let w = if row < self.rows && self.has_rows() {
                    self.row_weight(row, column)
                } else {
                    self.weight(row, column)
                };
                let panel_agrees = !self.has_panels()
                    || column >= self.columns
                    || self.panel_weight(row, column) == if inside { w } else { 0 };
                if w == i8::MIN || (!inside && w != 0) || !panel_agrees {
                    return None;
                }
                sum += u32::from(w.unsigned_abs());
            }
            each(row, sum);
            largest = largest.max(sum);
        }
        Some(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn every_pair_of_weights_survives_the_row_encoding() {
        for target in Target::ALL {
            for a in -127..=127i8 {
                for b in [-127, -1, 0, 1, 127] {
                    for w in [[a, b, 0, 0], [b, a, a, b], [0, 0, a, b], [a, a, a, a]] {
                        assert_eq!(target.decode_row_word(target.encode_row_word(w)), w);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn matrices_read_back(
            (rows, columns, weights) in (1usize..70, 1usize..30).prop_flat_map(|(r, c)| {
                (Just(r), Just(c), proptest::collection::vec(-127i8..=127, r * c))
            })
        ) {
            use zerocopy::IntoBytes;
            for target in Target::ALL {
                let Some(stored) = ImageTarget::new(target) else { continue };
                let mut row_words = vec![0; target.row_words(rows, columns)];
                let mut panel_words = vec![0u32; target.panel_words(rows, columns)];
                target.encode_rows(&weights, columns, &mut row_words);
                target.encode_panels(&weights, columns, panel_words.as_mut_bytes());
                let m = Matrix {
                    target: stored,
                    rows,
                    columns,
                    panel_words: Some(&panel_words),
                    row_words: Some(&row_words),
                };
                for (index, &w) in weights.iter().enumerate() {
                    prop_assert_eq!(m.row_weight(index / columns, index % columns), w);
                    prop_assert_eq!(m.panel_weight(index / columns, index % columns), w);
                }
                let sums = weights.chunks_exact(columns);
                let largest = sums.map(|r| r.iter().map(|w| u32::from(w.unsigned_abs())).sum()).max();
                prop_assert_eq!(m.validate(|_, _| ()), largest);
            }
        }
    }
}
