//! What the lists of a convolution depend on.

use super::Form;
use super::patch::Start;
use crate::arena::words_of;
use crate::layers::{View, Window};
use crate::quant::Split;

/// Most codes of a row of a map: twice the number of a column must fit 16 bits.
const MOST_CODES: usize = 1 << 15;

/// What the lists of a convolution depend on.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// The channels that are read.
    pub input: View,
    /// The window.
    pub window: Window,
    /// The split of the codes.
    pub split: Split,
    /// Largest `sum |w|` of a row of the matrix.
    pub row_sum: u32,
    /// How far digits of one sign, none beyond 1, take the sum of a row from 0:
    /// the sum of its weights of one sign, or a larger number. Where digits have
    /// both signs, [`Self::row_sum`].
    pub reach: u32,
    /// Bytes of a column in a panel, a power of two.
    pub height: usize,
}

impl Geometry {
    /// The form of the prediction lists.
    #[must_use]
    pub const fn form(&self) -> Form {
        Form::of(self.split, self.row_sum)
    }

    /// Columns of the matrix: `k k C`.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.window.kernel * self.window.kernel * self.input.channels
    }

    /// Most entries that a list of one row may have.
    pub(super) const fn capacity(&self) -> usize {
        self.input.shape.width * self.input.channels
    }

    /// Lists of one row: the prediction's, then the update's.
    pub(super) const fn lists(&self) -> usize {
        self.form().lists() + 1
    }

    /// Words of an index: where each pixel's entries begin, and the end of the
    /// last.
    pub(super) const fn index(&self) -> usize {
        self.input.shape.width + 1
    }

    /// Lists of the rows under a window.
    pub(super) const fn all_lists(&self) -> usize {
        self.window.kernel * self.lists()
    }

    /// Words of all entries.
    pub(super) const fn entries(&self) -> usize {
        self.all_lists() * self.capacity()
    }

    /// Words of entries and indices, one index more for rows outside the map.
    pub(super) const fn store(&self) -> usize {
        self.entries() + (self.all_lists() + 1) * self.index()
    }

    /// Bytes of a row of the window in a panel.
    pub(super) const fn row_bytes(&self) -> usize {
        self.window.kernel * self.input.channels * self.height
    }

    /// Whether offsets and numbers of entries fit their types: rows of at most
    /// 32767 codes, and panels below 2^23 bytes.
    #[must_use]
    pub fn fits(&self) -> bool {
        let kernel = self.window.kernel;
        let columns = (kernel.checked_mul(kernel)).and_then(|n| n.checked_mul(self.input.channels));
        let codes = self.input.shape.width.checked_mul(self.input.channels);
        let below = |n: Option<usize>, limit: usize| n.is_some_and(|n| n < limit);
        below(codes, MOST_CODES)
            && below(columns, 1 << 16)
            && self.height <= 64
            && self.height.is_power_of_two()
            && self.window.stride > 0
            && kernel > 0
            && below(
                (self.all_lists() + 1).checked_mul(self.capacity() + self.index()),
                1 << 29,
            )
    }

    /// Words of scratch that [`super::RowLists::take`] takes.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.store() + words_of::<Start>(self.all_lists()) + self.window.kernel
    }
}
