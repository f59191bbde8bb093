//! The backward pass of a whole network over a batch, on slices.
use super::forward::{Pass, added};
use super::kernels::conv::{self, Gradients, Scratch};
use super::kernels::norm::{self, AddedGradient, Affine, Codes};
use super::kernels::{SHARD, depthwise};
use super::plan::ConvStep;
use super::simple;
use super::tape::{ConvTape, Map, Tape};
use crate::network::Op;
use crate::train::matmul::{Operand, product};
use crate::train::simd::dispatch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Gradient of the trained values, given that of the logits, after
/// [`super::forward::forward`] in training.
pub fn backward(pass: &Pass<'_>, d_logits: &[f32], tape: &mut Tape) -> Vec<f32> {
    let plan = pass.plan;
    let mut values = vec![0.0; plan.trained];
    let mut there = vec![false; plan.shapes.len()];
    for (k, node) in plan.network.nodes.iter().enumerate().rev() {
        let input = node.inputs[0];
        if node.op != Op::Dense && !there[k + 1] {
            continue;
        }
        let mut d = std::mem::take(&mut tape.gradients[k + 1]);
        for map in &node.inputs {
            let len = tape.maps[*map].codes.len();
            tape.gradients[*map].resize(len, 0.0);
        }
        // A convolution overwrites what is not there yet; others add.
        if !matches!(node.op, Op::Conv(_)) {
            for map in &node.inputs {
                if !there[*map] {
                    tape.gradients[*map].fill(0.0);
                }
            }
        }
        match &node.op {
            Op::Conv(_) => {
                let Some(step) = &plan.convs[k] else { continue };
                let codes = plan.formats[k + 1].codes(&plan.arithmetic, pass.values);
                let range = denormalise(step, tape, k, codes, &mut d, &mut there);
                if let Some(clip) = plan.formats[k + 1].clip {
                    values[clip] += range;
                }
                through(pass, step, tape, k, &mut d, &mut values);
                let fresh = !there[input];
                let mut to = std::mem::take(&mut tape.gradients[input]);
                let (from, kept) = (&tape.maps[input], &tape.convs[k]);
                convolve(
                    pass,
                    step,
                    from,
                    kept,
                    &d,
                    &mut to,
                    (input > 0, fresh),
                    &mut values,
                );
                tape.gradients[input] = to;
            }
            Op::AveragePool { .. } | Op::GlobalAverage { .. } => {
                let codes = plan.formats[k + 1].codes(&plan.arithmetic, pass.values);
                let range = codes.gradient(&tape.values[k], &mut d);
                if let Some(clip) = plan.formats[k + 1].clip {
                    values[clip] += range;
                }
                simple::average_backward(plan, k, &d, &mut tape.gradients[input]);
            }
            Op::Dense => head(pass, k, d_logits, tape, &mut values),
            _ => {
                let mut taken: Vec<Vec<f32>> = (node.inputs.iter())
                    .map(|map| std::mem::take(&mut tape.gradients[*map]))
                    .collect();
                let mut inputs: Vec<&mut Vec<f32>> = taken.iter_mut().collect();
                simple::backward(plan, k, &tape.maps, &d, &mut inputs);
                for (map, gradient) in node.inputs.iter().zip(taken) {
                    tape.gradients[*map] = gradient;
                }
            }
        }
        tape.gradients[k + 1] = d;
        node.inputs.iter().for_each(|map| there[*map] = true);
    }
    values
}

/// The head: its parameters and its input.
fn head(pass: &Pass<'_>, k: usize, d: &[f32], tape: &mut Tape, values: &mut [f32]) {
    let plan = pass.plan;
    let node = &plan.network.nodes[k];
    let (n, classes, features) = (tape.images, plan.network.classes, plan.shapes[k][2]);
    let from = &tape.maps[node.inputs[0]];
    let x: Vec<f32> = from.codes.iter().map(|q| q * from.scale).collect();
    if let Some(range) = plan.place(&node.name, "weight") {
        product(
            (classes, features, n),
            Operand::transposed(d, classes),
            Operand::rows(&x, features),
            &mut values[range],
            false,
        );
    }
    if let Some(range) = plan.place(&node.name, "bias") {
        for row in d.chunks_exact(classes) {
            let bias = values[range.clone()].iter_mut();
            bias.zip(row).for_each(|(b, d)| *b += d);
        }
    }
    product(
        (n, features, classes),
        Operand::rows(d, classes),
        Operand::rows(&tape.head, features),
        &mut tape.gradients[node.inputs[0]],
        false,
    );
}

