//! The forward pass of a whole network over a batch, on slices.
use super::kernels::conv::{self, Counts, Gate, GateTape, Scratch};
use super::kernels::norm::{self, Added, Affine};
use super::kernels::{SHARD, depthwise};
use super::plan::{ConvStep, Plan, deviation};
use super::simple;
use super::tape::{ConvTape, Map, Tape};
use crate::network::Op;
use crate::train::matmul::{Operand, product};
use crate::train::simd::dispatch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// One pass.
pub struct Pass<'a> {
    /// The network.
    pub plan: &'a Plan,
    /// Trained values.
    pub values: &'a [f32],
    /// Tracked statistics.
    pub tracked: &'a [f32],
    /// Batch norm uses the batch's own statistics, and a backward pass follows.
    pub training: bool,
}

/// Runs the network over `images` (codes `[N, H, W, C]`); gives the logits
/// `[N, classes]`.
pub fn forward(pass: &Pass<'_>, images: &[f32], tape: &mut Tape) -> Vec<f32> {
    let plan = pass.plan;
    tape.fit(plan);
    let pixels: usize = plan.shapes[0].iter().product();
    tape.images = images.len() / pixels;
    tape.maps[0].codes.clear();
    tape.maps[0].codes.extend_from_slice(images);
    tape.maps[0].scale = plan.arithmetic.input_scale;
    if !plan.arithmetic.quantised() {
        let scale = plan.arithmetic.input_scale;
        tape.maps[0].codes.iter_mut().for_each(|v| *v *= scale);
        tape.maps[0].scale = 1.0;
    }
    let mut logits = Vec::new();
    for (k, node) in plan.network.nodes.iter().enumerate() {
        let mut out = std::mem::take(&mut tape.maps[k + 1]);
        let format = plan.formats[k + 1];
        out.codes.resize(
            tape.images * plan.shapes[k + 1].iter().product::<usize>(),
            0.0,
        );
        out.scale = tape.maps[node.inputs[0]].scale;
        let from = &tape.maps[node.inputs[0]];
        match &node.op {
            Op::Conv(_) => {
                let Some(step) = &plan.convs[k] else { continue };
                let mut kept = std::mem::take(&mut tape.convs[k]);
                convolve(pass, step, from, &mut kept, tape.images, &mut tape.batch);
                let codes = format.codes(&plan.arithmetic, pass.values);
                normalise(step, &kept, &tape.maps, codes, &mut out);
                tape.convs[k] = kept;
            }
            Op::AveragePool { .. } | Op::GlobalAverage { .. } => {
                let codes = format.codes(&plan.arithmetic, pass.values);
                let means = &mut tape.values[k];
                means.resize(out.codes.len(), 0.0);
                simple::average(plan, k, &from.codes, from.scale, means);
                out.codes.copy_from_slice(means);
                codes.encode(&mut out.codes);
                out.scale = codes.scale();
            }
            Op::Dense => {
                let (features, classes) = (plan.shapes[k][2], plan.network.classes);
                simple::head_weights(pass, k, &mut tape.head);
                logits = vec![0.0; tape.images * classes];
                let values: Vec<f32> = from.codes.iter().map(|q| q * from.scale).collect();
                product(
                    (tape.images, classes, features),
                    Operand::rows(&values, features),
                    Operand::transposed(&tape.head, features),
                    &mut logits,
                    false,
                );
                if let Some(bias) = plan.place(&node.name, "bias") {
                    let bias = &pass.values[bias];
                    for row in logits.chunks_exact_mut(classes) {
                        row.iter_mut().zip(bias).for_each(|(z, b)| *z += b);
                    }
                }
            }
            _ => simple::forward(plan, k, &tape.maps, &mut out.codes),
        }
        tape.maps[k + 1] = out;
    }
    logits
}

/// One image of a convolution, compiled for the processor it runs on.
struct Image<'a> {
    step: &'a ConvStep,
    codes: &'a [f32],
    scale: f32,
    kept: &'a Frozen<'a>,
    tape: GateTape<'a>,
    scratch: &'a mut Scratch,
    out: &'a mut [f32],
    sums: &'a mut [f32],
}

/// What all images of a convolution share.
struct Frozen<'a> {
    weights: &'a conv::Weights,
    depthwise: &'a depthwise::Weights,
    gate: Option<Gate<'a>>,
}

impl WithSimd for Image<'_> {
    type Output = Counts;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Counts {
        let g = &self.step.geometry;
        if self.step.depthwise {
            let weights = self.kept.depthwise;
            depthwise::forward(g, self.codes, self.scale, weights, self.out, self.sums);
            return Counts::default();
        }
        conv::forward(
            simd,
            g,
            self.step.digits,
            self.codes,
            self.scale,
            self.kept.weights,
            self.kept.gate,
            self.tape,
            self.scratch,
            self.out,
            self.sums,
        )
    }
}

