//! Convolution: prediction pass over every output, update pass for the
//! outputs whose gate opens, one output pixel after the other.

mod pixel;
mod run;
#[cfg(test)]
mod tests;

pub use pixel::{Output, Visit};

use super::map::{View, Window};
use crate::arena::words_of;
use crate::gate::Gate;
use crate::kernels::columns::{self, HEIGHT};
use crate::quant::{Requant, Split};

/// What is added to an output before it becomes a code: the shortcut of a
/// residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residual {
    /// Where the codes come from.
    pub source: Source,
    /// A code counts `round_shift(code * mult, shift)` sixteenths of an output
    /// code; below 2^15.
    pub mult: u16,
    /// See `mult`; 0 to 15.
    pub shift: u8,
    /// Whether the codes are signed.
    pub signed: bool,
}

/// The map of a [`Residual`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The output's own map, before it is overwritten.
    InPlace,
    /// Another map, read at every `stride`-th pixel; output channel c takes its
    /// channel `c - offset`, and nothing where there is none (the shortcut
    /// without parameters of He et al., CVPR 2016, option A).
    Map {
        /// The channels read.
        view: View,
        /// Distance of the pixels read.
        stride: usize,
        /// First output channel that takes one.
        offset: usize,
    },
}

/// Codes that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// Whether they are signed; unsigned codes are clamped at 0, which is a
    /// ReLU.
    pub signed: bool,
}

/// Parameters of a convolution, in place in the image.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'a> {
    /// What is read; padding is code 0.
    pub input: View,
    /// What is written.
    pub output: View,
    /// Kernel, stride and padding.
    pub window: Window,
    /// The split of the input codes.
    pub split: Split,
    /// The gate over the output channels, in accumulator units.
    pub gate: Gate<'a>,
    /// Consecutive channels that open together, all if any of them would: 1,
    /// 4, 8 or 16.
    pub group: usize,
    /// Weights, output channels x (kernel x kernel x input channels), as
    /// [`columns::encode`] writes them.
    pub panels: &'a [u32],
    /// Largest `sum |w|` of a channel.
    pub row_sum: u32,
    /// Bias of every output channel in accumulator units.
    pub bias: &'a [i32],
    /// Requantisation of every output channel: to output codes, or to
    /// sixteenths of them where there is a residual.
    pub requant: &'a [Requant],
    /// The codes written.
    pub codes: Codes,
    /// The shortcut, if any.
    pub residual: Option<Residual>,
}

impl Conv<'_> {
    /// Columns of the weight matrix.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.window.kernel * self.window.kernel * self.input.channels
    }

    /// Output channels.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.output.channels
    }

    /// Multiply-accumulates of a dense pass.
    #[must_use]
    pub const fn dense_macs(&self) -> u32 {
        let pixels = self.output.shape.height * self.output.shape.width;
        (pixels * self.channels() * self.columns()) as u32
    }

    /// Words that the lists of one input row take.
    const fn row_words(&self) -> usize {
        let codes = self.input.shape.width * self.input.channels;
        2 * codes + words_of::<[u16; 2]>(self.input.shape.width + 1)
    }

    /// Words of scratch of a pass: the lists of as many input rows as a window
    /// has.
    #[must_use]
    pub const fn scratch_words(&self) -> usize {
        self.window.kernel * self.row_words()
    }

    /// Whether the parts fit each other: every index that a pass forms is then
    /// in its slice.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let (channels, shape) = (self.channels(), self.output.shape);
        let window = self.window;
        self.input.fits()
            && self.output.fits()
            && (1..=16).contains(&window.kernel)
            && window.stride > 0
            && window.outputs(self.input.shape.height) == shape.height
            && window.outputs(self.input.shape.width) == shape.width
            && self.input.shape.width * self.input.channels <= usize::from(u16::MAX)
            && self.panels.len() == columns::panel_words(channels, self.columns())
            && self.bias.len() == channels
            && self.requant.len() == channels
            && [1, 4, 8, HEIGHT].contains(&self.group)
    }
}
