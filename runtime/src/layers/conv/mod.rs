//! Two-dimensional convolution.
//!
//! ```text
//! z_hb = (sum w hb << s) + bias        prediction, every output
//! z    = z_hb + sum w lb               update, where the gate opens
//! ```
//!
//! over the k x k pixels under the window; those outside the map are of code 0.
//! With every gate open z is the plain integer convolution.
//!
//! A gated layer walks the non-zero digits, one output pixel and panel of
//! channels at a time ([`crate::kernels::conv`]). A layer without a gate whose
//! weights are kept as rows forms dot products over each pixel's patch.

mod config;
mod dense;
mod gated;
mod output;
mod reach;

#[cfg(test)]
mod tests;

pub use config::{ConvConfig, ConvError, Residual};

use crate::gate::GateKind;
use crate::kernels::Selected;
use crate::kernels::conv::ConvKernels;
use crate::probe::LayerCounts;

/// One output of a convolution, for tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOutput {
    /// Row of the output pixel.
    pub y: usize,
    /// Column of the output pixel.
    pub x: usize,
    /// Output channel: row of the matrix.
    pub channel: usize,
    /// Prediction in accumulator units; `z` itself where the layer has no gate.
    pub z_hb: i32,
    /// Whether the output got the update pass.
    pub open: bool,
    /// Accumulator that is requantised.
    pub z: i32,
}

/// Sees every output before it is requantised, pixel by pixel, channels in
/// order.
pub type Visitor<'v> = dyn FnMut(ConvOutput) + 'v;

/// A convolution whose parameters were found to fit each other.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'a> {
    config: ConvConfig<'a>,
}

impl<'a> Conv<'a> {
    /// Checks the parameters against each other.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn new(config: ConvConfig<'a>) -> Result<Self, ConvError> {
        config.check()?;
        Ok(Self { config })
    }

    /// The parameters.
    #[must_use]
    pub const fn config(&self) -> &ConvConfig<'a> {
        &self.config
    }

    /// Whether the layer is dot products over patches rather than sums over
    /// lists of digits.
    const fn is_dense(&self) -> bool {
        matches!(self.config.gate.kind(), GateKind::Open) && self.config.weights.has_rows()
    }

    /// Words of scratch of a run.
    #[must_use]
    pub const fn scratch_words(&self) -> usize {
        if self.is_dense() {
            dense::words(&self.config)
        } else {
            gated::words(&self.config)
        }
    }

    /// Computes the layer.
    ///
    /// `input` and `output` are whole feature maps, of which the layer's views
    /// are read and written; `residual` is the map that [`ConvConfig::residual`]
    /// is read from, `None` if that is the output map itself. `scratch` has
    /// [`Self::scratch_words`] words. Maps that start on a word are read four
    /// codes at a time. Where a slice is too short, nothing is computed.
    ///
    /// Counts are those of this run: `columns` are the taps of all output pixels,
    /// those outside the map included, `columns_applied` the prediction digits
    /// that were not zero, `macs` one for each digit applied and output it was
    /// applied for.
    pub fn run(
        &self,
        scratch: &mut [u32],
        input: &[i8],
        residual: Option<&[i8]>,
        output: &mut [i8],
    ) -> LayerCounts {
        self.run_on::<Selected>(scratch, input, residual, output, None)
    }

    /// [`Self::run`], showing every output to `visitor`.
    pub fn run_visited(
        &self,
        scratch: &mut [u32],
        input: &[i8],
        residual: Option<&[i8]>,
        output: &mut [i8],
        visitor: &mut Visitor<'_>,
    ) -> LayerCounts {
        self.run_on::<Selected>(scratch, input, residual, output, Some(visitor))
    }

    /// [`Self::run_visited`] by other kernels than the selected ones: for
    /// comparisons. Dot products of layers without a gate stay the selected ones'.
    #[cfg(feature = "tools")]
    pub fn run_by<K: ConvKernels>(
        &self,
        scratch: &mut [u32],
        input: &[i8],
        output: &mut [i8],
        visitor: &mut Visitor<'_>,
    ) -> LayerCounts {
        self.run_on::<K>(scratch, input, None, output, Some(visitor))
    }

    fn run_on<K: ConvKernels>(
        &self,
        scratch: &mut [u32],
        input: &[i8],
        residual: Option<&[i8]>,
        output: &mut [i8],
        visitor: Option<&mut Visitor<'_>>,
    ) -> LayerCounts {
        let config = &self.config;
        let residual_short = match (&config.residual, residual) {
            (Some(r), Some(map)) => map.len() < r.view.shape.len(),
            _ => false,
        };
        if config.weights.target() != K::TARGET
            || input.len() < config.input.shape.len()
            || output.len() < config.output.shape.len()
            || scratch.len() < self.scratch_words()
            || residual_short
        {
            return LayerCounts::default();
        }
        let mut writer = output::Writer {
            config,
            residual,
            output,
            visitor,
            range: config.code_range(),
        };
        if self.is_dense() {
            dense::run(config, scratch, input, &mut writer)
        } else {
            gated::run::<K>(config, scratch, input, &mut writer)
        }
    }
}
