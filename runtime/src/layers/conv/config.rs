//! What a convolution is made of.

use crate::gate::{Gate, GateKind};
use crate::kernels::conv::Geometry;
use crate::layers::{View, Window};
use crate::layout::{Matrix, WeightBits};
use crate::quant::{Requant, Split};
use core::fmt;

/// Parameters of a convolution, in place in the image. [`super::Conv::new`]
/// checks them.
#[derive(Clone, Copy, Debug)]
pub struct ConvConfig<'a> {
    /// The channels that are read.
    pub input: View,
    /// The channels that are written. The map's height and width are
    /// [`Window::outputs`] of the input's.
    pub output: View,
    /// Kernel size, stride and padding.
    pub window: Window,
    /// The split of the input's codes.
    pub split: Split,
    /// The gate: [`GateKind::Open`] or [`GateKind::Above`].
    pub gate: Gate<'a>,
    /// Outputs of a pixel that open together: 1, 4, 8 or 16 neighbouring
    /// channels, if any of them would.
    pub group: usize,
    /// Weights: a row for each output channel, columns in the order (ky, kx,
    /// channel). As panels if the layer is gated.
    pub weights: Matrix<'a>,
    /// Largest `sum |w|` of a row, or a larger number.
    pub row_sum: u32,
    /// Bias of every output channel, in accumulator units.
    pub bias: &'a [i32],
    /// Requantisation of every output channel: to a code, or to sixteenths of
    /// one where there is a residual.
    pub requant: &'a [Requant],
    /// Bits of an output code, 2 to 8.
    pub output_bits: u8,
    /// Whether output codes are signed; unsigned ones are clamped at 0, a ReLU.
    pub output_signed: bool,
    /// What is added before an output becomes a code.
    pub residual: Option<Residual>,
}

/// A map that is added to the output of a convolution, channel by channel:
/// `code = clamp(round_shift(y + round_shift(r * mult, shift), 4))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residual {
    /// The channels that are read. The map may be the output map, if stride and
    /// offset leave every code its own place.
    pub view: View,
    /// Whether its codes are signed.
    pub signed: bool,
    /// Distance of the pixels that are read, 1 or more: output pixel (y, x)
    /// reads pixel (y stride, x stride).
    pub stride: usize,
    /// Output channel that the view's first channel is added to; output channels
    /// outside the view have nothing added.
    pub offset: usize,
    /// Factor of a code, below 2^15.
    pub mult: u16,
    /// Shift of the product, 0 to 31.
    pub shift: u8,
}

/// Why the parameters of a convolution do not fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConvError {
    /// Kernel size or stride is 0, or a size exceeds what the kernels count in.
    Window,
    /// A view reaches beyond its map, or the maps' sizes do not follow from each
    /// other.
    Map,
    /// The matrix has another number of rows or columns, or not the copy that
    /// the layer reads.
    Weights,
    /// Biases or requantisations are not one for each output channel, or out of
    /// range.
    Channels,
    /// The kind of gate, the number of thresholds, or the group.
    Gate,
    /// Bits of the output codes.
    Output,
    /// The residual map or its factor.
    Residual,
}

impl fmt::Display for ConvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Window => "the convolution's window is empty or too large",
            Self::Map => "the convolution's maps do not fit its window or channels",
            Self::Weights => "the convolution's weights do not fit its channels, or have 4 bits",
            Self::Channels => "the convolution's biases or requantisations do not fit its channels",
            Self::Gate => "the convolution's gate does not fit its channels",
            Self::Output => "the convolution's output codes must have 2 to 8 bits",
            Self::Residual => "the convolution's residual map does not fit its output",
        })
    }
}

impl core::error::Error for ConvError {}

/// Largest size of a map in either direction.
const LARGEST: usize = 1 << 14;

impl ConvConfig<'_> {
    pub(super) const fn geometry(&self) -> Geometry {
        Geometry {
            input: self.input,
            window: self.window,
            split: self.split,
            row_sum: self.row_sum,
            reach: self.row_sum,
            height: self.weights.target().panel(),
        }
    }

    /// The range of an output code.
    pub(super) fn code_range(&self) -> (i16, i16) {
        Split::new(self.output_bits, 1, self.output_signed).map_or((0, 0), Split::range)
    }

    pub(super) fn check(&self) -> Result<(), ConvError> {
        let ensure = |holds: bool, error| if holds { Ok(()) } else { Err(error) };
        let (input, output, window) = (self.input, self.output, self.window);
        let small = |view: View| {
            let shape = view.shape;
            let edges = [shape.height, shape.width, view.step, shape.channels];
            edges.into_iter().all(|n| n <= LARGEST)
                && (shape.height * shape.width).saturating_mul(shape.channels) <= i32::MAX as usize
        };
        let edges = [window.kernel, window.stride, window.padding];
        let small_window = edges.into_iter().all(|n| n <= LARGEST);
        ensure(
            small_window && window.kernel > 0 && window.stride > 0,
            ConvError::Window,
        )?;
        ensure(
            small(input) && input.channels <= LARGEST && self.geometry().fits(),
            ConvError::Window,
        )?;
        let outputs = [input.shape.height, input.shape.width].map(|n| window.outputs(n));
        ensure(
            input.fits()
                && small(output)
                && output.fits()
                && outputs == [output.shape.height, output.shape.width],
            ConvError::Map,
        )?;
        let open = matches!(self.gate.kind, GateKind::Open);
        let (channels, columns) = (output.channels, self.geometry().columns());
        ensure(
            self.weights.rows() == channels
                && self.weights.bits() == WeightBits::Eight
                && self.weights.columns() == columns
                && (self.weights.has_panels() || (open && self.weights.has_rows())),
            ConvError::Weights,
        )?;
        ensure(
            self.bias.len() == channels
                && self.requant.len() == channels
                && self.requant.iter().all(|r| r.is_valid()),
            ConvError::Channels,
        )?;
        let thresholds = if open {
            0
        } else {
            channels.div_ceil(self.gate.block.max(1))
        };
        ensure(
            !matches!(self.gate.kind, GateKind::Within)
                && self.gate.block > 0
                && self.gate.thresholds.len() == thresholds
                && [1, 4, 8, 16].contains(&self.group),
            ConvError::Gate,
        )?;
        let codes = Split::new(self.output_bits, 1, self.output_signed);
        ensure(codes.is_some(), ConvError::Output)?;
        let residual = self.residual.is_none_or(|r| {
            let reaches = |outputs: usize, edge: usize| {
                outputs == 0 || r.stride > 0 && (outputs - 1) * r.stride < edge
            };
            small(r.view)
                && r.view.fits()
                && r.stride <= LARGEST
                && reaches(outputs[0], r.view.shape.height)
                && reaches(outputs[1], r.view.shape.width)
                && r.offset + r.view.channels <= channels
                && r.mult < 1 << 15
                && r.shift <= 31
        });
        ensure(residual, ConvError::Residual)
    }
}
