//! The backward pass of one image.
use super::{Geometry, Scratch, Weights, zeroed};
use crate::train::image::kernels::pad::{Digits, digits};
use crate::train::image::kernels::tile::Product;
use pulp::Simd;

/// What the backward pass of one image reads.
pub struct Backward<'a> {
    /// Codes of the input.
    pub codes: &'a [f32],
    /// How they were split.
    pub split: Digits,
    /// Gradient with respect to the output, `[outputs]`.
    pub gradient: &'a [f32],
    /// What the gate left behind; empty without one.
    pub slope: &'a [f32],
    /// Likewise.
    pub mask: &'a [u8],
}

/// What the backward pass adds to.
pub struct Gradients<'a> {
    /// With respect to the input's values, `[H, W, C_in]`.
    pub input: Option<&'a mut [f32]>,
    /// The first gradient of this input: nothing is there yet.
    pub first: bool,
    /// With respect to the weights, per code of the input, `[k, k C_in, C_out]`.
    pub weights: &'a mut [f32],
    /// With respect to the thresholds, `[C_out]`.
    pub threshold: &'a mut [f32],
}

/// Pixels of the output that are multiplied at once for the gradient of the
/// weights: few enough to stay in the first cache.
const PIXELS: usize = 128;

/// Gradients of one image. With upstream gradient `g`, mask `m` and
/// `s = g * slope`: `g + s` belongs to the prediction `h`, `m g` to the update
/// `l`, `-s` to the threshold. Truncation passes the gradient to the input
/// through the most significant digit, so one transposed convolution of `g + s`
/// is the gradient of the input.
#[inline(always)]
pub fn backward<S: Simd>(
    simd: S,
    g: &Geometry,
    weights: &Weights,
    at: &Backward<'_>,
    scratch: &mut Scratch,
    mut to: Gradients<'_>,
) {
    let [height, width, n] = g.output;
    let gated = !at.mask.is_empty();
    let split = if gated { at.split } else { Digits::Whole };
    zeroed(&mut scratch.hi, g.padded());
    if gated {
        zeroed(&mut scratch.lo, g.padded());
        scratch.high.resize(g.outputs(), 0.0);
        scratch.low.resize(g.outputs(), 0.0);
        let mut sums = vec![0.0; n];
        for (p, d) in at.gradient.chunks_exact(n).enumerate() {
            let (slope, mask) = (&at.slope[p * n..][..n], &at.mask[p * n..][..n]);
            let high = &mut scratch.high[p * n..][..n];
            let low = &mut scratch.low[p * n..][..n];
            for c in 0..n {
                let s = d[c] * slope[c];
                high[c] = d[c] + s;
                low[c] = d[c] * f32::from(mask[c]);
                sums[c] -= s;
            }
        }
        for (to, sum) in to.threshold.iter_mut().zip(sums) {
            *to += sum;
        }
    }
    digits(
        at.codes,
        g.input,
        g.pad,
        split,
        &mut scratch.hi,
        &mut scratch.lo,
    );
    let d_high: &[f32] = if gated { &scratch.high } else { at.gradient };
    // Weights.
    let (row, taps) = (g.padded_row(), g.kernel * g.input[2]);
    let rows = (PIXELS / width).clamp(1, height);
    for y in (0..height).step_by(rows) {
        let segments = rows.min(height - y);
        for (ky, to) in to.weights.chunks_exact_mut(taps * n).enumerate() {
            let first = (y * g.stride + ky) * row;
            let rows = (y, segments);
            weight_product(simd, g, rows, &scratch.hi[first..], d_high, to);
            if gated {
                weight_product(simd, g, rows, &scratch.lo[first..], &scratch.low, to);
            }
        }
    }
    // Input.
    let Some(input) = to.input.as_mut() else {
        return;
    };
    let spread = g.spread();
    zeroed(&mut scratch.spread, g.spread_len());
    for (y, d) in d_high.chunks_exact(width * n).enumerate() {
        let (at, step) = spread.row(y, n);
        let places = scratch.spread[at..].chunks_mut(step);
        for (to, d) in places.zip(d.chunks_exact(n)) {
            for ((to, d), s) in to.iter_mut().zip(d).zip(&weights.scale) {
                *to = d * s;
            }
        }
    }
    let segment = g.kernel * n * g.input[2];
    for (y, to_row) in input.chunks_exact_mut(g.input[1] * g.input[2]).enumerate() {
        // Rows between those of the gradient are zero: skipped.
        let first = (spread.border + g.stride - y % g.stride) % g.stride;
        let segments = g.kernel.saturating_sub(first).div_ceil(g.stride);
        let start = (y + first).min(g.input[0] + g.kernel - 2);
        Product {
            a: &scratch.spread[start * spread.columns * n..],
            a_row: n,
            a_column: 1,
            a_segment: g.stride * spread.columns * n,
            b: weights.backward.get(first * segment..).unwrap_or(&[]),
            b_segment: g.stride * segment,
            segments,
            m: g.input[1],
            n: g.input[2],
            k: g.kernel * n,
            c: to_row,
            accumulate: !to.first,
        }
        .run(simd);
    }
}

/// Adds the gradient of one row of the kernel, `to` `[k C_in, C_out]`, over
/// `rows` rows of the output from `y` on; `from` is the padded map from the
/// first input row that they meet.
#[inline(always)]
fn weight_product<S: Simd>(
    simd: S,
    g: &Geometry,
    (y, rows): (usize, usize),
    from: &[f32],
    d: &[f32],
    to: &mut [f32],
) {
    let (width, n) = (g.output[1], g.output[2]);
    Product {
        a: from,
        a_row: 1,
        a_column: g.stride * g.input[2],
        a_segment: g.stride * g.padded_row(),
        b: &d[y * width * n..],
        b_segment: width * n,
        segments: rows,
        m: g.kernel * g.input[2],
        n,
        k: width,
        c: to,
        accumulate: true,
    }
    .run(simd);
}
