//! A convolution of one image, with or without a gate, and its gradients.
use super::pad::{Digits, Spread, digits};
use super::tile::Product;
use super::{Shape, norm};
use crate::train::math::exp;
use pulp::Simd;

/// Shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Of the input.
    pub input: Shape,
    /// Of the output.
    pub output: Shape,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Zeros around the input.
    pub pad: usize,
}

impl Geometry {
    /// Numbers of the padded input.
    pub fn padded(&self) -> usize {
        (self.input[0] + 2 * self.pad) * self.padded_row()
    }

    fn padded_row(&self) -> usize {
        (self.input[1] + 2 * self.pad) * self.input[2]
    }

    /// Frame of the output's gradient for the transposed convolution.
    pub fn spread(&self) -> Spread {
        Spread {
            stride: self.stride,
            border: self.kernel - 1 - self.pad,
            columns: self.input[1] + self.kernel - 1,
        }
    }

    /// Numbers of that frame. Rows that no window of the input reaches are
    /// beyond it for a stride that does not divide the input, hence the larger.
    pub fn spread_len(&self) -> usize {
        let rows = self.input[0] + self.kernel - 1;
        rows * self.spread().columns * self.output[2]
    }

    /// Outputs of one image.
    pub fn outputs(&self) -> usize {
        self.output.iter().product()
    }
}

/// Weights of a convolution, rounded and in the orders that the passes read.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Codes, `[k, k C_in, C_out]`.
    pub forward: Vec<f32>,
    /// Codes of the kernel turned round, `[k, k C_out, C_in]`.
    pub backward: Vec<f32>,
    /// Value of one code, `[C_out]`.
    pub scale: Vec<f32>,
}

impl Weights {
    /// Rounds `w` `[C_out, k, k, C_in]` to codes up to `max`, or keeps it as it
    /// is where there is no `max`.
    pub fn prepare(&mut self, w: &[f32], g: &Geometry, max: Option<f32>) {
        let (k, inputs, outputs) = (g.kernel, g.input[2], g.output[2]);
        self.forward.resize(w.len(), 0.0);
        self.backward.resize(w.len(), 0.0);
        self.scale.resize(outputs, 0.0);
        let row = k * k * inputs;
        for (o, w) in w.chunks_exact(row).enumerate() {
            let largest = w.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let scale = max.map_or(1.0, |max| (largest / max).max(1e-12));
            self.scale[o] = scale;
            for (tap, w) in w.chunks_exact(inputs).enumerate() {
                for (c, w) in w.iter().enumerate() {
                    let code = if max.is_some() {
                        (w / scale).round()
                    } else {
                        *w
                    };
                    self.forward[(tap * inputs + c) * outputs + o] = code;
                    let turned = k * k - 1 - tap;
                    self.backward[(turned * outputs + o) * inputs + c] = code;
                }
            }
        }
    }
}

/// A gate between the two passes, per output channel.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// Thresholds, real.
    pub threshold: &'a [f32],
    /// Slopes of the surrogate, per real unit.
    pub alpha: &'a [f32],
    /// Channels that open together.
    pub group: usize,
    /// The gate's gradient passes only where it is open.
    pub sparse: bool,
}

/// What a gate leaves behind for one image, `[outputs]` each; empty where no
/// backward pass follows.
pub struct GateTape<'a> {
    /// `d mask / d h * l`, the factor of the surrogate's gradient.
    pub slope: &'a mut [f32],
    /// 1 where open, else 0.
    pub mask: &'a mut [u8],
}

/// Buffers of one thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    hi: Vec<f32>,
    lo: Vec<f32>,
    rows: [Vec<f32>; 2],
    spread: Vec<f32>,
    high: Vec<f32>,
    low: Vec<f32>,
}

/// Sizes a buffer that has to be zero outside what is written to it.
fn zeroed(buffer: &mut Vec<f32>, len: usize) {
    buffer.clear();
    buffer.resize(len, 0.0);
}

/// Counts of one or more images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Outputs that are open.
    pub open: u64,
    /// Prediction and update digits that are not zero.
    pub digits: [u64; 2],
}

impl Counts {
    /// Adds the counts of others.
    pub fn add(&mut self, other: &Self) {
        self.open += other.open;
        for (sum, v) in self.digits.iter_mut().zip(other.digits) {
            *sum += v;
        }
    }
}

