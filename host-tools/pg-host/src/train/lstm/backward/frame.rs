//! One frame: from the gradient of the hidden codes to that of the two passes.
use super::{Carry, Grads};
use crate::train::lstm::forward::{Shard, group_masks};
use crate::train::lstm::weights::Prepared;
use crate::train::lstm::{LstmSpec, sign};

/// [`Shard::frame_back`], compiled for the processor it runs on.
pub(super) struct Frame<'a> {
    pub(super) shard: &'a mut Shard,
    pub(super) spec: &'a LstmSpec,
    pub(super) weights: &'a Prepared,
    /// This frame, and the number of frames.
    pub(super) at: (usize, usize),
    pub(super) d_out: &'a [f32],
    pub(super) count: f32,
    pub(super) carry: &'a mut Carry,
    pub(super) grads: &'a mut Grads,
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
