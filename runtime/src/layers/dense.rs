//! Fully connected layer: prediction pass over every row, update pass for
//! the rows whose gate opens.

use super::operand::Operand;
use crate::arena::take;
use crate::gate::{Gate, GateKind};
use crate::kernels::{changes, gate};
use crate::layout::Matrix;
use crate::probe::LayerCounts;
use crate::quant::{Requant, Split};
use zerocopy::IntoBytes;

/// Outputs computed at a time.
const BLOCK: usize = 16;

/// What a dense layer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenseOutput {
    /// Logits, i16 in Q8.
    Logits,
    /// Codes for a further layer: clamped to the range of `bits` and sign,
    /// which for unsigned codes is a ReLU.
    Codes {
        /// Bits of a code, 2 to 8.
        bits: u8,
        /// Whether codes are signed.
        signed: bool,
    },
}

/// Parameters of a dense layer, in place in the image.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) split: Split,
    pub(crate) gate: Gate<'a>,
    pub(crate) weights: Matrix<'a>,
    pub(crate) row_sum: u32,
    pub(crate) bias: &'a [i32],
    pub(crate) requant: &'a [Requant],
    pub(crate) output: DenseOutput,
}

impl<'a> Dense<'a> {
    /// Width of the input.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of the output.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// The split of the activations.
    #[must_use]
    pub const fn split(&self) -> Split {
        self.split
    }

    /// The gate and its thresholds.
    #[must_use]
    pub const fn gate(&self) -> &Gate<'a> {
        &self.gate
    }

    /// Weights, outputs x inputs.
    #[must_use]
    pub const fn weights(&self) -> &Matrix<'a> {
        &self.weights
    }

    /// Bias of every output, in accumulator units.
    #[must_use]
    pub const fn bias(&self) -> &'a [i32] {
        self.bias
    }

    /// Requantisation of every output.
    #[must_use]
    pub const fn requant(&self) -> &'a [Requant] {
        self.requant
    }

    /// What is written.
    #[must_use]
    pub const fn output(&self) -> DenseOutput {
        self.output
    }

    const fn digit_words(&self) -> usize {
        self.weights.row_columns() / 4
    }

    /// Words of scratch within a step.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        let columns = 4 * self.digit_words();
        let largest = self.split.range().1 as u32;
        2 * self.digit_words()
            + 2 * Operand::words(self.weights.target(), self.weights.bits(), columns, largest)
    }

    /// One step over as many `input` codes as [`Self::inputs`]; `write` receives
    /// each output's requantised value in order. `scratch` has
    /// [`Self::scratch_words`] words. Counts are complete only if `COUNT`.
    pub fn step<const COUNT: bool>(
        &self,
        mut scratch: &mut [u32],
        input: &[i8],
        mut write: impl FnMut(usize, i16),
    ) -> LayerCounts {
        let digits: &mut [u32] = take(&mut scratch, self.digit_words());
        let rest: &mut [u32] = take(&mut scratch, self.digit_words());
        let columns = 4 * self.digit_words();
        let most = self.split.range().1 as u32;
        let mut prediction = Operand::take(&mut scratch, self.weights.bits(), columns, most);
        let mut update = Operand::take(&mut scratch, self.weights.bits(), columns, most);

        // With every gate open both passes are one dot product; signed codes
        // already are what the kernel reads.
        let whole = matches!(self.gate.kind(), GateKind::Open) && self.split.signed();
        self.cut(input, digits, rest, whole);
        let (largest, shift) = if whole {
            (self.split.range().1 as u32, 0)
        } else {
            (self.split.largest_digit(), self.split.shift())
        };
        prediction.set(digits, largest, self.row_sum);
        if !whole {
            update.set(rest, self.split.largest_rest(), self.row_sum);
        }

        let rows = self.weights.row_words.unwrap_or(&[]);
        let mut open = 0;
        let mut row = 0;
        let blocks = self.bias.chunks(BLOCK).zip(self.requant.chunks(BLOCK));
        for (biases, requants) in blocks {
            let mut z = [0i32; BLOCK];
            let mut list: [u16; BLOCK] = core::array::from_fn(|k| (row + k) as u16);
            let count = biases.len();
            prediction.dots(rows, list.get(..count).unwrap_or(&[]), &mut z);
            for (z, &bias) in z.iter_mut().zip(biases) {
                *z = (*z << (shift & 31)).wrapping_add(bias);
            }
            let opened = if whole {
                0
            } else {
                self.open_rows(row, count, &z, &mut list)
            };
            open += if whole { count } else { opened };
            let mut sums = [0i32; BLOCK];
            let listed = list.get(..opened).unwrap_or(&[]);
            update.dots(rows, listed, &mut sums);
            for (&open, &sum) in listed.iter().zip(&sums) {
                if let Some(z) = z.get_mut(usize::from(open) - row) {
                    *z = z.wrapping_add(sum);
                }
            }
            for (&z, requant) in z.iter().zip(requants) {
                write(row, requant.apply(z));
                row += 1;
            }
        }

        if !COUNT {
            return LayerCounts::default();
        }
        let (rows, columns) = (self.outputs as u32, self.inputs as u32);
        let update = if whole { 0 } else { open as u32 };
        LayerCounts {
            outputs: rows,
            open: open as u32,
            columns,
            columns_applied: columns,
            macs: (rows + update) * columns,
            dense_macs: rows * columns,
        }
    }

    /// Splits codes into signed bytes of digits and remainders, or takes them
    /// as they are.
    fn cut(&self, input: &[i8], digits: &mut [u32], rest: &mut [u32], whole: bool) {
        digits.fill(0);
        let bytes = digits.as_mut_bytes();
        if let Some(bytes) = bytes.get_mut(..input.len()) {
            bytes.copy_from_slice(input.as_bytes());
        }
        if !whole {
            for (digits, rest) in digits.iter_mut().zip(rest) {
                (*digits, *rest) = changes::cut(self.split, *digits);
            }
        }
    }

    /// Lists the rows from `first` on that open, by their predictions.
    fn open_rows(&self, first: usize, count: usize, z: &[i32], list: &mut [u16]) -> usize {
        let rows = (first..first + count).zip(z);
        gate::list(first, rows.map(|(row, &z)| self.gate.opens(row, z)), list)
    }

    /// The range that output codes are clamped to.
    pub(crate) fn code_range(bits: u8, signed: bool) -> (i16, i16) {
        Split::new(bits, 1, signed).map_or((0, 0), Split::range)
    }
}
