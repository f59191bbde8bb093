//! Back-propagation through time, on the buffers the forward pass left.
use super::forward::{Shard, Tape, group_masks};
use super::weights::Prepared;
use super::{LstmSpec, sign};
use crate::train::math::round_half_up;
use crate::train::matmul::{Operand, product};
use crate::train::simd::dispatch;
use rayon::prelude::*;

/// Gradients of the layer's parameters, shaped like [`super::weights::WeightView`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grads {
    /// `[N, I]`.
    pub w_x: Vec<f32>,
    /// `[N, H]`.
    pub w_h: Vec<f32>,
    /// `[N]`.
    pub bias: Vec<f32>,
    /// Of the input `[B, T, I]`; empty unless it is asked for.
    pub x: Vec<f32>,
    /// `[N]`; zero without a gate.
    pub threshold: Vec<f32>,
    /// Of the input scale; zero unless it is learned.
    pub scale_x: f32,
    /// Of the activation scale; zero without quantisation.
    pub scale_h: f32,
}

impl Grads {
    fn zeros(spec: &LstmSpec) -> Self {
        let n = spec.rows();
        Self {
            w_x: vec![0.0; n * spec.inputs],
            w_h: vec![0.0; n * spec.hidden],
            bias: vec![0.0; n],
            threshold: vec![0.0; n],
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        let sum = |a: &mut [f32], b: &[f32]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        sum(&mut self.w_x, &other.w_x);
        sum(&mut self.w_h, &other.w_h);
        sum(&mut self.bias, &other.bias);
        sum(&mut self.threshold, &other.threshold);
        self.x.extend_from_slice(&other.x);
        self.scale_x += other.scale_x;
        self.scale_h += other.scale_h;
    }
}

/// Gradients of the loss given `d_out` `[B, T, H]`, its gradient with respect
/// to the output of [`super::forward`]. The temporal pressure is added here.
/// `x` and `mask` are the forward pass's input. The tape's buffers are
/// overwritten.
///
/// # Panics
/// When `d_out`, `x` or `mask` does not have the shape of the forward pass.
pub fn backward(
    spec: &LstmSpec,
    tape: &mut Tape,
    x: &[f32],
    mask: Option<&[f32]>,
    d_out: &[f32],
) -> Grads {
    let (batch, frames) = (tape.batch, tape.frames);
    assert_eq!(
        d_out.len(),
        batch * frames * spec.hidden,
        "gradient has another shape"
    );
    assert_eq!(
        x.len(),
        batch * frames * spec.inputs,
        "features have another shape"
    );
    let weights = &tape.weights;
    let mut start = 0;
    let mut jobs = Vec::with_capacity(tape.shards.len());
    for shard in &mut tape.shards {
        let clips = shard.clips;
        jobs.push((shard, start));
        start += clips;
    }
    let count = (batch * frames * spec.hidden) as f32;
    let parts: Vec<Grads> = jobs
        .into_par_iter()
        .map(|(shard, start)| {
            let (from, to) = (start * frames, (start + shard.clips) * frames);
            let d_out = &d_out[from * spec.hidden..to * spec.hidden];
            let own = from * spec.inputs..to * spec.inputs;
            let input = Input {
                x: &x[own.clone()],
                mask: mask.map(|m| &m[own]),
            };
            shard.backward(spec, weights, frames, input, d_out, count)
        })
        .collect();
    // In shard order, so that the sums do not depend on the threads.
    let mut total = Grads::zeros(spec);
    for part in &parts {
        total.add(part);
    }
    total
}

/// The forward pass's input of a shard.
#[derive(Clone, Copy)]
struct Input<'a> {
    x: &'a [f32],
    mask: Option<&'a [f32]>,
}

/// Gradient rows carried from frame to frame.
struct Carry {
    /// `[R, H]` gradient of the hidden state from the frame after.
    hidden: Vec<f32>,
    /// `[R, H]` gradient of the cell state.
    cell: Vec<f32>,
    /// `[N]` pre-activation gradients of one clip.
    dz: Vec<f32>,
    /// `[H]` sums for the activation scale.
    scale: Vec<f32>,
}

struct Frame<'a> {
    shard: &'a mut Shard,
    spec: &'a LstmSpec,
    weights: &'a Prepared,
    /// This frame, and the number of frames.
    at: (usize, usize),
    d_out: &'a [f32],
    count: f32,
    carry: &'a mut Carry,
    grads: &'a mut Grads,
}

impl pulp::WithSimd for Frame<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self {
            shard,
            spec,
            weights,
            at: (frame, frames),
            d_out,
            count,
            carry,
            grads,
        } = self;
        shard.frame_back(spec, weights, frame, frames, d_out, count, carry, grads);
    }
}

