//! Feature maps: bytes of activation codes, pixel by pixel, and the channels
//! of one that a layer reads or writes.

use crate::quant::Split;

/// Height, width and channels of a feature map. Codes lie in this order
/// (NHWC), without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Codes of a pixel.
    pub channels: usize,
}

impl Shape {
    /// Number of codes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether the map holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Index of a pixel's first code.
    #[inline(always)]
    #[must_use]
    pub const fn pixel(self, y: usize, x: usize) -> usize {
        (y * self.width + x) * self.channels
    }
}

/// Evenly spaced channels of a map: all of them, a half, every other one.
/// Splitting, concatenating and shuffling channels are choices of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The whole map.
    pub shape: Shape,
    /// First channel.
    pub first: usize,
    /// Distance from one channel to the next, at least 1.
    pub step: usize,
    /// Number of channels.
    pub channels: usize,
}

impl View {
    /// Every channel of a map.
    #[must_use]
    pub const fn all(shape: Shape) -> Self {
        Self {
            shape,
            first: 0,
            step: 1,
            channels: shape.channels,
        }
    }

    /// Whether the channels are those of the map.
    #[must_use]
    pub const fn fits(self) -> bool {
        self.step > 0
            && self.channels > 0
            && self.first + (self.channels - 1) * self.step < self.shape.channels
    }

    /// Index of the code of channel `channel` of the view.
    #[inline(always)]
    #[must_use]
    pub const fn index(self, y: usize, x: usize, channel: usize) -> usize {
        self.shape.pixel(y, x) + self.first + channel * self.step
    }
}

/// What the codes of a map are: 2 to 8 bits, unsigned after a ReLU, else signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    split: Split,
}

impl Format {
    /// Codes of `bits` bits; `None` if that is not 2 to 8.
    #[must_use]
    pub const fn new(bits: u8, signed: bool) -> Option<Self> {
        match Split::new(bits, 1, signed) {
            Some(split) => Some(Self { split }),
            None => None,
        }
    }

    /// Bits of a code.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.split.bits()
    }

    /// Whether codes have a sign.
    #[must_use]
    pub const fn signed(self) -> bool {
        self.split.signed()
    }

    /// Smallest and largest code: see [`Split::range`].
    #[must_use]
    pub const fn range(self) -> (i16, i16) {
        self.split.range()
    }

    /// Reads a stored code byte as its value.
    #[inline(always)]
    #[must_use]
    pub const fn value(self, code: i8) -> i32 {
        self.split.value(code)
    }

    /// The code byte of a requantised value, clamped to the range: for unsigned
    /// codes that is a ReLU.
    #[inline(always)]
    #[must_use]
    pub fn code(self, y: i16) -> i8 {
        let (low, high) = self.range();
        y.clamp(low, high) as i8
    }
}

/// How the pixels of an output follow from those of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Edge of the square that an output pixel looks at, 1 or more.
    pub kernel: usize,
    /// Distance of the squares of neighbouring outputs, 1 or more.
    pub stride: usize,
    /// Pixels of code 0 around the input.
    pub padding: usize,
}

impl Window {
    /// Outputs along an edge of `input` pixels: `(input + 2 padding - kernel) / stride + 1`,
    /// 0 if the square is larger than the padded input.
    #[must_use]
    pub const fn outputs(self, input: usize) -> usize {
        match (input + 2 * self.padding).checked_sub(self.kernel) {
            Some(room) => room / self.stride + 1,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_pick_channels() {
        let shape = Shape {
            height: 2,
            width: 3,
            channels: 8,
        };
        let odd = View {
            shape,
            first: 1,
            step: 2,
            channels: 4,
        };
        assert!(odd.fits() && View::all(shape).fits());
        assert!(!View { first: 2, ..odd }.fits());
        assert_eq!(odd.index(1, 2, 3), 47);
        assert_eq!(View::all(shape).index(0, 1, 0), 8);
    }

    #[test]
    fn windows_count_outputs() {
        let window = |kernel, stride, padding| Window {
            kernel,
            stride,
            padding,
        };
        assert_eq!(window(3, 1, 1).outputs(32), 32);
        assert_eq!(window(3, 2, 1).outputs(32), 16);
        assert_eq!(window(1, 2, 0).outputs(9), 5);
        assert_eq!(window(5, 1, 0).outputs(4), 0);
    }
}
