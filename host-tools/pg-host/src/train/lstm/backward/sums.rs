//! Gradients that are sums over all frames.
use super::{Grads, Input};
use crate::train::lstm::LstmSpec;
use crate::train::lstm::forward::Shard;
use crate::train::lstm::weights::Prepared;
use crate::train::math::round_half_up;
use crate::train::matmul::{Operand, product};

impl Shard {
    /// One product per operand over all frames and clips at once.
    pub(super) fn weight_gradients(
        &self,
        spec: &LstmSpec,
        weights: &Prepared,
        t: usize,
        grads: &mut Grads,
    ) {
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
    pub(super) fn input_gradients(
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
}