/// One image: `out[i] = scale_x * scale_w * (w * code)`, gated if there is a
/// gate. `sums` (`[2, C_out]`) gets the sums of outputs and their squares.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn forward<S: Simd>(
    simd: S,
    g: &Geometry,
    split: Digits,
    codes: &[f32],
    scale_x: f32,
    weights: &Weights,
    gate: Option<Gate<'_>>,
    tape: GateTape<'_>,
    scratch: &mut Scratch,
    out: &mut [f32],
    sums: &mut [f32],
) -> Counts {
    let [height, width, n] = g.output;
    let split = if gate.is_some() { split } else { Digits::Whole };
    zeroed(&mut scratch.hi, g.padded());
    if gate.is_some() {
        zeroed(&mut scratch.lo, g.padded());
    }
    let digits = digits(
        codes,
        g.input,
        g.pad,
        split,
        &mut scratch.hi,
        &mut scratch.lo,
    );
    let mut counts = Counts { open: 0, digits };
    let row = width * n;
    scratch.rows.iter_mut().for_each(|r| r.resize(row, 0.0));
    let scale: Vec<f32> = weights.scale.iter().map(|s| s * scale_x).collect();
    let [high, low] = &mut scratch.rows;
    for y in 0..height {
        row_product(simd, g, weights, y, &scratch.hi, high);
        let out = &mut out[y * row..][..row];
        match gate {
            None => {
                for (out, z) in out.chunks_exact_mut(n).zip(high.chunks_exact(n)) {
                    for ((out, z), s) in out.iter_mut().zip(z).zip(&scale) {
                        *out = z * s;
                    }
                }
            }
            Some(gate) => {
                row_product(simd, g, weights, y, &scratch.lo, low);
                let tape = if tape.mask.is_empty() {
                    None
                } else {
                    Some((
                        &mut tape.slope[y * row..][..row],
                        &mut tape.mask[y * row..][..row],
                    ))
                };
                counts.open += combine(&gate, &scale, high, low, out, tape);
            }
        }
        norm::add_sums(out, n, sums);
    }
    counts
}

/// Output row `y` of the convolution of a padded map.
#[inline(always)]
fn row_product<S: Simd>(
    simd: S,
    g: &Geometry,
    weights: &Weights,
    y: usize,
    from: &[f32],
    to: &mut [f32],
) {
    let taps = g.kernel * g.input[2];
    Product {
        a: &from[y * g.stride * g.padded_row()..],
        a_row: g.stride * g.input[2],
        a_column: 1,
        a_segment: g.padded_row(),
        b: &weights.forward,
        b_segment: taps * g.output[2],
        segments: g.kernel,
        m: g.output[1],
        n: g.output[2],
        k: taps,
        c: to,
        accumulate: false,
    }
    .run(simd);
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

/// The gate over one row of pixels; returns how many outputs are open.
#[inline(always)]
fn combine(
    gate: &Gate<'_>,
    scale: &[f32],
    high: &[f32],
    low: &[f32],
    out: &mut [f32],
    mut tape: Option<(&mut [f32], &mut [u8])>,
) -> u64 {
    let n = scale.len();
    let (threshold, alpha) = (&gate.threshold[..n], &gate.alpha[..n]);
    let closed = if gate.sparse { 0.0 } else { 1.0 };
    let mut opened = 0u64;
    for (p, out) in out.chunks_exact_mut(n).enumerate() {
        let (high, low) = (&high[p * n..][..n], &low[p * n..][..n]);
        let mut open = 0.0f32;
        for c in 0..n {
            let (h, l) = (high[c] * scale[c], low[c] * scale[c]);
            let mask = if h > threshold[c] { 1.0 } else { 0.0 };
            open += mask;
            out[c] = h + mask * l;
        }
        if let Some((slope, mask)) = &mut tape {
            let (slope, mask) = (&mut slope[p * n..][..n], &mut mask[p * n..][..n]);
            for c in 0..n {
                let (h, l) = (high[c] * scale[c], low[c] * scale[c]);
                let margin = h - threshold[c];
                let e = exp(-(alpha[c] * margin).abs());
                let s = l * alpha[c] * e / ((1.0 + e) * (1.0 + e));
                slope[c] = if margin > 0.0 { s } else { s * closed };
                mask[c] = u8::from(margin > 0.0);
            }
        }
        if gate.group > 1 {
            open = grouped(gate, scale, high, low, out, &mut tape, p);
        }
        opened += open as u64;
    }
    opened
}

/// One pixel where channels open together: all of a group if any of them would.
/// A channel that decides otherwise than its group passes no gradient.
#[inline(always)]
fn grouped(
    gate: &Gate<'_>,
    scale: &[f32],
    high: &[f32],
    low: &[f32],
    out: &mut [f32],
    tape: &mut Option<(&mut [f32], &mut [u8])>,
    pixel: usize,
) -> f32 {
    let n = scale.len();
    let mut open = 0.0;
    for first in (0..n).step_by(gate.group) {
        let group = first..(first + gate.group).min(n);
        let own = |c: usize| high[c] * scale[c] > gate.threshold[c];
        let any = group.clone().any(own);
        for c in group {
            if any {
                out[c] = (high[c] + low[c]) * scale[c];
                open += 1.0;
            }
            if let Some((slope, mask)) = tape {
                mask[pixel * n + c] = u8::from(any);
                if own(c) != any {
                    slope[pixel * n + c] = 0.0;
                }
            }
        }
    }
    open
}

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
