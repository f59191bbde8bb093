//! Back-propagation through time, on the buffers the forward pass left.
use super::forward::{Shard, Tape};
use super::weights::Prepared;
mod frame;
mod sums;

use super::LstmSpec;
use crate::train::matmul::{Operand, product};
use crate::train::simd::dispatch;
use frame::Frame;
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
/// to the output of [`super::forward()`]. The temporal pressure is added here.
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
}
