//! Layers of image networks beside the convolution: from one feature map to
//! another, a fixed cost, nothing gated.

mod depthwise;
mod layer;
mod pool;
mod shift;

#[cfg(test)]
mod tests;

pub use depthwise::Depthwise;
pub use layer::{MapLayer, MapOp};
pub use pool::{AveragePool, MaxPool};
pub use shift::{Displacement, Shift};

use super::{Format, Shape, View, Window};
use core::fmt;

/// Largest size of a map in any direction.
const LARGEST: usize = 1 << 14;

/// What a layer reads and what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The channels that are read.
    pub input: View,
    /// The channels that are written.
    pub output: View,
    /// Codes of the input map.
    pub input_format: Format,
    /// Codes of the output map.
    pub output_format: Format,
}

impl Ends {
    pub(crate) fn same_codes(&self) -> bool {
        self.input_format == self.output_format
    }

    /// Both views lie in their maps.
    fn check_maps(&self) -> Result<(), MapError> {
        let fits = |view: View| {
            let shape = view.shape;
            let edges = [shape.height, shape.width, shape.channels, view.step];
            edges.into_iter().all(|n| n > 0 && n <= LARGEST)
                && (shape.height * shape.width).saturating_mul(shape.channels) <= i32::MAX as usize
                && view.first <= LARGEST
                && view.channels <= LARGEST
                && view.fits()
        };
        ensure(fits(self.input) && fits(self.output), MapError::Map)
    }

    /// Also, the output has a pixel for each place of the window.
    fn check_window(&self, window: Window) -> Result<(), MapError> {
        self.check_maps()?;
        let edges = [window.kernel, window.stride, window.padding];
        ensure(
            edges.into_iter().all(|n| n <= LARGEST) && window.kernel > 0 && window.stride > 0,
            MapError::Window,
        )?;
        let (input, output) = (self.input.shape, self.output.shape);
        let outputs = [input.height, input.width].map(|n| window.outputs(n));
        ensure(outputs == [output.height, output.width], MapError::Map)
    }
}

/// Why the parameters of such a layer do not fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MapError {
    /// The window is empty, too large, or can lie outside the map.
    Window,
    /// A view reaches beyond its map, or the maps' sizes do not follow from each
    /// other.
    Map,
    /// Other channels or codes are written than are read.
    Channels,
    /// A parameter for each channel or tap, or one out of range.
    Parameters,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Window => "the layer's window is empty, too large or outside the map",
            Self::Map => "the layer's maps do not fit its window or channels",
            Self::Channels => "the layer's output has other channels or codes than its input",
            Self::Parameters => "the layer's parameters do not fit its channels",
        })
    }
}

impl core::error::Error for MapError {}

/// The taps of a window that lie inside a map, for one output pixel:
/// `taps(window, map, y, x)` gives the index of a tap in the window, row by row,
/// and the input pixel `(y, x)` that it reads.
fn taps(
    window: Window,
    map: Shape,
    (y, x): (usize, usize),
) -> impl Iterator<Item = (usize, (usize, usize))> {
    let place = move |at: usize, tap: usize, edge: usize| {
        let place = (at * window.stride + tap).checked_sub(window.padding);
        place.filter(|&place| place < edge)
    };
    (0..window.kernel).flat_map(move |ky| {
        let row = place(y, ky, map.height);
        (0..window.kernel).filter_map(move |kx| {
            let pixel = (row?, place(x, kx, map.width)?);
            Some((ky * window.kernel + kx, pixel))
        })
    })
}

fn ensure(holds: bool, error: MapError) -> Result<(), MapError> {
    if holds { Ok(()) } else { Err(error) }
}
