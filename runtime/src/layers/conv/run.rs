//! A pass over a whole map.

use super::pixel::{MAX_KERNEL, Output, Patch, Visit};
use super::{Conv, Residual, Source};
use crate::arena::take;
use crate::kernels::columns::{HEIGHT, Row, Run, scan};
use crate::probe::LayerCounts;
use crate::quant::{Split, round_shift};

/// Fractional bits of what a residual is added to.
const FRACTION: u8 = 4;

/// What a pass did.
#[derive(Clone, Copy, Default)]
struct Work {
    open: u32,
    /// Columns that a prediction pass applied, over all pixels.
    columns: u32,
    macs: u32,
}

impl Conv<'_> {
    /// One pass: reads `input`, writes `output`, both whole maps. `shortcut` is
    /// the map of a residual that is not in place, else empty. `scratch` has
    /// [`Self::scratch_words`] words. `visit` is told of every output.
    ///
    /// Slices that are too short are read as zeros and not written beyond.
    pub fn run<V: Visit>(
        &self,
        scratch: &mut [u32],
        input: &[i8],
        shortcut: &[i8],
        output: &mut [i8],
        visit: &mut V,
    ) -> LayerCounts {
        let mut work = Work::default();
        let mut ring = Ring::new(self, scratch);
        let folds = self.folds();
        let shape = self.output.shape;
        for y in 0..shape.height {
            ring.advance(self, input, y);
            for x in 0..shape.width {
                let patch = ring.patch(self, y, x);
                let entries = patch.digits.iter().map(|run| run.entries.len() as u32);
                let entries: u32 = entries.sum();
                work.columns += entries;
                work.macs += entries * self.channels() as u32;
                let rest: u32 = patch.rest.iter().map(|run| run.entries.len() as u32).sum();
                for first in (0..self.channels()).step_by(HEIGHT) {
                    let panel = self.panel(first, &patch, folds);
                    self.write(y, x, first, &panel, shortcut, output);
                    work.open += panel.open.count_ones();
                    work.macs += panel.open.count_ones() * rest;
                    let count = (self.channels() - first).min(HEIGHT);
                    visit.visit(y, x, first, count, &panel);
                }
            }
        }
        let outputs = (shape.height * shape.width * self.channels()) as u32;
        LayerCounts {
            outputs,
            open: work.open,
            columns: (shape.height * shape.width * self.columns()) as u32,
            columns_applied: work.columns,
            macs: work.macs,
            dense_macs: self.dense_macs(),
        }
    }

    /// Requantises a panel's outputs and writes their codes.
    #[inline(never)]
    fn write(
        &self,
        y: usize,
        x: usize,
        first: usize,
        panel: &Output,
        shortcut: &[i8],
        output: &mut [i8],
    ) {
        let (low, high) =
            Split::new(self.codes.bits, 1, self.codes.signed).map_or((0, 0), Split::range);
        let requants = self.requant.get(first..).unwrap_or(&[]);
        for (k, (&z, requant)) in panel.z.iter().zip(requants).enumerate() {
            let channel = first + k;
            let Some(code) = output.get_mut(self.output.index(y, x, channel)) else {
                return;
            };
            let mut value = i32::from(requant.apply(z));
            if let Some(residual) = &self.residual {
                value += residual.at(y, x, channel, shortcut, *code);
                value = round_shift(value, FRACTION);
            }
            *code = value.clamp(i32::from(low), i32::from(high)) as i8;
        }
    }
}

impl Residual {
    /// What an output gets, in sixteenths of its code; `before` is what its
    /// place held.
    fn at(&self, y: usize, x: usize, channel: usize, map: &[i8], before: i8) -> i32 {
        let code = match self.source {
            Source::InPlace => before,
            Source::Map {
                view,
                stride,
                offset,
            } => {
                let channel = channel.wrapping_sub(offset);
                if channel >= view.channels {
                    return 0;
                }
                let index = view.index(y * stride, x * stride, channel);
                map.get(index).copied().unwrap_or(0)
            }
        };
        let value = if self.signed {
            i32::from(code)
        } else {
            i32::from(code as u8)
        };
        round_shift(value * i32::from(self.mult), self.shift)
    }
}

