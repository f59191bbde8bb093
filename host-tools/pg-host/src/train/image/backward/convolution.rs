//! Backwards through the convolutions.
use crate::train::image::forward::Pass;
use crate::train::image::kernels::conv::{self, Gradients, Scratch};
use crate::train::image::kernels::{SHARD, depthwise};
use crate::train::image::plan::ConvStep;
use crate::train::image::tape::{ConvTape, Map};
use crate::train::simd::dispatch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// One image, compiled for the processor it runs on.
struct Image<'a> {
    step: &'a ConvStep,
    kept: &'a ConvTape,
    at: conv::Backward<'a>,
    scratch: &'a mut Scratch,
    to: Gradients<'a>,
}

impl WithSimd for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            step,
            kept,
            at,
            scratch,
            to,
        } = self;
        let g = &step.geometry;
        if !step.depthwise {
            conv::backward(simd, g, &kept.weights, &at, scratch, to);
            return;
        }
        // A depthwise convolution of the image itself still needs somewhere to
        // put its gradient.
        let mut unused = Vec::new();
        let input = match to.input {
            Some(input) => input,
            None => {
                unused.resize(at.codes.len(), 0.0);
                &mut unused[..]
            }
        };
        let w = &kept.depthwise;
        depthwise::backward(g, at.codes, w, at.gradient, input, to.first, to.weights);
    }
}

/// The convolution: gradients of its weights, thresholds and input.
#[allow(clippy::too_many_arguments)]
pub(super) fn convolve(
    pass: &Pass<'_>,
    step: &ConvStep,
    from: &Map,
    kept: &ConvTape,
    d: &[f32],
    to: &mut [f32],
    (wanted, first): (bool, bool),
    values: &mut [f32],
) {
    let g = &step.geometry;
    let (inputs, outputs, n) = (g.input.iter().product::<usize>(), g.outputs(), g.output[2]);
    let shards: Vec<(Vec<f32>, Vec<f32>)> = (to.par_chunks_mut(SHARD * inputs))
        .zip(d.par_chunks(SHARD * outputs))
        .enumerate()
        .map_init(Scratch::default, |scratch, (shard, (to, d))| {
            let mut weights = vec![0.0; step.weight.len()];
            let mut threshold = vec![0.0; n];
            let images = to.chunks_exact_mut(inputs).zip(d.chunks_exact(outputs));
            for (i, (to, d)) in images.enumerate() {
                let image = shard * SHARD + i;
                let recorded = if step.gated {
                    image * outputs..(image + 1) * outputs
                } else {
                    0..0
                };
                dispatch(Image {
                    step,
                    kept,
                    at: conv::Backward {
                        codes: &from.codes[image * inputs..][..inputs],
                        split: step.digits,
                        gradient: d,
                        slope: &kept.slope[recorded.clone()],
                        mask: &kept.mask[recorded],
                    },
                    scratch,
                    to: Gradients {
                        input: wanted.then_some(to),
                        first,
                        weights: &mut weights,
                        threshold: &mut threshold,
                    },
                });
            }
            (weights, threshold)
        })
        .collect();
    let mut weights = vec![0.0f32; step.weight.len()];
    let mut threshold = vec![0.0f32; n];
    for (w, t) in &shards {
        weights.iter_mut().zip(w).for_each(|(a, b)| *a += b);
        threshold.iter_mut().zip(t).for_each(|(a, b)| *a += b);
    }
    // From `[taps, C_out]` to `[C_out, taps]`, from codes of the input to values.
    let taps = weights.len() / n;
    let to = &mut values[step.weight.clone()];
    for (tap, w) in weights.chunks_exact(n).enumerate() {
        for (o, w) in w.iter().enumerate() {
            to[o * taps + tap] = w * from.scale;
        }
    }
    if let (Some(range), true) = (&step.threshold, step.gated) {
        let to = &mut values[range.clone()];
        for (c, (d, unit)) in threshold.iter().zip(&kept.unit).enumerate() {
            to[c / pass.plan.arithmetic.block] += d * unit;
        }
    }
}
