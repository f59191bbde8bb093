//! The product on all threads.

use super::mask::BLOCK;
use super::{Element, Mask, Operands, SddmmError, check, sddmm};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of weights by bytes of inputs, so many that a second thread saves more than
/// the time to wake it: some 25 microseconds on one thread.
const WORTH: usize = 3 << 19;

/// Some rows of the mask from the first on, and some of its columns.
struct Part<'o, S> {
    row: usize,
    columns: Range<usize>,
    out: Vec<&'o mut [S]>,
}

/// [`sddmm`] on all threads of the pool it is called in; on this one alone where too
/// few gates are open to gain from others.
///
/// # Errors
///
/// As [`sddmm`].
pub fn sddmm_parallel<E: Element>(
    operands: &Operands<'_, E>,
    mask: &Mask,
    out: &mut [E::Sum],
) -> Result<(), SddmmError> {
    let work = (mask.open()).saturating_mul(operands.plan.patches.columns());
    if work.saturating_mul(size_of::<E>().min(2)) < WORTH {
        return sddmm(operands, mask, out);
    }
    in_parts(operands, mask, out)
}

/// In parts that threads take, at least four for each where the mask has as many.
pub(super) fn in_parts<E: Element>(
    operands: &Operands<'_, E>,
    mask: &Mask,
    out: &mut [E::Sum],
) -> Result<(), SddmmError> {
    check(operands, mask, out.len())?;
    let [rows, columns] = mask.shape();
    if rows == 0 || columns == 0 {
        return Ok(());
    }
    let wanted = 4 * rayon::current_num_threads();
    // Tiles if there are enough; else some rows of each.
    let tiles = columns.div_ceil(operands.tile);
    let width = operands.tile * (tiles / wanted).max(1);
    let height = rows.div_ceil(wanted.div_ceil(tiles.min(wanted)));
    debug_assert!(width.is_multiple_of(BLOCK));
    let mut parts = Vec::with_capacity(2 * wanted);
    for (row, out) in out.chunks_mut(height * columns).enumerate() {
        let mut group: Vec<Part<'_, E::Sum>> = (0..columns)
            .step_by(width)
            .map(|first| Part {
                row: row * height,
                columns: first..columns.min(first + width),
                out: Vec::with_capacity(height),
            })
            .collect();
        for out in out.chunks_exact_mut(columns) {
            for (part, out) in group.iter_mut().zip(out.chunks_mut(width)) {
                part.out.push(out);
            }
        }
        parts.append(&mut group);
    }
    parts.into_par_iter().for_each(|mut part| {
        let Range { start, end } = part.columns;
        for first in (start..end).step_by(operands.tile) {
            let tile = first..end.min(first + operands.tile);
            let columns = first - start..tile.end - start;
            let out = (part.out.iter_mut()).map(|out| &mut out[columns.clone()]);
            E::tile(operands, mask, tile, part.row, out);
        }
    });
    Ok(())
}
