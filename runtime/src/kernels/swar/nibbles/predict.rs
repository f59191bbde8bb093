//! The prediction pass: batches of columns.
#![allow(unsafe_code)]

use crate::kernels::Changes;
use crate::kernels::batch::Batch;
use crate::kernels::swar::isa::nibbles::apply;
use crate::layout::Target;

/// Bytes of a column in a panel.
const HEIGHT: usize = Target::Swar.panel();
/// Words of a column in a panel, of eight rows each.
const WORDS: usize = HEIGHT / 4;
/// Words of the accumulators of a panel.
pub const ACCUMULATORS: usize = HEIGHT;

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], panels: &[u32], columns: usize, changes: &Changes<'_>) {
    let Some(mut lists) = changes.checked(columns, HEIGHT) else {
        return;
    };
    let stride = columns * WORDS;
    let (groups, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    if groups.is_empty() || panels.len() < groups.len() * stride {
        return;
    }
    while let Some(batch) = Batch::take(&mut lists) {
        // SAFETY: there are as many panels as accumulators, one or more, and
        // every entry was found to be the offset of a column.
        unsafe { apply(groups, panels.as_ptr(), stride, batch) };
    }
}
