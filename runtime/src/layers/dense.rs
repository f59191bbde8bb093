//! Fully connected layer: prediction pass over every row, update pass for
//! the rows whose gate opens.

use crate::arena::{take, words_of};
use crate::gate::{Gate, GateKind};
use crate::kernels::{Kernels, Selected};
use crate::probe::LayerCounts;
use crate::quant::{Requant, Split};

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
    pub(crate) weights: &'a [i8],
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

    /// Weights, row-major, outputs x inputs.
    #[must_use]
    pub const fn weights(&self) -> &'a [i8] {
        self.weights
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

    pub(crate) const fn scratch_words(&self) -> usize {
        2 * words_of::<i8>(self.inputs)
    }

    /// One step over `input` codes; `write` receives each output's
    /// requantised value in order. Counts are complete only if `COUNT`.
    pub(crate) fn step<const COUNT: bool>(
        &self,
        mut scratch: &mut [u32],
        input: &[i8],
        mut write: impl FnMut(usize, i16),
    ) -> LayerCounts {
        let msb: &mut [i8] = take(&mut scratch, self.inputs);
        let lsb: &mut [i8] = take(&mut scratch, self.inputs);
        for ((&code, hb), lb) in input.iter().zip(msb.iter_mut()).zip(lsb.iter_mut()) {
            (*hb, *lb) = self.split.digits(code);
        }

        // With every gate open both passes are one dot product; signed codes
        // already are what the kernel reads.
        let whole = matches!(self.gate.kind(), GateKind::Open) && self.split.signed();
        let mut open = 0;
        let rows = self.weights.chunks_exact(self.inputs.max(1));
        for (row, ((weights, &bias), requant)) in rows.zip(self.bias).zip(self.requant).enumerate()
        {
            let z = if whole {
                open += 1;
                Selected::dot(weights, input).wrapping_add(bias)
            } else {
                let z_hb = Selected::dot(weights, msb)
                    .wrapping_shl(u32::from(self.split.shift()))
                    .wrapping_add(bias);
                if self.gate.opens(row, z_hb) {
                    open += 1;
                    z_hb.wrapping_add(Selected::dot(weights, lsb))
                } else {
                    z_hb
                }
            };
            write(row, requant.apply(z));
        }

        if !COUNT {
            return LayerCounts::default();
        }
        let (rows, columns) = (self.outputs as u32, self.inputs as u32);
        let update = if whole { 0 } else { open };
        LayerCounts {
            outputs: rows,
            open,
            columns,
            columns_applied: columns,
            macs: (rows + update) * columns,
            dense_macs: rows * columns,
        }
    }

    /// The range that output codes are clamped to.
    pub(crate) fn code_range(bits: u8, signed: bool) -> (i16, i16) {
        Split::new(bits, 1, signed).map_or((0, 0), Split::range)
    }
}
