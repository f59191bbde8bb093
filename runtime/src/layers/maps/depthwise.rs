//! Depthwise convolution: every output channel reads the input channel of the
//! same number. Never gated: with k x k products an output, a prediction pass
//! would cost what it saves.

use super::{Ends, MapError, ensure, taps};
use crate::layers::{Format, Window};
use crate::probe::LayerCounts;
use crate::quant::Requant;

/// Channels computed at a time.
const BLOCK: usize = 16;
/// Most products of an output: with it `|sum w q| < 2^29`, as in a convolution.
const MOST_TAPS: usize = 1 << 14;

/// Parameters of a depthwise convolution, in place in the image.
///
/// `code = clamp(requantise(bias + sum over the window of w q))`; pixels outside
/// the map are of code 0.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'a> {
    pub(crate) ends: Ends,
    pub(crate) window: Window,
    /// `[k][k][C]`, -127 to 127.
    pub(crate) weights: &'a [i8],
    pub(crate) bias: &'a [i32],
    pub(crate) requant: &'a [Requant],
}

impl<'a> Depthwise<'a> {
    /// Checks the parameters against each other: `weights` `[k][k][C]` in the
    /// order (row of the kernel, column, channel), `bias` and `requant` `[C]`.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn new(
        ends: Ends,
        window: Window,
        weights: &'a [i8],
        bias: &'a [i32],
        requant: &'a [Requant],
    ) -> Result<Self, MapError> {
        ends.check_window(window)?;
        ensure(
            ends.input.channels == ends.output.channels,
            MapError::Channels,
        )?;
        let (channels, taps) = (ends.input.channels, window.kernel * window.kernel);
        ensure(
            taps <= MOST_TAPS && weights.len() == taps * channels,
            MapError::Parameters,
        )?;
        ensure(
            bias.len() == channels && requant.len() == channels,
            MapError::Parameters,
        )?;
        Ok(Self {
            ends,
            window,
            weights,
            bias,
            requant,
        })
    }

    /// The channels that are read and written.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Kernel size, stride and padding.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Weights, `[k][k][C]`.
    #[must_use]
    pub const fn weights(&self) -> &'a [i8] {
        self.weights
    }

    /// Bias of every channel, in accumulator units.
    #[must_use]
    pub const fn bias(&self) -> &'a [i32] {
        self.bias
    }

    /// Requantisation of every channel.
    #[must_use]
    pub const fn requant(&self) -> &'a [Requant] {
        self.requant
    }

    /// Largest `sum |w|` of a channel; `None` if a weight is -128.
    pub(crate) fn row_sum(&self) -> Option<u32> {
        let channels = self.bias.len();
        let sum = |channel| {
            let of_channel = self.weights.iter().skip(channel).step_by(channels);
            of_channel.map(|w| u32::from(w.unsigned_abs())).sum()
        };
        let in_range = self.weights.iter().all(|&w| w != i8::MIN);
        in_range.then(|| (0..channels).map(sum).max().unwrap_or(0))
    }

    /// What a run does; taps outside the map count.
    pub(crate) const fn counts(&self) -> LayerCounts {
        let shape = self.ends.output.shape;
        let macs = (shape.height * shape.width).saturating_mul(self.weights.len()) as u32;
        LayerCounts {
            outputs: shape.len() as u32,
            open: shape.len() as u32,
            columns: macs,
            columns_applied: macs,
            macs,
            dense_macs: macs,
        }
    }

    /// Computes the layer over whole maps.
    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        let Ends {
            input: from,
            output: to,
            input_format,
            output_format,
        } = self.ends;
        let channels = from.channels;
        let shape = to.shape;
        for y in 0..shape.height {
            for x in 0..shape.width {
                let blocks = (self.bias.chunks(BLOCK)).zip(self.requant.chunks(BLOCK));
                for ((bias, requant), first) in blocks.zip((0..).step_by(BLOCK)) {
                    let mut sums = [0; BLOCK];
                    sums.iter_mut().zip(bias).for_each(|(sum, &b)| *sum = b);
                    for (tap, (iy, ix)) in taps(self.window, from.shape, (y, x)) {
                        let weights = self.weights.get(tap * channels + first..);
                        let codes = input.get(from.index(iy, ix, first)..);
                        self.add(
                            input_format,
                            weights.unwrap_or(&[]),
                            codes.unwrap_or(&[]),
                            sums.get_mut(..bias.len()).unwrap_or(&mut []),
                        );
                    }
                    let places = output.get_mut(to.index(y, x, first)..).unwrap_or(&mut []);
                    let places = places.iter_mut().step_by(to.step);
                    for ((place, &sum), requant) in places.zip(&sums).zip(requant) {
                        *place = output_format.code(requant.apply(sum));
                    }
                }
            }
        }
    }

    /// Adds one tap's products.
    #[inline(always)]
    fn add(&self, format: Format, weights: &[i8], codes: &[i8], sums: &mut [i32]) {
        // Two loops, so that each knows how it extends bytes.
        let codes = codes.iter().step_by(self.ends.input.step);
        let terms = sums.iter_mut().zip(weights).zip(codes);
        if format.signed() {
            for ((sum, &w), &q) in terms {
                *sum += i32::from(w) * i32::from(q);
            }
        } else {
            for ((sum, &w), &q) in terms {
                *sum += i32::from(w) * i32::from(q as u8);
            }
        }
    }
}
