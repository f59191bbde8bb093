//! The prediction pass of [`super::Dsp`]: lists are applied in batches.
#![allow(unsafe_code)]

use super::inner;
use crate::kernels::Changes;
use crate::layout::Target;

/// Bytes of a column in a panel.
const HEIGHT: usize = Target::Dsp.panel();
/// Words of a column in a panel.
const WORDS: usize = HEIGHT / 4;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;

/// Entries of each list that one walk over the panels applies.
pub const BATCH: usize = 20;

/// Entries of one sign, with their number.
#[repr(C)]
pub struct Entries {
    /// Byte offsets of columns, `count` of them.
    pub offsets: [u32; BATCH],
    /// How many there are.
    pub count: usize,
    /// The last of them.
    pub last: u32,
}

/// What one walk over the panels applies.
#[repr(C)]
pub struct Batch {
    /// Columns to subtract.
    pub minus: Entries,
    /// Columns to add.
    pub plus: Entries,
}

impl Entries {
    const NONE: Self = Self {
        offsets: [0; BATCH],
        count: 0,
        last: 0,
    };

    /// Takes up to [`BATCH`] entries from the front of a list; false if one
    /// of them is no column of a panel whose last column is at `limit`.
    #[inline(always)]
    fn take(&mut self, list: &mut &[u32], limit: u32) -> bool {
        let (now, later) = list.split_at_checked(BATCH).unwrap_or((*list, &[]));
        *list = later;
        self.count = now.len();
        let (mut seen, mut over) = (0, 0);
        for (slot, &entry) in self.offsets.iter_mut().zip(now) {
            *slot = entry;
            self.last = entry;
            seen |= entry;
            over |= limit.wrapping_sub(entry);
        }
        // Below 2^31 both, the difference is negative where one is too large.
        (seen | over) >> 31 == 0 && (seen as usize).is_multiple_of(HEIGHT)
    }
}

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let mut plus = Changes::entries(changes.plus);
    let mut minus = Changes::entries(changes.minus);
    let stride = columns * WORDS;
    let Some(count) = panels.len().checked_div(stride) else {
        return;
    };
    let count = count.min(accumulators.len() / ACCUMULATORS);
    let accumulators = accumulators
        .get_mut(..count * ACCUMULATORS)
        .unwrap_or(&mut []);
    if accumulators.is_empty() {
        return;
    }
    let limit = ((columns - 1) * HEIGHT) as u32;
    let mut batch = Batch {
        minus: Entries::NONE,
        plus: Entries::NONE,
    };
    while !(plus.is_empty() && minus.is_empty()) {
        if !batch.minus.take(&mut minus, limit) || !batch.plus.take(&mut plus, limit) {
            return;
        }
        // SAFETY: there are as many panels of `stride` words as the
        // accumulators are for, one or more, and every entry was found to be
        // the offset of a column of them.
        unsafe { inner::apply(accumulators, panels, stride, &batch) };
    }
}
