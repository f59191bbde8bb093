//! From the pixels of a picture to the codes of an image network's input.

use crate::quant::Requant;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bits behind the point of a pixel while it is normalised.
const FRACTION: u8 = 7;
/// Largest magnitude of a code.
const LIMIT: i16 = 127;

/// Normalisation of one channel, 8 bytes:
/// `code = clamp(requantise(128 pixel - offset), -127, 127)`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PixelNorm {
    /// 128 times the pixel of code 0.
    pub offset: i16,
    /// From 128ths of a pixel to codes.
    pub requant: Requant,
    /// Zero.
    pub reserved: u16,
}

impl PixelNorm {
    /// The code of a pixel.
    #[must_use]
    pub const fn code(&self, pixel: u8) -> i8 {
        let centred = ((pixel as i32) << FRACTION) - self.offset as i32;
        let code = self.requant.apply(centred);
        if code > LIMIT {
            LIMIT as i8
        } else if code < -LIMIT {
            -LIMIT as i8
        } else {
            code as i8
        }
    }
}

/// Normalisation of every channel of a picture.
#[derive(Clone, Copy, Debug)]
pub struct PixelParams<'a> {
    norm: &'a [PixelNorm],
}

impl<'a> PixelParams<'a> {
    /// A norm for each channel.
    #[must_use]
    pub const fn new(norm: &'a [PixelNorm]) -> Self {
        Self { norm }
    }

    /// The norms.
    #[must_use]
    pub const fn norm(&self) -> &'a [PixelNorm] {
        self.norm
    }

    pub(crate) fn is_valid(&self) -> bool {
        let valid = |n: &PixelNorm| n.requant.is_valid() && n.reserved == 0;
        !self.norm.is_empty() && self.norm.iter().all(valid)
    }

    /// Writes the code of every byte of a picture, `[height][width][channel]`.
    /// Of slices of different lengths the shorter one counts.
    pub fn encode(&self, picture: &[u8], codes: &mut [i8]) {
        let norms = self.norm.iter().cycle();
        for ((code, &pixel), norm) in codes.iter_mut().zip(picture).zip(norms) {
            *code = norm.code(pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_real_rule() {
        // (pixel - 128) / 1 and (pixel - 127.5) / 1.25.
        let whole = PixelNorm {
            offset: 128 << 7,
            requant: Requant {
                mult: 1 << 14,
                pre: 0,
                post: 21,
            },
            reserved: 0,
        };
        let other = PixelNorm {
            offset: 16_320,
            requant: Requant {
                mult: 26_214,
                pre: 0,
                post: 22,
            },
            reserved: 0,
        };
        let params = [whole, other];
        let params = PixelParams::new(&params);
        assert!(params.is_valid());
        for pixel in 0..=255u8 {
            let mut codes = [0; 2];
            params.encode(&[pixel; 2], &mut codes);
            let value = f64::from(pixel);
            assert_eq!(f64::from(codes[0]), (value - 128.0).clamp(-127.0, 127.0));
            let want = ((value - 127.5) / 1.25).clamp(-127.0, 127.0);
            assert!((f64::from(codes[1]) - want).abs() <= 0.51, "{pixel}");
        }
    }
}
