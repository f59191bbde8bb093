//! A stored matrix, read weight by weight.

use super::encode::Nibble;
use super::{ImageWeights, Target, WeightBits};
#[cfg(not(feature = "tools"))]
use crate::kernels::{Kernels, Selected};

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
    pub(crate) bits: ImageWeights,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) panel_words: Option<&'a [u32]>,
    pub(crate) row_words: Option<&'a [u32]>,
}

impl<'a> Matrix<'a> {
    /// A matrix outside an image, of [`Target::panel_words`] and
    /// [`Target::row_words`] words; at least one of both copies.
    ///
    /// `None` where a copy is shorter, where there is neither, or where this
    /// build reads no such layout.
    #[must_use]
    pub fn from_words(
        target: Target,
        bits: WeightBits,
        rows: usize,
        columns: usize,
        panel_words: Option<&'a [u32]>,
        row_words: Option<&'a [u32]>,
    ) -> Option<Self> {
        let fits = |words: Option<&[u32]>, needed| words.is_none_or(|w| w.len() >= needed);
        let sound = (panel_words.is_some() || row_words.is_some())
            && fits(panel_words, target.panel_words(bits, rows, columns))
            && fits(row_words, target.row_words(bits, rows, columns));
        sound.then_some(Self {
            target: ImageTarget::new(target)?,
            bits: ImageWeights::new(bits)?,
            rows,
            columns,
            panel_words,
            row_words,
        })
    }

    /// The target the matrix is laid out for.
    #[inline(always)]
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target.get()
    }

    /// Bits of a stored weight.
    #[inline(always)]
    #[must_use]
    pub const fn bits(&self) -> WeightBits {
        self.bits.get()
    }

    /// Columns of a stored row: [`Target::row_columns`].
    #[inline(always)]
    #[must_use]
    pub const fn row_columns(&self) -> usize {
        self.target().row_columns(self.bits(), self.columns)
    }

    /// Rows of a panel: [`Target::panel_rows`].
    #[inline(always)]
    #[must_use]
    pub const fn panel_rows(&self) -> usize {
        self.target().panel_rows(self.bits())
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
        let index = row * self.row_columns() + column;
        let words = self.row_words.unwrap_or(&[]);
        match self.bits() {
            WeightBits::Eight => {
                (words.get(index / 4)).map_or(0, |&w| self.target().decode_row_word(w)[index % 4])
            }
            WeightBits::Four => Nibble::of_row(self.target(), index).read(words),
        }
    }

    pub(crate) fn panel_weight(&self, row: usize, column: usize) -> i8 {
        let words = self.panel_words.unwrap_or(&[]);
        match self.bits() {
            WeightBits::Eight => {
                let index = self.target().panel_index(row, column, self.columns);
                words.get(index / 4).map_or(0, |w| {
                    self.target().encode_byte(w.to_le_bytes()[index % 4] as i8) as i8
                })
            }
            WeightBits::Four => {
                Nibble::of_panel(self.target(), row, column, self.columns).read(words)
            }
        }
    }

    /// Checks every stored number: no weight is -128 or, of 4 bits, -8, padding is zero, both
    /// copies agree. `each` is told every row and its `sum |w|`; the largest
    /// of them is returned, `None` if something is wrong.
    pub(crate) fn validate(&self, mut each: impl FnMut(usize, u32)) -> Option<u32> {
        let mut largest = 0;
        for row in 0..self.rows.next_multiple_of(self.panel_rows()) {
            let mut sum = 0;
            for column in 0..self.row_columns() {
                let inside = row < self.rows && column < self.columns;
                let w = if row < self.rows && self.has_rows() {
                    self.row_weight(row, column)
                } else {
                    self.weight(row, column)
                };
                let panel_agrees = !self.has_panels()
                    || column >= self.columns
                    || self.panel_weight(row, column) == if inside { w } else { 0 };
                if u32::from(w.unsigned_abs()) > self.bits().max()
                    || (!inside && w != 0)
                    || !panel_agrees
                {
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
