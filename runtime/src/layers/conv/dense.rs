//! Layers without a gate: every pixel's patch, times the rows of the matrix.

use super::ConvConfig;
use super::output::Writer;
use crate::arena::take;
use crate::kernels::Selected;
use crate::kernels::conv::MOST_ROWS;
use crate::kernels::conv::outputs::{Rows, Scale};
use crate::layers::operand::Operand;
use crate::layout::WeightBits;
use crate::probe::LayerCounts;
use zerocopy::IntoBytes;

/// Outputs computed at a time.
const BLOCK: usize = 48;
/// Unsigned codes of 8 bits are two planes of half the bits.
const HALF: u8 = 4;
const HALVES: u32 = 0x0f0f_0f0f;

/// Whether codes exceed a signed byte.
const fn halves(config: &ConvConfig<'_>) -> bool {
    config.split.range().1 > 127
}

/// Largest number in an operand.
const fn largest(config: &ConvConfig<'_>) -> u32 {
    if halves(config) {
        (1 << HALF) - 1
    } else {
        config.split.range().1 as u32
    }
}

/// Columns of a stored row.
const fn stored(config: &ConvConfig<'_>) -> usize {
    let target = config.weights.target();
    target.row_columns(WeightBits::Eight, config.geometry().columns())
}

/// Words of scratch.
pub(super) const fn words(config: &ConvConfig<'_>) -> usize {
    let columns = stored(config);
    let operand = Operand::words(
        config.weights.target(),
        WeightBits::Eight,
        columns,
        largest(config),
    );
    if halves(config) {
        columns / 2 + 2 * operand
    } else {
        columns / 4 + operand
    }
}

/// Runs the layer; all slices are as long as they must be.
pub(super) fn run(
    config: &ConvConfig<'_>,
    mut scratch: &mut [u32],
    input: &[i8],
    writer: &mut Writer<'_, '_>,
) -> LayerCounts {
    let (columns, most) = (stored(config), largest(config));
    let two = halves(config);
    let patch: &mut [u32] = take(&mut scratch, columns / 4);
    patch.fill(0);
    let mut operand = Operand::take(&mut scratch, WeightBits::Eight, columns, most);
    let mut second = two.then(|| {
        let half: &mut [u32] = take(&mut scratch, columns / 4);
        (
            half,
            Operand::take(&mut scratch, WeightBits::Eight, columns, most),
        )
    });
    let mut block = Block::new(config, 0);
    let shape = config.output.shape;
    for y in 0..shape.height {
        for x in 0..shape.width {
            gather(config, input, (y, x), patch.as_mut_bytes());
            if let Some((half, second)) = &mut second {
                for (half, word) in half.iter_mut().zip(&mut *patch) {
                    *half = (*word >> HALF) & HALVES;
                    *word &= HALVES;
                }
                second.set(half, most, config.row_sum);
            }
            operand.set(patch, most, config.row_sum);
            let upper = second.as_ref().map(|(_, operand)| operand);
            for first in (0..config.output.channels).step_by(BLOCK) {
                if block.first != first {
                    block = Block::new(config, first);
                }
                block.run(config, (&operand, upper), (y, x), writer);
            }
        }
    }
    let pixels = (shape.height * shape.width) as u32;
    let columns = pixels.wrapping_mul(config.geometry().columns() as u32);
    let outputs = config.output.channels as u32;
    LayerCounts {
        outputs: pixels.wrapping_mul(outputs),
        open: pixels.wrapping_mul(outputs),
        columns,
        columns_applied: columns,
        macs: columns.wrapping_mul(outputs),
        dense_macs: columns.wrapping_mul(outputs),
    }
}

/// The outputs of a block: which they are, and their sums. On the stack: images
/// state how much scratch their layers need.
struct Block {
    first: usize,
    scales: [Scale; BLOCK],
    sums: [i32; BLOCK],
    /// Those of a second operand.
    more: [i32; BLOCK],
    /// Rows of the matrix, from that of the block's first output on.
    list: [u16; BLOCK],
    /// Rows of a part of the block.
    all: Rows,
}

impl Block {
    /// The outputs from `first` on.
    fn new(config: &ConvConfig<'_>, first: usize) -> Self {
        let mut scales = [Scale::default(); BLOCK];
        let bias = config.bias.get(first..).unwrap_or(&[]);
        let requant = config.requant.get(first..).unwrap_or(&[]);
        for (scale, (&bias, &requant)) in scales.iter_mut().zip(bias.iter().zip(requant)) {
            *scale = Scale::new(bias, requant);
        }
        Self {
            first,
            scales,
            sums: [0; BLOCK],
            more: [0; BLOCK],
            list: core::array::from_fn(|k| k as u16),
            all: Rows::first(MOST_ROWS),
        }
    }

