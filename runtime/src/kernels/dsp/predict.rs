//! The prediction pass of [`super::Dsp`]: lists are applied in batches.
#![allow(unsafe_code)]

use super::inner::{self, BATCH};
use crate::kernels::Changes;
use crate::layout::Target;

/// Bytes of a column in a panel.
const HEIGHT: usize = Target::Dsp.panel();
/// Words of a column in a panel.
const WORDS: usize = HEIGHT / 4;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let Some([mut plus, mut minus]) = changes.checked(columns, HEIGHT) else {
        return;
    };
    let stride = columns * WORDS;
    let Some(count) = panels.len().checked_div(stride) else {
        return;
    };
    let count = count.min(accumulators.len() / ACCUMULATORS);
    let Some(accumulators) = accumulators.get_mut(..count * ACCUMULATORS) else {
        return;
    };
    if accumulators.is_empty() {
        return;
    }
    while !(plus.is_empty() && minus.is_empty()) {
        let (minus, plus) = (batch(&mut minus), batch(&mut plus));
        // SAFETY: there are as many panels as the accumulators are for, one or
        // more, and every entry was found to be the offset of a column.
        unsafe { inner::apply(accumulators, panels, stride, minus, plus) };
    }
}

/// Takes the front of a list.
fn batch<'l>(list: &mut &'l [u32]) -> &'l [u32] {
    let (now, later) = list.split_at_checked(BATCH).unwrap_or((*list, &[]));
    *list = later;
    now
}
