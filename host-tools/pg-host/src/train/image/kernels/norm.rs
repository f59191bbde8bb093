//! Batch norm, shortcut and quantiser of one image.
use super::Shape;

/// Adds the channel sums of `rows` `[P, n]` and of their squares to `sums` `[2, n]`.
#[inline(always)]
pub fn add_sums(rows: &[f32], n: usize, sums: &mut [f32]) {
    let (sum, square) = sums.split_at_mut(n);
    let (sum, square) = (&mut sum[..n], &mut square[..n]);
    for row in rows.chunks_exact(n) {
        for c in 0..n {
            sum[c] += row[c];
            square[c] += row[c] * row[c];
        }
    }
}

/// From values to codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Codes {
    /// No rounding: the code is the value.
    Real {
        /// Negative values become zero.
        relu: bool,
    },
    /// `clamp(floor(value / scale + 1/2), low, high)`.
    Whole {
        /// Value of one code.
        scale: f32,
        /// Smallest code.
        low: f32,
        /// Largest code.
        high: f32,
        /// Which gradient the range has.
        lsq: bool,
    },
}

impl Codes {
    /// Codes of `bits` bits with range `clip`.
    pub fn whole(clip: f32, bits: u8, signed: bool, lsq: bool) -> Self {
        let (low, high) = if signed {
            let most = f32::from((1u16 << (bits - 1)) - 1);
            (-most, most)
        } else {
            (0.0, f32::from((1u16 << bits) - 1))
        };
        Self::Whole {
            scale: clip / high,
            low,
            high,
            lsq,
        }
    }

    /// Value of one code.
    pub fn scale(&self) -> f32 {
        match self {
            Self::Real { .. } => 1.0,
            Self::Whole { scale, .. } => *scale,
        }
    }

    /// Replaces values by codes.
    #[inline(always)]
    pub fn encode(&self, values: &mut [f32]) {
        match *self {
            Self::Real { relu: false } => {}
            Self::Real { relu: true } => values.iter_mut().for_each(|v| *v = v.max(0.0)),
            Self::Whole {
                scale, low, high, ..
            } => {
                let inverse = 1.0 / scale;
                for v in values {
                    *v = (*v * inverse + 0.5).floor().clamp(low, high);
                }
            }
        }
    }

    /// Sets the gradient to zero where `values` are cut off; returns the
    /// gradient of the range. Rounding passes it straight through.
    #[inline(always)]
    pub fn gradient(&self, values: &[f32], gradient: &mut [f32]) -> f32 {
        match *self {
            Self::Real { relu: false } => 0.0,
            Self::Real { relu: true } => {
                for (d, v) in gradient.iter_mut().zip(values) {
                    *d = if *v > 0.0 { *d } else { 0.0 };
                }
                0.0
            }
            Self::Whole {
                scale,
                low,
                high,
                lsq,
            } => {
                let inverse = 1.0 / scale;
                // The range is `scale * high`: its gradient is that of the scale over `high`.
                let per_code = 1.0 / high;
                let bottom = if low < 0.0 { -high } else { 0.0 };
                let inside = if lsq { per_code } else { 0.0 };
                let mut range = [0.0f32; 8];
                let lanes = gradient.chunks_mut(8).zip(values.chunks(8));
                for (d, v) in lanes {
                    for ((d, v), range) in d.iter_mut().zip(v).zip(&mut range) {
                        let code = v * inverse;
                        let error = (code + 0.5).floor() - code;
                        let (above, below) = (code >= high, code <= bottom);
                        let weight = if above {
                            1.0
                        } else if below {
                            bottom * per_code
                        } else {
                            error * inside
                        };
                        *range += *d * weight;
                        *d = if above || below { 0.0 } else { *d };
                    }
                }
                range.iter().sum()
            }
        }
    }
}

/// The map that is added before quantisation.
#[derive(Clone, Copy)]
pub struct Added<'a> {
    /// Its codes, one image.
    pub codes: &'a [f32],
    /// Value of one of them.
    pub scale: f32,
    /// Where they go.
    pub place: Place,
}

/// Which pixels and channels of a map meet which of the output.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Shape of the map.
    pub shape: Shape,
    /// Distance between the pixels that are read.
    pub stride: usize,
    /// First channel of the output.
    pub first: usize,
}

