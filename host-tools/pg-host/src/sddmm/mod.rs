//! Sampled dense-dense matrix multiplication: the update pass of a layer,
//! computed only where its gates are open.
//!
//! `out[m][n] += dot(weights[m], patch[n])` for every open output of the mask, as the
//! published training kernel does on a GPU (Zhang et al., ICLR 2020, section
//! 4.4); here on x86-64, of digits (`u8` by `i8`, as the update pass of a quantised
//! layer has them) or in single precision. With a share Sp of the gates closed it
//! has (1 - Sp) of the work of a dense product, and what it can gain at best is
//! 1 / (1 - Sp).
//!
//! # How
//!
//! A mask has no blocks that registers could be filled with in both
//! directions, so one operand is shared: eight open outputs of a row take each
//! vector of its weights from a register. That is nine loads for eight
//! multiplications, of either of which the processor does two a cycle: at most 89 %
//! of what it can multiply in single precision, where a library reaches 90. What an
//! output costs beside is the same for patches of every length, so that it weighs
//! most with 16 channels: its column, where its patch starts, its share of the sums
//! over the lanes, and the output read and written. Weights of 3 x 3 pixels of 16
//! digits stay in registers altogether.
//!
//! Columns of a convolution are not gathered: a patch is as many runs of
//! consecutive numbers as the kernel has rows, in a map with its padding, and
//! patches overlap in the cache. [`Patches`] describes both cases.
//!
//! Columns of the mask are taken tile by tile, so that the patches of a tile stay in
//! the cache while all rows pass over them. Where few gates are open, a row has few
//! outputs in a tile to share its weights: there digits gain most, of which a tile
//! holds four times as many. With larger batches and few open gates the outputs are
//! the limit, nearly all of whose cache lines are then moved for one number each.

mod element;
mod error;
mod mask;
mod operands;
mod parallel;
mod patches;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use element::Element;
pub use error::SddmmError;
pub use mask::Mask;
pub use operands::Operands;
pub use parallel::sddmm_parallel;
pub use patches::{Patches, Plan};

/// `out[m][n] += dot(weights[m], patch[n])` where the mask is open; `out` is of
/// the mask's shape, row after row. On one thread. Sums of digits are exact modulo
/// 2^32; those in single precision are rounded in an order that depends on the mask.
///
/// # Errors
///
/// If operands, mask and output do not have the sizes of each other.
pub fn sddmm<E: Element>(
    operands: &Operands<'_, E>,
    mask: &Mask,
    out: &mut [E::Sum],
) -> Result<(), SddmmError> {
    check(operands, mask, out.len())?;
    let columns = mask.shape()[1];
    for first in (0..columns).step_by(operands.tile) {
        let part = first..columns.min(first + operands.tile);
        let rows = (out.chunks_exact_mut(columns)).map(|row| &mut row[part.clone()]);
        E::tile(operands, mask, part.clone(), 0, rows);
    }
    Ok(())
}

fn check<E: Element>(
    operands: &Operands<'_, E>,
    mask: &Mask,
    given: usize,
) -> Result<(), SddmmError> {
    let (operands, mask) = (operands.shape(), mask.shape());
    if operands != mask {
        return Err(SddmmError::Mask { operands, mask });
    }
    let [rows, columns] = mask;
    if given != rows * columns {
        return Err(SddmmError::Output {
            given,
            rows,
            columns,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
