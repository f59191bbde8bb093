//! Forward pass over a whole sequence, on slices.
//!
//! The batch is cut into shards of a fixed size, each of which runs through
//! all frames on one thread: no synchronisation inside the sequence, and the
//! result does not depend on the number of threads.
mod frame;
mod gate;
mod inputs;
mod stats;
mod tape;

pub(super) use gate::group_masks;
pub use inputs::Inputs;
pub use stats::Stats;
pub(super) use tape::Shard;
pub use tape::Tape;

use super::LstmSpec;
use super::weights::{Prepared, WeightView};
use crate::train::matmul::{Operand, product};
use crate::train::simd::dispatch;
use frame::Frame;
use inputs::LoadInputs;
use rayon::prelude::*;

/// Most clips that one thread carries through the sequence.
const SHARD: usize = 25;
/// Fewest clips of a shard where a batch could do with one: a product over
/// fewer reads the weights for too little.
const SMALL_SHARD: usize = 8;

/// Clips of each shard of a batch.
fn shard_sizes(batch: usize) -> Vec<usize> {
    let count = (batch.div_ceil(SHARD)).max((batch / SMALL_SHARD).clamp(1, 2));
    (0..count)
        .map(|s| (s + 1) * batch / count - s * batch / count)
        .collect()
}

/// Runs the layer over a batch and writes the (fake-quantised) hidden states
/// `[B, T, H]` to `out`. `tape` then holds what [`super::backward()`] needs;
/// `training = false` skips what only the backward pass would use.
///
/// # Panics
/// When a slice does not have the stated shape.
pub fn forward(
    spec: &LstmSpec,
    weights: &WeightView<'_>,
    inputs: &Inputs<'_>,
    training: bool,
    tape: &mut Tape,
    out: &mut [f32],
) {
    let (batch, frames) = (inputs.batch, inputs.frames);
    assert_eq!(
        inputs.x.len(),
        batch * frames * spec.inputs,
        "features have another shape"
    );
    assert!(
        inputs.mask.is_none_or(|m| m.len() == inputs.x.len()),
        "mask has another shape"
    );
    assert_eq!(
        out.len(),
        batch * frames * spec.hidden,
        "output has another shape"
    );
    assert_eq!(weights.bias.len(), spec.rows(), "bias has another shape");
    assert!(
        !spec.gated() || weights.threshold.len() == spec.rows(),
        "one threshold per row"
    );
    tape.weights = Prepared::new(spec, weights);
    tape.batch = batch;
    tape.frames = frames;
    let sizes = shard_sizes(batch);
    tape.shards.resize_with(sizes.len(), Shard::default);
    let prepared = &tape.weights;
    let mut jobs = Vec::with_capacity(sizes.len());
    let mut rest = out;
    let mut start = 0;
    for (shard, clips) in tape.shards.iter_mut().zip(sizes) {
        let (mine, tail) = rest.split_at_mut(clips * frames * spec.hidden);
        rest = tail;
        jobs.push((shard, clips, start, mine));
        start += clips;
    }
    jobs.into_par_iter().for_each(|(shard, clips, start, out)| {
        shard.resize(spec, clips, frames);
        shard.run(spec, prepared, inputs, start, training, out);
    });
    tape.stats = Stats::default();
    for shard in &tape.shards {
        tape.stats.add(&shard.stats);
    }
}

impl Shard {
    /// Runs the clips from `start` on through all frames.
    fn run(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        inputs: &Inputs<'_>,
        start: usize,
        training: bool,
        out: &mut [f32],
    ) {
        let (r, t, i, h, n) = (
            self.clips,
            inputs.frames,
            spec.inputs,
            spec.hidden,
            spec.rows(),
        );
        dispatch(LoadInputs {
            shard: self,
            spec,
            weights,
            inputs,
            start,
        });
        self.load_state(spec, weights, inputs, start);
        product(
            (t * r, n, i),
            Operand::rows(&self.x_hb, i),
            Operand::rows(&weights.x_forward, n),
            &mut self.z_hb,
            false,
        );
        if spec.gated() {
            product(
                (t * r, n, i),
                Operand::rows(&self.x_lb, i),
                Operand::rows(&weights.x_forward, n),
                &mut self.z_lb,
                false,
            );
        }
        for frame in 0..t {
            let (hs, zs) = (
                frame * r * h..(frame + 1) * r * h,
                frame * r * n..(frame + 1) * r * n,
            );
            product(
                (r, n, h),
                Operand::rows(&self.h_hb[hs.clone()], h),
                Operand::rows(&weights.h_forward, n),
                &mut self.z_hb[zs.clone()],
                true,
            );
            if spec.gated() {
                product(
                    (r, n, h),
                    Operand::rows(&self.h_lb[hs], h),
                    Operand::rows(&weights.h_forward, n),
                    &mut self.z_lb[zs],
                    true,
                );
            }
            dispatch(Frame {
                shard: self,
                spec,
                weights,
                frame,
                frames: t,
                training,
                out,
            });
        }
        self.stats.outputs = (t * r * n) as u64;
        self.stats.columns = (t * r * (i + h)) as u64;
        if !spec.gated() {
            self.stats.open = self.stats.outputs;
            self.stats.changed = self.stats.columns;
            self.stats.entries = self.stats.columns;
        }
    }
}
