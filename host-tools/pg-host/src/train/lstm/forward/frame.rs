//! One frame: gate, nonlinearities, cell and the next hidden codes.
use super::gate::gate;
use super::inputs::Cut;
use super::tape::Shard;
use crate::train::lstm::weights::Prepared;
use crate::train::lstm::{CELL_LIMIT, LstmSpec, Z_LIMIT};
use crate::train::math::{round_half_up, sigmoid, tanh};

/// [`Shard::frame`], compiled for the processor it runs on; see
/// [`super::inputs::LoadInputs`].
pub(super) struct Frame<'a> {
    /// Buffers, with the accumulators of this frame.
    pub shard: &'a mut Shard,
    /// Properties of the layer.
    pub spec: &'a LstmSpec,
    /// Weights and scales.
    pub weights: &'a Prepared,
    /// Number of this frame.
    pub frame: usize,
    /// Frames, `T`.
    pub frames: usize,
    /// Whether a backward pass follows.
    pub training: bool,
    /// Hidden states of the shard, `[R, T, H]`.
    pub out: &'a mut [f32],
}

impl pulp::WithSimd for Frame<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self {
            shard,
            spec,
            weights,
            frame,
            frames,
            training,
            out,
        } = self;
        shard.frame(spec, weights, frame, frames, training, out);
    }
}

impl Shard {
    /// Everything of one frame that is not a matrix product.
    #[inline(always)]
    fn frame(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        frame: usize,
        frames: usize,
        training: bool,
        out: &mut [f32],
    ) {
        let (r, h, n) = (self.clips, spec.hidden, spec.rows());
        let (mut open, mut changed, mut entries) = (0u32, 0u32, 0.0f32);
        for clip in 0..r {
            let zs = (frame * r + clip) * n;
            let gates = &mut self.gates[zs..zs + n];
            let z_hb = &mut self.z_hb[zs..zs + n];
            if spec.gated() {
                let z_lb = &mut self.z_lb[zs..zs + n];
                let masks = &mut self.masks[..h];
                open += gate(spec, weights, training, z_hb, z_lb, masks, gates);
            } else {
                let limit = if spec.quantised() { Z_LIMIT } else { 30.0 };
                let rows = weights.row_scale[..n].iter().zip(&weights.bias[..n]);
                for ((a, z), (s, b)) in gates.iter_mut().zip(&*z_hb).zip(rows) {
                    *a = (z * s + b).clamp(-limit, limit);
                }
            }
            let (sigmoids, tail) = gates.split_at_mut(2 * h);
            let (candidate, output) = tail.split_at_mut(h);
            for a in sigmoids.iter_mut() {
                *a = sigmoid(*a);
            }
            for a in candidate.iter_mut() {
                *a = tanh(*a);
            }
            for a in output.iter_mut() {
                *a = sigmoid(*a);
            }
            let at = (frame * r + clip) * h;
            let next = at + r * h;
            let (input, forget) = sigmoids.split_at(h);
            let (cell, cell_next) = self.cell.split_at_mut(next);
            let (cell, cell_next) = (&cell[at..at + h], &mut cell_next[..h]);
            let tanh_cell = &mut self.tanh_cell[at..at + h];
            let (hb, hb_next) = self.h_hb.split_at_mut(next);
            let (hb, hb_next) = (&hb[at..at + h], &mut hb_next[..h]);
            let result = &mut out[(clip * frames + frame) * h..][..h];
            let limit = if spec.quantised() {
                CELL_LIMIT
            } else {
                f32::MAX
            };
            for k in 0..h {
                let c = (forget[k] * cell[k] + input[k] * candidate[k]).clamp(-limit, limit);
                cell_next[k] = c;
                tanh_cell[k] = tanh(c);
                result[k] = output[k] * tanh_cell[k];
            }
            if spec.quantised() {
                let (scale, inverse, max) =
                    (weights.scale_h, 1.0 / weights.scale_h, spec.code_max());
                if spec.gated() {
                    let cut = Cut::of(spec);
                    let lb_next = &mut self.h_lb[next..next + h];
                    for k in 0..h {
                        let code = round_half_up(result[k] * inverse).clamp(-max, max);
                        let (high, low) = cut.split(code);
                        changed += u32::from(high != hb[k]);
                        entries += (high - hb[k]).abs();
                        hb_next[k] = high;
                        lb_next[k] = low;
                        result[k] = code * scale;
                    }
                } else {
                    for k in 0..h {
                        let code = round_half_up(result[k] * inverse).clamp(-max, max);
                        hb_next[k] = code;
                        result[k] = code * scale;
                    }
                }
            } else {
                hb_next.copy_from_slice(result);
            }
        }
        self.stats.open += u64::from(open);
        // The digits of the last frame are applied by the frame after it.
        if frame + 1 < frames {
            self.stats.changed += u64::from(changed);
            self.stats.entries += (entries / spec.digit()) as u64;
        }
    }
}
