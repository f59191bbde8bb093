//! Pooling over the pixels of a map.

use super::{Ends, MapError, ensure, taps};
use crate::layers::Window;
use crate::quant::Requant;

/// Channels pooled at a time.
const BLOCK: usize = 16;
/// Most pixels of a window: with it a sum of codes is below 2^24.
const MOST_PIXELS: usize = 1 << 16;

/// Largest code of a window; pixels outside the map never win.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    pub(crate) ends: Ends,
    pub(crate) window: Window,
}

impl MaxPool {
    /// Checks the parameters against each other. Every window must reach into
    /// the map: padding is less than the kernel.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn new(ends: Ends, window: Window) -> Result<Self, MapError> {
        ends.check_window(window)?;
        ensure(window.padding < window.kernel, MapError::Window)?;
        ensure(
            ends.input.channels == ends.output.channels && ends.same_codes(),
            MapError::Channels,
        )?;
        Ok(Self { ends, window })
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

    /// Computes the layer over whole maps.
    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        let format = self.ends.input_format;
        let (low, _) = format.range();
        fold(
            &self.ends,
            self.window,
            input,
            output,
            low.into(),
            |most, q| most.max(q),
            |most| most as i8,
        );
    }
}

/// Mean of a window, requantised: `code = clamp(requantise(sum of codes))`.
/// Pixels outside the map count as code 0.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool {
    pub(crate) ends: Ends,
    /// `None`: the window is the whole map.
    pub(crate) window: Option<Window>,
    pub(crate) requant: Requant,
}

impl AveragePool {
    /// Checks the parameters against each other; a window of `None` is the
    /// whole map, whose mean is one pixel.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn new(ends: Ends, window: Option<Window>, requant: Requant) -> Result<Self, MapError> {
        ends.check_maps()?;
        let shape = ends.input.shape;
        let pixels = match window {
            Some(window) => {
                ends.check_window(window)?;
                window.kernel * window.kernel
            }
            None => {
                let output = ends.output.shape;
                ensure(output.height == 1 && output.width == 1, MapError::Map)?;
                shape.height * shape.width
            }
        };
        ensure(pixels <= MOST_PIXELS, MapError::Window)?;
        ensure(
            ends.input.channels == ends.output.channels,
            MapError::Channels,
        )?;
        ensure(requant.is_valid(), MapError::Parameters)?;
        Ok(Self {
            ends,
            window,
            requant,
        })
    }

    /// The channels that are read and written.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Kernel size, stride and padding; `None`: the whole map.
    #[must_use]
    pub const fn window(&self) -> Option<Window> {
        self.window
    }

    /// Requantisation of a sum of codes.
    #[must_use]
    pub const fn requant(&self) -> Requant {
        self.requant
    }

    /// Computes the layer over whole maps.
    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        let (requant, format) = (self.requant, self.ends.output_format);
        let code = |sum: i32| format.code(requant.apply(sum));
        if let Some(window) = self.window {
            fold(&self.ends, window, input, output, 0, |sum, q| sum + q, code);
            return;
        }
        let (from, to, read) = (self.ends.input, self.ends.output, self.ends.input_format);
        for channel in 0..from.channels {
            let codes = input.get(from.index(0, 0, channel)..).unwrap_or(&[]);
            let pixels = codes.iter().step_by(from.shape.channels.max(1));
            let pixels = pixels.take(from.shape.height * from.shape.width);
            let sum = pixels.map(|&q| read.value(q)).sum();
            if let Some(place) = output.get_mut(to.index(0, 0, channel)) {
                *place = code(sum);
            }
        }
    }
}

/// Folds every channel of every window to one code.
fn fold(
    ends: &Ends,
    window: Window,
    input: &[i8],
    output: &mut [i8],
    start: i32,
    join: impl Fn(i32, i32) -> i32,
    code: impl Fn(i32) -> i8,
) {
    let (from, to, format) = (ends.input, ends.output, ends.input_format);
    for y in 0..to.shape.height {
        for x in 0..to.shape.width {
            for first in (0..to.channels).step_by(BLOCK) {
                let count = BLOCK.min(to.channels - first);
                let mut values = [start; BLOCK];
                for (_, (iy, ix)) in taps(window, from.shape, (y, x)) {
                    let codes = input.get(from.index(iy, ix, first)..).unwrap_or(&[]);
                    let codes = codes.iter().step_by(from.step);
                    for (value, &q) in values.iter_mut().take(count).zip(codes) {
                        *value = join(*value, format.value(q));
                    }
                }
                let places = output.get_mut(to.index(y, x, first)..).unwrap_or(&mut []);
                let places = places.iter_mut().step_by(to.step);
                for (place, &value) in places.zip(values.iter().take(count)) {
                    *place = code(value);
                }
            }
        }
    }
}