impl Place {
    /// Where pixel `(y, x)` starts in the map.
    #[inline(always)]
    fn at(&self, y: usize, x: usize) -> usize {
        (y * self.stride * self.shape[1] + x * self.stride) * self.shape[2]
    }
}

/// Batch norm as a factor and an offset, `[C]` each.
#[derive(Clone, Copy)]
pub struct Affine<'a> {
    /// Factor.
    pub factor: &'a [f32],
    /// Offset.
    pub offset: &'a [f32],
}

/// The values before quantisation of output row `y`.
#[inline(always)]
fn values(row: &[f32], y: usize, norm: Affine<'_>, added: Option<Added<'_>>, out: &mut [f32]) {
    let n = norm.factor.len();
    let (factor, offset) = (&norm.factor[..n], &norm.offset[..n]);
    for (out, row) in out.chunks_exact_mut(n).zip(row.chunks_exact(n)) {
        for c in 0..n {
            out[c] = row[c] * factor[c] + offset[c];
        }
    }
    if let Some(a) = added {
        let channels = a.place.shape[2];
        for (x, out) in out.chunks_exact_mut(n).enumerate() {
            let from = &a.codes[a.place.at(y, x)..][..channels];
            for (out, q) in out[a.place.first..][..channels].iter_mut().zip(from) {
                *out += q * a.scale;
            }
        }
    }
}

/// Codes of one image from the convolution's outputs `z` `[H, W, C]`.
#[inline(always)]
pub fn forward(
    z: &[f32],
    width: usize,
    norm: Affine<'_>,
    added: Option<Added<'_>>,
    codes: Codes,
    out: &mut [f32],
) {
    let row = width * norm.factor.len();
    let rows = out.chunks_exact_mut(row).zip(z.chunks_exact(row));
    for (y, (out, z)) in rows.enumerate() {
        values(z, y, norm, added, out);
        codes.encode(out);
    }
}

/// The gradient of what is added, and whether it is its first.
pub struct AddedGradient<'a> {
    /// One image.
    pub gradient: &'a mut [f32],
    /// Nothing is there yet.
    pub first: bool,
}

/// From the gradient of the codes' values to that of the batch norm's output,
/// in place; `sums` `[2, C]` gets its sums and those of its product with `z`.
/// Returns the gradient of the range.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward(
    z: &[f32],
    width: usize,
    norm: Affine<'_>,
    added: Option<Added<'_>>,
    codes: Codes,
    gradient: &mut [f32],
    to_added: Option<AddedGradient<'_>>,
    room: &mut Vec<f32>,
    sums: &mut [f32],
) -> f32 {
    let n = norm.factor.len();
    let row = width * n;
    room.resize(row, 0.0);
    let (sum, product) = sums.split_at_mut(n);
    let (sum, product) = (&mut sum[..n], &mut product[..n]);
    let mut range = 0.0;
    let rows = gradient.chunks_exact_mut(row).zip(z.chunks_exact(row));
    for (y, (d, z)) in rows.enumerate() {
        values(z, y, norm, added, room);
        range += codes.gradient(room, d);
        for (d, z) in d.chunks_exact(n).zip(z.chunks_exact(n)) {
            for c in 0..n {
                sum[c] += d[c];
                product[c] += d[c] * z[c];
            }
        }
    }
    if let (Some(a), Some(to)) = (added, to_added) {
        let channels = a.place.shape[2];
        if to.first {
            to.gradient.fill(0.0);
        }
        for (y, d) in gradient.chunks_exact(row).enumerate() {
            for (x, d) in d.chunks_exact(n).enumerate() {
                let to = &mut to.gradient[a.place.at(y, x)..][..channels];
                for (to, d) in to.iter_mut().zip(&d[a.place.first..][..channels]) {
                    *to += d;
                }
            }
        }
    }
    range
}

/// Through the batch norm, in place: `d = factor d + constant + slope z`.
#[inline(always)]
pub fn through(z: &[f32], factor: &[f32], constant: &[f32], slope: &[f32], gradient: &mut [f32]) {
    let n = factor.len();
    let (constant, slope) = (&constant[..n], &slope[..n]);
    for (d, z) in gradient.chunks_exact_mut(n).zip(z.chunks_exact(n)) {
        for c in 0..n {
            d[c] = factor[c] * d[c] + constant[c] + slope[c] * z[c];
        }
    }
}
