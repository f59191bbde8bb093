//! Sampled dense-dense matrix multiplication: the update pass of a layer,
//! computed only where the mask of its gates is set.
//!
//! `out[m][n] += dot(w[m], x[n])` for every set bit of the mask, as the
//! published training kernel does on a GPU (Zhang et al., ICLR 2020, section
//! 4.4); here in single precision on x86-64. With a share Sp of the gates closed
//! it has (1 - Sp) of the work of a dense product, and what it can gain at best
//! is 1 / (1 - Sp).
//!
//! # How
//!
//! A mask has no blocks that registers could be filled with in both
//! directions, so one operand is shared: up to [`TOGETHER`] open outputs of the
//! same row m take each vector of `w[m]` from a register. That is nine loads for
//! eight multiplications; with two loads and two multiplications a cycle the
//! limit is 89 % of what the processor can multiply. The sum over the lanes
//! comes to a fifth more at 144 columns, to a twentieth at 576.
//!
//! Columns of a convolution are not gathered: a patch is as many runs of
//! consecutive numbers as the kernel has rows, in a map with its padding, and
//! patches overlap in the cache. [`Patches`] describes both cases.
//!
//! Columns of the mask are taken tile by tile ([`Plan`]), so that the patches of
//! a tile stay in the cache while all rows pass over them.

mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use rayon::prelude::*;
use thiserror::Error;

/// Outputs that share a row of weights.
pub const TOGETHER: usize = 8;
/// Bytes of patches in a tile.
const TILE_BYTES: usize = 24 << 10;

/// Why operands were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SddmmError {
    /// The weights are not rows of as many numbers as a patch has.
    #[error("{given} weights are not {rows} rows of {columns}")]
    Weights {
        /// Numbers given.
        given: usize,
        /// Rows of the output.
        rows: usize,
        /// Numbers of a patch.
        columns: usize,
    },
    /// The plan is for another number of patches.
    #[error("a plan of {planned} patches for a mask of {columns} columns")]
    Plan {
        /// Patches of the plan.
        planned: usize,
        /// Columns of the mask.
        columns: usize,
    },
    /// The numbers end before the last patch does.
    #[error("the patches need {needed} numbers, {given} were given")]
    Patches {
        /// Numbers needed.
        needed: usize,
        /// Numbers given.
        given: usize,
    },
    /// The output and the mask are not of the same size.
    #[error("{given} outputs for a mask of {rows} x {columns}")]
    Output {
        /// Numbers given.
        given: usize,
        /// Rows of the mask.
        rows: usize,
        /// Columns of the mask.
        columns: usize,
    },
}

/// Which outputs are computed: a bit for each, row after row, every row from a
/// new word on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    rows: usize,
    columns: usize,
    words: Vec<u64>,
}

impl Mask {
    /// A mask by a function of row and column.
    #[must_use]
    pub fn new(rows: usize, columns: usize, mut open: impl FnMut(usize, usize) -> bool) -> Self {
        let per_row = columns.div_ceil(64);
        let mut words = vec![0; rows * per_row];
        for row in 0..rows {
            for column in 0..columns {
                if open(row, column) {
                    words[row * per_row + column / 64] |= 1 << (column % 64);
                }
            }
        }
        Self {
            rows,
            columns,
            words,
        }
    }

    /// Rows and columns.
    #[must_use]
    pub const fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Number of set bits.
    #[must_use]
    pub fn open(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Calls `each` with the set columns of a row from `first` to `end`.
    #[inline]
    fn columns_of(&self, row: usize, first: usize, end: usize, mut each: impl FnMut(usize)) {
        let per_row = self.columns.div_ceil(64);
        let words = &self.words[row * per_row..][..per_row];
        for (index, &word) in words
            .iter()
            .enumerate()
            .take(end.div_ceil(64))
            .skip(first / 64)
        {
            let start = 64 * index;
            let mut word = word;
            if start < first {
                word &= u64::MAX << (first - start);
            }
            if end - start < 64 {
                word &= !(u64::MAX << (end - start));
            }
            while word != 0 {
                each(start + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
    }
}

/// Where the operands of the columns of a mask lie: `runs` runs of `length`
/// consecutive numbers, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Runs of a patch.
    pub runs: usize,
    /// Numbers of a run.
    pub length: usize,
    /// From run to run.
    pub stride: usize,
    /// Patches of a line, `step` apart.
    pub line: usize,
    /// From patch to patch.
    pub step: usize,
    /// From line to line.
    pub line_stride: usize,
    /// Lines of an image.
    pub lines: usize,
    /// From image to image.
    pub image_stride: usize,
}

impl Patches {
    /// The rows of a matrix of `columns` columns.
    #[must_use]
    pub const fn matrix(columns: usize) -> Self {
        Self {
            runs: 1,
            length: columns,
            stride: 0,
            line: usize::MAX,
            step: columns,
            line_stride: 0,
            lines: 1,
            image_stride: 0,
        }
    }

    /// The patches of a convolution over images of `height` x `width` pixels of
    /// `channels` numbers, padding included, one image after the other: `kernel`
    /// x `kernel` pixels, `stride` apart, pixel after pixel, line after line. The
    /// kernel is no larger than an image.
    #[must_use]
    pub const fn convolution(
        [height, width, channels]: [usize; 3],
        kernel: usize,
        stride: usize,
    ) -> Self {
        Self {
            runs: kernel,
            length: kernel * channels,
            stride: width * channels,
            line: (width - kernel) / stride + 1,
            step: stride * channels,
            line_stride: stride * width * channels,
            lines: (height - kernel) / stride + 1,
            image_stride: height * width * channels,
        }
    }

    /// Numbers of a patch.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.runs * self.length
    }

    /// Where patch `n` starts.
    #[inline(always)]
    const fn start(&self, n: usize) -> usize {
        let (line, place) = (n / self.line, n % self.line);
        let (image, line) = (line / self.lines, line % self.lines);
        image * self.image_stride + line * self.line_stride + place * self.step
    }

    /// Numbers that `count` patches need.
    const fn needed(&self, count: usize) -> usize {
        match count.checked_sub(1) {
            Some(last) => self.start(last) + (self.runs - 1) * self.stride + self.length,
            None => 0,
        }
    }
}

/// Where every patch starts, and how many make a tile: made once for a layer.
#[derive(Clone, Debug)]
pub struct Plan {
    patches: Patches,
    starts: Vec<usize>,
    tile: usize,
    needed: usize,
}

impl Plan {
    /// A plan for `count` patches.
    #[must_use]
    pub fn new(patches: Patches, count: usize) -> Self {
        // What a patch adds to those before it.
        let step = patches.step.min(patches.columns()).max(1);
        let lines = patches.line_stride.div_ceil(patches.line).max(step);
        let numbers = if patches.line == usize::MAX {
            step
        } else {
            lines
        };
        Self {
            patches,
            starts: (0..count).map(|n| patches.start(n)).collect(),
            tile: (TILE_BYTES / 4 / numbers).max(8 * TOGETHER),
            needed: patches.needed(count),
        }
    }

    /// Number of patches.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.starts.len()
    }
}

/// The operands.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'o> {
    /// Weights, a row of [`Patches::columns`] numbers for each of the mask's.
    pub weights: &'o [f32],
    /// Numbers that the patches lie in.
    pub inputs: &'o [f32],
    /// Where they lie, one for each column of the mask.
    pub plan: &'o Plan,
}

