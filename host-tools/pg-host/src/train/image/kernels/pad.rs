//! Maps with a border, as digits or spread out.
use super::Shape;
use pg_runtime::quant::Split;

/// How the codes of a map become what the two passes read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Digits {
    /// One pass reads whole codes.
    Whole,
    /// The prediction pass reads the most significant digit, as `hb << s`, the
    /// update pass the rest: `hb << s = step * floor((q + round) / step)`.
    Split {
        /// `2^s`.
        step: f32,
        /// Half of it where codes are signed, else zero.
        round: f32,
    },
}

impl Digits {
    /// The digits of a split.
    pub fn of(split: Split, signed: bool) -> Self {
        let step = f32::from(1u16 << split.shift());
        let round = if signed && step > 1.0 {
            step / 2.0
        } else {
            0.0
        };
        Self::Split { step, round }
    }
}

/// Copies `codes` `[H, W, C]` into the middle of `hi` `[H + 2 pad, W + 2 pad, C]`,
/// which is zero around it, or splits them into `hi` and `lo`. Returns how many
/// digits of either are not zero.
#[inline(always)]
pub fn digits(
    codes: &[f32],
    [height, width, channels]: Shape,
    pad: usize,
    digits: Digits,
    hi: &mut [f32],
    lo: &mut [f32],
) -> [u64; 2] {
    let row = width * channels;
    let padded = (width + 2 * pad) * channels;
    let mut count = [0.0f32; 2];
    let mut total = [0u64; 2];
    for y in 0..height {
        let at = (y + pad) * padded + pad * channels;
        let from = &codes[y * row..][..row];
        let hi = &mut hi[at..][..row];
        match digits {
            Digits::Whole => {
                hi.copy_from_slice(from);
                for q in from {
                    count[0] += if *q == 0.0 { 0.0 } else { 1.0 };
                }
            }
            Digits::Split { step, round } => {
                let lo = &mut lo[at..][..row];
                let inverse = 1.0 / step;
                for ((q, hi), lo) in from.iter().zip(hi).zip(lo) {
                    // Codes are whole and `step` is a power of two: exact.
                    *hi = ((q + round) * inverse).floor() * step;
                    *lo = q - *hi;
                    count[0] += if *hi == 0.0 { 0.0 } else { 1.0 };
                    count[1] += if *lo == 0.0 { 0.0 } else { 1.0 };
                }
            }
        }
        total = [total[0] + count[0] as u64, total[1] + count[1] as u64];
        count = [0.0; 2];
    }
    total
}

/// A gradient in the frame that the transposed convolution reads: pixel
/// `(stride y + border, stride x + border)` of a zeroed map `columns` wide.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Distance between pixels.
    pub stride: usize,
    /// First row and column.
    pub border: usize,
    /// Pixels of a row of the target.
    pub columns: usize,
}

impl Spread {
    /// Where pixel `(y, 0)` of `channels` channels starts, and the distance to
    /// the next pixel.
    #[inline(always)]
    pub fn row(self, y: usize, channels: usize) -> (usize, usize) {
        let at = (y * self.stride + self.border) * self.columns + self.border;
        (at * channels, self.stride * channels)
    }
}