impl Shard {
    fn backward(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        frames: usize,
        input: Input<'_>,
        d_out: &[f32],
        count: f32,
    ) -> Grads {
        let (r, t, i, h, n) = (self.clips, frames, spec.inputs, spec.hidden, spec.rows());
        let mut grads = Grads::zeros(spec);
        let mut carry = Carry {
            hidden: vec![0.0; r * h],
            cell: vec![0.0; r * h],
            dz: vec![0.0; n],
            scale: vec![0.0; h],
        };
        for frame in (0..t).rev() {
            dispatch(Frame {
                shard: self,
                spec,
                weights,
                at: (frame, t),
                d_out,
                count,
                carry: &mut carry,
                grads: &mut grads,
            });
            if frame > 0 {
                let zs = frame * r * n..(frame + 1) * r * n;
                product(
                    (r, h, n),
                    Operand::rows(&self.z_hb[zs], n),
                    Operand::rows(&weights.h_backward, h),
                    &mut carry.hidden,
                    false,
                );
            }
        }
        grads.scale_h = carry.scale.iter().sum();
        self.weight_gradients(spec, weights, t, &mut grads);
        let scaled = spec.quantised() && spec.learn_input_scale;
        if scaled || spec.input_gradient {
            let mut d_x = vec![0.0; t * r * i];
            product(
                (t * r, i, n),
                Operand::rows(&self.z_hb, n),
                Operand::rows(&weights.x_backward, i),
                &mut d_x,
                false,
            );
            self.input_gradients(spec, weights, t, input, &d_x, &mut grads);
        }
        grads
    }

    /// One product per operand over all frames and clips at once.
    fn weight_gradients(&self, spec: &LstmSpec, weights: &Prepared, t: usize, grads: &mut Grads) {
        let (r, i, h, n) = (self.clips, spec.inputs, spec.hidden, spec.rows());
        let k = t * r;
        let mut digits = |dz: &[f32], x: &[f32], hidden: &[f32], accumulate: bool| {
            product(
                (n, i, k),
                Operand::transposed(dz, n),
                Operand::rows(x, i),
                &mut grads.w_x,
                accumulate,
            );
            product(
                (n, h, k),
                Operand::transposed(dz, n),
                Operand::rows(&hidden[..k * h], h),
                &mut grads.w_h,
                accumulate,
            );
        };
        digits(&self.z_hb, &self.x_hb, &self.h_hb, false);
        if spec.gated() {
            digits(&self.z_lb, &self.x_lb, &self.h_lb, true);
        }
        grads.w_x.iter_mut().for_each(|g| *g *= weights.scale_x);
        grads.w_h.iter_mut().for_each(|g| *g *= weights.scale_h);
    }

    /// Gradients of the input and, by LSQ, of its scale, from `d_x` `[T, R, I]`,
    /// that of the codes' values.
    fn input_gradients(
        &self,
        spec: &LstmSpec,
        weights: &Prepared,
        t: usize,
        input: Input<'_>,
        d_x: &[f32],
        grads: &mut Grads,
    ) {
        let (r, i, max) = (self.clips, spec.inputs, spec.code_max());
        let inverse = 1.0 / weights.scale_x;
        if spec.input_gradient {
            grads.x.resize(input.x.len(), 0.0);
        }
        let mut total = 0.0f64;
        for (row, d) in d_x.chunks_exact(i).enumerate() {
            let at = ((row % r) * t + row / r) * i;
            for (k, d) in d.iter().enumerate() {
                let d = d * input.mask.map_or(1.0, |m| m[at + k]);
                let v = input.x[at + k] / weights.scale_x;
                let inside = v.abs() <= max || !spec.quantised();
                let code = round_half_up(input.x[at + k] * inverse).clamp(-max, max);
                total += f64::from(d * if inside { code - v } else { code });
                if spec.input_gradient {
                    grads.x[at + k] = if inside { d } else { 0.0 };
                }
            }
        }
        if spec.quantised() && spec.learn_input_scale {
            grads.scale_x = total as f32;
        }
    }