/// Through the quantiser and the shortcut. Returns the gradient of the range;
/// the sums that batch norm needs are left in the tape's moments.
fn denormalise(
    step: &ConvStep,
    tape: &mut Tape,
    k: usize,
    codes: Codes,
    d: &mut [f32],
    there: &mut [bool],
) -> f32 {
    let (outputs, width) = (step.geometry.outputs(), step.geometry.output[1]);
    let n = step.geometry.output[2];
    let mut other = Vec::new();
    let mut other_size = 1;
    let mut first = false;
    if let Some((map, place)) = step.added {
        other_size = place.shape.iter().product();
        other = std::mem::take(&mut tape.gradients[map]);
        other.resize(tape.maps[map].codes.len(), 0.0);
        first = !there[map];
        there[map] = true;
    }
    let kept = &tape.convs[k];
    let affine = Affine {
        factor: &kept.factor,
        offset: &kept.offset,
    };
    let maps = &tape.maps;
    let others: Vec<Option<&mut [f32]>> = if step.added.is_some() {
        other.chunks_mut(SHARD * other_size).map(Some).collect()
    } else {
        (0..tape.images.div_ceil(SHARD)).map(|_| None).collect()
    };
    let shards: Vec<(f32, Vec<f32>)> = (d.par_chunks_mut(SHARD * outputs))
        .zip(kept.z.par_chunks(SHARD * outputs))
        .zip(others)
        .enumerate()
        .map_init(Vec::new, |room, (shard, ((d, z), mut other))| {
            let mut sums = vec![0.0; 2 * n];
            let mut range = 0.0;
            let images = d.chunks_exact_mut(outputs).zip(z.chunks_exact(outputs));
            for (i, (d, z)) in images.enumerate() {
                let added =
                    (step.added).map(|(map, place)| added(&maps[map], place, shard * SHARD + i));
                let to = other.as_mut().map(|o| AddedGradient {
                    gradient: &mut o[i * other_size..][..other_size],
                    first,
                });
                range += dispatch(
                    #[inline(always)]
                    || norm::backward(z, width, affine, added, codes, d, to, room, &mut sums),
                );
            }
            (range, sums)
        })
        .collect();
    if let Some((map, _)) = step.added {
        tape.gradients[map] = other;
    }
    let mut total = vec![0.0f64; 2 * n];
    let mut range = 0.0f64;
    for (shard_range, sums) in &shards {
        range += f64::from(*shard_range);
        (total.iter_mut().zip(sums)).for_each(|(a, b)| *a += f64::from(*b));
    }
    tape.sums = total;
    range as f32
}

/// Through the batch norm: gradients of gamma and beta, and of the convolution.
fn through(
    pass: &Pass<'_>,
    step: &ConvStep,
    tape: &Tape,
    k: usize,
    d: &mut [f32],
    values: &mut [f32],
) {
    let kept = &tape.convs[k];
    let (outputs, n) = (step.geometry.outputs(), step.geometry.output[2]);
    let rows = (tape.images * outputs / n) as f64;
    let (mut constant, mut slope) = (vec![0.0; n], vec![0.0; n]);
    for c in 0..n {
        let (sum, product) = (tape.sums[c], tape.sums[n + c]);
        let [mean, inverse] = kept.moments[c].map(f64::from);
        let of_gamma = (product - mean * sum) * inverse;
        let gamma = pass.values[step.gamma.start + c];
        // The network computes with |gamma|.
        values[step.gamma.start + c] = of_gamma as f32 * if gamma < 0.0 { -1.0 } else { 1.0 };
        values[step.beta.start + c] = sum as f32;
        let factor = f64::from(kept.factor[c]);
        let per_z = -factor * inverse * of_gamma / rows;
        slope[c] = per_z as f32;
        constant[c] = (-factor * sum / rows - per_z * mean) as f32;
    }
    (d.par_chunks_mut(outputs))
        .zip(kept.z.par_chunks(outputs))
        .for_each(|(d, z)| {
            dispatch(
                #[inline(always)]
                || norm::through(z, &kept.factor, &constant, &slope, d),
            );
        });
}

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
fn convolve(
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