    /// The outputs of a pixel from its patch, or from the lower and the upper half
    /// of its codes.
    fn run(
        &mut self,
        config: &ConvConfig<'_>,
        (lower, upper): (&Operand<'_>, Option<&Operand<'_>>),
        at: (usize, usize),
        writer: &mut Writer<'_, '_>,
    ) {
        let first = self.first;
        let rows = config.weights.row_words.unwrap_or(&[]);
        let rows = rows.get(first * stored(config) / 4..).unwrap_or(&[]);
        let bias = config.bias.get(first..).unwrap_or(&[]);
        let count = bias.len().min(BLOCK);
        let list = self.list.get(..count).unwrap_or(&[]);
        lower.dots(rows, list, &mut self.sums);
        if let Some(upper) = upper {
            upper.dots(rows, list, &mut self.more);
            for (sum, more) in self.sums.iter_mut().zip(&self.more) {
                *sum = sum.wrapping_add(more << HALF);
            }
        }
        let sums = self.sums.get(..count).unwrap_or(&[]);
        if writer.shows() {
            for (channel, (&sum, &bias)) in (first..).zip(sums.iter().zip(bias)) {
                let z = [sum.wrapping_add(bias)];
                writer.show(at, channel, &z, &z, 1);
            }
        }
        let parts = self.scales.chunks(MOST_ROWS).zip(sums.chunks(MOST_ROWS));
        for (first, (scales, sums)) in (first..).step_by(MOST_ROWS).zip(parts) {
            if self.all.list().len() != sums.len() {
                self.all = Rows::first(sums.len());
            }
            writer.codes::<Selected>(at, first, scales, (sums, 0), &self.all);
        }
    }
}

/// Copies the codes under the window of an output pixel, zeros outside the map.
fn gather(config: &ConvConfig<'_>, input: &[i8], (y, x): (usize, usize), patch: &mut [u8]) {
    let (view, window) = (config.input, config.window);
    let input = input.as_bytes();
    let whole = view.step == 1 && view.channels == view.shape.channels;
    let row_codes = window.kernel * view.channels;
    let left = (x * window.stride) as isize - window.padding as isize;
    let top = (y * window.stride) as isize - window.padding as isize;
    let pixels = clip(left, window.kernel, view.shape.width);
    for (ky, row) in patch
        .chunks_exact_mut(row_codes.max(1))
        .enumerate()
        .take(window.kernel)
    {
        let source = usize::try_from(top + ky as isize).ok();
        let source = source.filter(|&y| y < view.shape.height && !pixels.is_empty());
        let Some(source) = source else {
            row.fill(0);
            continue;
        };
        let before = (pixels.start as isize - left) as usize * view.channels;
        let count = pixels.len() * view.channels;
        if count < row.len() {
            row.fill(0);
        }
        let Some(inside) = row.get_mut(before..before + count) else {
            continue;
        };
        let from = view.shape.pixel(source, pixels.start);
        if whole {
            if let Some(codes) = input.get(from..from + count) {
                copy(inside, codes);
            }
            continue;
        }
        let source = input.get(from..).unwrap_or(&[]);
        let source = source.chunks(view.shape.channels.max(1));
        for (to, pixel) in inside.chunks_exact_mut(view.channels).zip(source) {
            let codes = pixel.get(view.first..).unwrap_or(&[]);
            for (to, &code) in to.iter_mut().zip(codes.iter().step_by(view.step)) {
                *to = code;
            }
        }
    }
}

/// The part of `count` pixels from `first` on that lies in the map.
fn clip(first: isize, count: usize, edge: usize) -> core::ops::Range<usize> {
    let clip = |at: isize| at.clamp(0, edge as isize) as usize;
    clip(first)..clip(first + count as isize)
}

/// Copies a few codes, of which there are as many in either slice. A call of
/// `memcpy` takes longer than the copy, and a loop over single steps would become
/// one.
#[inline(always)]
fn copy(mut to: &mut [u8], mut from: &[u8]) {
    while part::<4>(&mut to, &mut from) && part::<4>(&mut to, &mut from) {}
    part::<2>(&mut to, &mut from);
    part::<1>(&mut to, &mut from);
}

/// Copies N codes if there are as many left.
#[inline(always)]
fn part<const N: usize>(to: &mut &mut [u8], from: &mut &[u8]) -> bool {
    let (Some((codes, rest)), true) = (from.split_first_chunk::<N>(), to.len() >= N) else {
        return false;
    };
    if let Some((places, more)) = core::mem::take(to).split_first_chunk_mut::<N>() {
        *places = *codes;
        (*from, *to) = (rest, more);
    }
    true
}