    /// Everything of one frame that is not a matrix product: leaves the
    /// gradients of `z_hb` and `z_lb` in place of their values.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn frame_back(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        frame: usize,
        frames: usize,
        d_out: &[f32],
        count: f32,
        carry: &mut Carry,
        grads: &mut Grads,
    ) {
        let (r, h, n) = (self.clips, spec.hidden, spec.rows());
        for clip in 0..r {
            let zs = (frame * r + clip) * n;
            let at = (frame * r + clip) * h;
            let next = at + r * h;
            let d_hidden = &mut carry.hidden[clip * h..(clip + 1) * h];
            for (a, b) in d_hidden
                .iter_mut()
                .zip(&d_out[(clip * frames + frame) * h..][..h])
            {
                *a += b;
            }
            if spec.temporal > 0.0 {
                self.temporal(spec, frame, frames, clip, count, d_hidden);
            }
            let gates = &self.gates[zs..zs + n];
            let (input, forget) = (&gates[..h], &gates[h..2 * h]);
            let (candidate, output) = (&gates[2 * h..3 * h], &gates[3 * h..]);
            let tanh_cell = &self.tanh_cell[at..at + h];
            if spec.quantised() {
                let (inverse, max) = (1.0 / weights.scale_h, spec.code_max());
                let hb = &self.h_hb[next..next + h];
                let lb = if spec.gated() {
                    &self.h_lb[next..next + h]
                } else {
                    &tanh_cell[..0]
                };
                let sums = &mut carry.scale[..h];
                for k in 0..h {
                    let v = output[k] * tanh_cell[k] * inverse;
                    let inside = v.abs() <= max;
                    let code = if spec.gated() { hb[k] + lb[k] } else { hb[k] };
                    sums[k] += d_hidden[k] * (code - if inside { v } else { 0.0 });
                    d_hidden[k] = if inside { d_hidden[k] } else { 0.0 };
                }
            }
            let cell = &self.cell[at..at + h];
            let d_cell = &mut carry.cell[clip * h..(clip + 1) * h];
            let (dz_i, rest) = carry.dz.split_at_mut(h);
            let (dz_f, rest) = rest.split_at_mut(h);
            let (dz_g, dz_o) = rest.split_at_mut(h);
            let (dz_i, dz_f, dz_g, dz_o) = (
                &mut dz_i[..h],
                &mut dz_f[..h],
                &mut dz_g[..h],
                &mut dz_o[..h],
            );
            for k in 0..h {
                let (i, f, g, o) = (input[k], forget[k], candidate[k], output[k]);
                let tc = tanh_cell[k];
                let dh = d_hidden[k];
                let dc = d_cell[k] + dh * o * (1.0 - tc * tc);
                dz_i[k] = dc * g * i * (1.0 - i);
                dz_f[k] = dc * cell[k] * f * (1.0 - f);
                dz_g[k] = dc * i * (1.0 - g * g);
                dz_o[k] = dh * tc * o * (1.0 - o);
                d_cell[k] = dc * f;
            }
            let dz = &carry.dz[..n];
            let z_hb = &mut self.z_hb[zs..zs + n];
            let d_bias = &mut grads.bias[..n];
            if spec.gated() {
                let z_lb = &mut self.z_lb[zs..zs + n];
                let threshold = &weights.threshold[..n];
                let d_threshold = &mut grads.threshold[..n];
                let masks = &mut self.masks[..h];
                let grouped = spec.group.units();
                if let Some(units) = grouped {
                    // While z_hb still holds the predictions.
                    group_masks(spec, units, threshold, z_hb, masks);
                }
                for k in 0..n {
                    let (g, high) = (dz[k], z_hb[k]);
                    let slope = g * z_lb[k];
                    let (by_high, by_threshold) = spec.slopes(high);
                    d_threshold[k] += slope * by_threshold;
                    let d_high = g + slope * by_high;
                    z_hb[k] = d_high;
                    let open = spec.margin(high, threshold[k]) > 0.0;
                    z_lb[k] = if open { g } else { 0.0 };
                    d_bias[k] += d_high;
                }
                if grouped.is_some() {
                    let gates = z_lb.chunks_exact_mut(h).zip(dz.chunks_exact(h));
                    for (z_lb, dz) in gates {
                        for ((z_lb, g), mask) in z_lb.iter_mut().zip(dz).zip(&*masks) {
                            *z_lb = mask * g;
                        }
                    }
                }
            } else {
                z_hb.copy_from_slice(dz);
                d_bias.iter_mut().zip(dz).for_each(|(sum, g)| *sum += g);
            }
        }
    }

    /// Adds the gradient of `temporal * mean |h_t - h_(t-1)|` for one clip.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn temporal(
        &self,
        spec: &LstmSpec,
        frame: usize,
        frames: usize,
        clip: usize,
        count: f32,
        d_hidden: &mut [f32],
    ) {
        let (r, h) = (self.clips, spec.hidden);
        let weight = spec.temporal / count;
        let code = |row: usize, k: usize| {
            let at = (row * r + clip) * h + k;
            self.h_hb[at] + if spec.gated() { self.h_lb[at] } else { 0.0 }
        };
        for (k, d_hidden) in d_hidden.iter_mut().enumerate().take(h) {
            let change = code(frame + 1, k) - code(frame, k);
            let ahead = if frame + 1 < frames {
                code(frame + 2, k) - code(frame + 1, k)
            } else {
                0.0
            };
            *d_hidden += weight * (sign(change) - sign(ahead));
        }
    }
}