/// `out[m][n] += dot(weights[m], patch[n])` where the mask is set; `out` is of
/// the mask's shape, row after row. On one thread.
///
/// # Errors
///
/// If operands, mask and output do not have the sizes of each other.
pub fn sddmm(operands: &Operands<'_>, mask: &Mask, out: &mut [f32]) -> Result<(), SddmmError> {
    check(operands, mask, out.len())?;
    let columns = mask.columns;
    for first in (0..columns).step_by(operands.plan.tile) {
        let end = columns.min(first + operands.plan.tile);
        for (row, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            update(operands, mask, row, [first, end], out);
        }
    }
    Ok(())
}

/// [`sddmm`] on all threads of the pool it is called in: parts of the rows.
///
/// # Errors
///
/// As [`sddmm`].
pub fn sddmm_parallel(
    operands: &Operands<'_>,
    mask: &Mask,
    out: &mut [f32],
) -> Result<(), SddmmError> {
    check(operands, mask, out.len())?;
    let columns = mask.columns;
    if columns == 0 {
        return Ok(());
    }
    let parts = rayon::current_num_threads() * 2;
    let rows = mask.rows.div_ceil(parts).max(1);
    let blocks = out.par_chunks_mut(rows * columns).enumerate();
    blocks.for_each(|(block, out)| {
        for first in (0..columns).step_by(operands.plan.tile) {
            let end = columns.min(first + operands.plan.tile);
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                update(operands, mask, block * rows + row, [first, end], out);
            }
        }
    });
    Ok(())
}

fn check(operands: &Operands<'_>, mask: &Mask, outputs: usize) -> Result<(), SddmmError> {
    let (patches, [rows, columns]) = (&operands.plan.patches, mask.shape());
    if operands.weights.len() != rows * patches.columns() {
        return Err(SddmmError::Weights {
            given: operands.weights.len(),
            rows,
            columns: patches.columns(),
        });
    }
    if operands.plan.count() != columns {
        return Err(SddmmError::Plan {
            planned: operands.plan.count(),
            columns,
        });
    }
    let needed = operands.plan.needed;
    if operands.inputs.len() < needed {
        return Err(SddmmError::Patches {
            needed,
            given: operands.inputs.len(),
        });
    }
    if outputs != rows * columns {
        return Err(SddmmError::Output {
            given: outputs,
            rows,
            columns,
        });
    }
    Ok(())
}

/// The set columns of a row from `first` to `end`, as many together as there
/// are.
fn update(
    operands: &Operands<'_>,
    mask: &Mask,
    row: usize,
    [first, end]: [usize; 2],
    out: &mut [f32],
) {
    let columns = operands.plan.patches.columns();
    let weights = &operands.weights[row * columns..][..columns];
    let (mut list, mut count) = ([0; TOGETHER], 0);
    mask.columns_of(row, first, end, |n| {
        list[count] = n;
        count += 1;
        if count == TOGETHER {
            some(operands, weights, &list, out);
            count = 0;
        }
    });
    some(operands, weights, &list[..count], out);
}

/// Up to [`TOGETHER`] columns of a row.
#[inline]
fn some(operands: &Operands<'_>, weights: &[f32], list: &[usize], out: &mut [f32]) {
    let mut sums = [0.0; TOGETHER];
    dots(operands, weights, list, &mut sums);
    for (&n, sum) in list.iter().zip(sums) {
        out[n] += sum;
    }
}

/// Dot products of a row with the listed patches.
#[inline]
fn dots(operands: &Operands<'_>, weights: &[f32], list: &[usize], sums: &mut [f32; TOGETHER]) {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        x86::dots(operands, weights, list, sums);
        return;
    }
    plain::dots(operands, weights, list, sums);
}

#[cfg(test)]
mod tests;
