//! Which outputs are computed.

use std::ops::Range;

/// Columns of a block, whose place in the list is known.
pub(super) const BLOCK: usize = 64;

/// Which outputs are computed: for each row the open columns, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    rows: usize,
    columns: usize,
    /// The open columns, row after row.
    open: Vec<u32>,
    /// Where each block of columns ends in `open`, row after row.
    ends: Vec<usize>,
}

impl Mask {
    /// A mask by a function of row and column; at most 2^32 columns.
    #[must_use]
    pub fn new(rows: usize, columns: usize, mut open: impl FnMut(usize, usize) -> bool) -> Self {
        let mut mask = Self {
            rows,
            columns,
            open: Vec::new(),
            ends: Vec::with_capacity(rows * columns.div_ceil(BLOCK)),
        };
        for row in 0..rows {
            for first in (0..columns).step_by(BLOCK) {
                let block = first..columns.min(first + BLOCK);
                let listed = block.filter(|&column| open(row, column));
                mask.open.extend(listed.map(|column| column as u32));
                mask.ends.push(mask.open.len());
            }
        }
        mask
    }

    /// Rows and columns.
    #[must_use]
    pub const fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Number of open outputs.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The open columns of a row in a range that starts at a block and ends at one,
    /// or at the last column.
    #[inline]
    pub(super) fn listed(&self, row: usize, columns: &Range<usize>) -> &[u32] {
        let before = row * self.columns.div_ceil(BLOCK);
        let end = |block: usize| match before + block {
            0 => 0,
            blocks => self.ends[blocks - 1],
        };
        &self.open[end(columns.start / BLOCK)..end(columns.end.div_ceil(BLOCK))]
    }
}