/// The lists of the input rows under a window: row y is in place
/// `y mod kernel`.
struct Ring<'s> {
    rows: [Row<'s>; MAX_KERNEL],
    kernel: usize,
    /// The first input row that is not listed yet.
    next: usize,
}

impl<'s> Ring<'s> {
    fn new(conv: &Conv<'_>, mut scratch: &'s mut [u32]) -> Self {
        let kernel = conv.window.kernel.min(MAX_KERNEL);
        let codes = conv.input.shape.width * conv.input.channels;
        let mut places = 0..kernel;
        let rows = core::array::from_fn(|_| {
            let (codes, starts) = match places.next() {
                Some(_) => (codes, conv.input.shape.width + 1),
                None => (0, 0),
            };
            Row {
                digits: take(&mut scratch, codes),
                rest: take(&mut scratch, codes),
                starts: take(&mut scratch, starts),
            }
        });
        Self {
            rows,
            kernel,
            next: 0,
        }
    }

    /// Lists the input rows that output row `y` needs.
    fn advance(&mut self, conv: &Conv<'_>, input: &[i8], y: usize) {
        let end = y * conv.window.stride + self.kernel;
        let end = end.saturating_sub(conv.window.padding);
        let end = end.min(conv.input.shape.height);
        // With a stride beyond the kernel some rows are never read.
        self.next = self.next.max(end.saturating_sub(self.kernel));
        while self.next < end {
            if let Some(row) = self.rows.get_mut(self.next % self.kernel.max(1)) {
                scan(conv.split, input, conv.input, self.next, row);
            }
            self.next += 1;
        }
    }

    /// The lists under the window of an output pixel.
    fn patch(&self, conv: &Conv<'_>, y: usize, x: usize) -> Patch<'_> {
        let (window, input) = (conv.window, conv.input);
        let mut patch = Patch {
            digits: [Run::default(); MAX_KERNEL],
            rest: [Run::default(); MAX_KERNEL],
            rows: 0,
        };
        let left = x * window.stride;
        let from = left.saturating_sub(window.padding);
        let to = (left + window.kernel).saturating_sub(window.padding);
        let to = to.min(input.shape.width);
        let columns_of_row = window.kernel * input.channels;
        for ky in 0..window.kernel {
            let Some(row) = (y * window.stride + ky).checked_sub(window.padding) else {
                continue;
            };
            if row >= input.shape.height || from >= to {
                continue;
            }
            let Some(lists) = self.rows.get(row % self.kernel.max(1)) else {
                continue;
            };
            let ends = |at: usize| lists.starts.get(at).copied().unwrap_or([0; 2]);
            let (start, end) = (ends(from), ends(to));
            let part = |list: usize| usize::from(start[list])..usize::from(end[list]);
            // Column of the window's first pixel in the input row, which lies
            // before the row where the window hangs over its edge.
            let origin = (left as u32)
                .wrapping_sub(window.padding as u32)
                .wrapping_mul(input.channels as u32);
            let base = ((ky * columns_of_row) as u32)
                .wrapping_sub(origin)
                .wrapping_mul(HEIGHT as u32);
            let (Some(digits), Some(rest)) = (
                patch.digits.get_mut(patch.rows),
                patch.rest.get_mut(patch.rows),
            ) else {
                break;
            };
            *digits = Run {
                entries: lists.digits.get(part(0)).unwrap_or(&[]),
                base,
            };
            *rest = Run {
                entries: lists.rest.get(part(1)).unwrap_or(&[]),
                base,
            };
            patch.rows += 1;
        }
        patch
    }
}