/// The convolution itself and the statistics of its outputs.
fn convolve(
    pass: &Pass<'_>,
    step: &ConvStep,
    from: &Map,
    kept: &mut ConvTape,
    images: usize,
    batch: &mut [f32],
) {
    let (g, a) = (&step.geometry, &pass.plan.arithmetic);
    let (inputs, outputs, n) = (g.input.iter().product::<usize>(), g.outputs(), g.output[2]);
    let weights = &pass.values[step.weight.clone()];
    if step.depthwise {
        kept.depthwise.prepare(weights, n, a.weight_max());
    } else {
        kept.weights.prepare(weights, g, a.weight_max());
    }
    [kept.threshold, kept.alpha, kept.unit] = pass.plan.gate(step, pass.values, pass.tracked);
    let recorded = if pass.training && step.gated {
        images * outputs
    } else {
        0
    };
    kept.slope.resize(recorded, 0.0);
    kept.mask.resize(recorded, 0);
    kept.z.resize(images * outputs, 0.0);
    let frozen = Frozen {
        weights: &kept.weights,
        depthwise: &kept.depthwise,
        gate: step.gated.then_some(Gate {
            threshold: &kept.threshold,
            alpha: &kept.alpha,
            group: a.group,
            sparse: a.sparse_backprop,
        }),
    };
    let recorded = recorded > 0;
    let empty = || (0..images.div_ceil(SHARD)).map(|_| (&mut [][..], &mut [][..]));
    let tapes: Vec<(&mut [f32], &mut [u8])> = if recorded {
        (kept.slope.chunks_mut(SHARD * outputs))
            .zip(kept.mask.chunks_mut(SHARD * outputs))
            .collect()
    } else {
        empty().collect()
    };
    let shards: Vec<(Vec<f32>, Counts)> = (kept.z.par_chunks_mut(SHARD * outputs))
        .zip(from.codes.par_chunks(SHARD * inputs))
        .zip(tapes)
        .map_init(Scratch::default, |scratch, ((z, codes), (slope, mask))| {
            let mut sums = vec![0.0; 2 * n];
            let mut counts = Counts::default();
            let pairs = z.chunks_exact_mut(outputs).zip(codes.chunks_exact(inputs));
            for (i, (out, codes)) in pairs.enumerate() {
                let range = if recorded {
                    i * outputs..(i + 1) * outputs
                } else {
                    0..0
                };
                counts.add(&dispatch(Image {
                    step,
                    codes,
                    scale: from.scale,
                    kept: &frozen,
                    tape: GateTape {
                        slope: &mut slope[range.clone()],
                        mask: &mut mask[range],
                    },
                    scratch,
                    out,
                    sums: &mut sums,
                }));
            }
            (sums, counts)
        })
        .collect();
    kept.counts = Counts::default();
    let mut sums = vec![0.0f64; 2 * n];
    for (shard, counts) in &shards {
        kept.counts.add(counts);
        sums.iter_mut()
            .zip(shard)
            .for_each(|(a, b)| *a += f64::from(*b));
    }
    let rows = (images * outputs / n) as f64;
    let gamma = &pass.values[step.gamma.clone()];
    let beta = &pass.values[step.beta.clone()];
    kept.moments.clear();
    for c in 0..n {
        let (mean, variance) = if pass.training {
            let mean = sums[c] / rows;
            let variance = (sums[n + c] / rows - mean * mean).max(0.0);
            batch[step.mean.start + c] = mean as f32;
            let unbiased = variance * rows / (rows - 1.0).max(1.0);
            batch[step.variance.start + c] = unbiased as f32;
            (mean as f32, variance as f32)
        } else {
            (
                pass.tracked[step.mean.start + c],
                pass.tracked[step.variance.start + c],
            )
        };
        kept.moments.push([mean, 1.0 / deviation(variance)]);
    }
    let moments = kept.moments.iter();
    kept.factor = moments.zip(gamma).map(|(m, g)| g.abs() * m[1]).collect();
    kept.offset = (kept.moments.iter().zip(&kept.factor).zip(beta))
        .map(|((m, f), b)| b - m[0] * f)
        .collect();
}

/// Batch norm, shortcut, quantiser.
fn normalise(step: &ConvStep, kept: &ConvTape, maps: &[Map], codes: norm::Codes, out: &mut Map) {
    let (outputs, width) = (step.geometry.outputs(), step.geometry.output[1]);
    let affine = Affine {
        factor: &kept.factor,
        offset: &kept.offset,
    };
    out.scale = codes.scale();
    (out.codes.par_chunks_mut(outputs))
        .zip(kept.z.par_chunks(outputs))
        .enumerate()
        .for_each(|(i, (out, z))| {
            let added = step.added.map(|(map, place)| added(&maps[map], place, i));
            dispatch(
                #[inline(always)]
                || norm::forward(z, width, affine, added, codes, out),
            );
        });
}

/// Image `i` of the map that is added.
pub fn added(map: &Map, place: norm::Place, i: usize) -> Added<'_> {
    let size: usize = place.shape.iter().product();
    Added {
        codes: &map.codes[i * size..][..size],
        scale: map.scale,
        place,
    }
}
