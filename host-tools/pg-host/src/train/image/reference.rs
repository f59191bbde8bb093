//! The same networks composed of tensor operations: runs on any backend, and is
//! what the CPU kernels are tested against.
use super::burn_op::{Call, Output};
use super::kernels::conv::Counts;
use super::kernels::pad::Digits;
use super::plan::{ConvStep, Format, Plan};
use crate::network::{EPSILON, Op, Pool};
use burn::tensor::activation::sigmoid;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use std::ops::Range;

/// A feature map: codes `[N, C, H, W]` and the value of one, `[1, 1, 1, 1]`.
/// Gradients flow through their product, [`Map::values`].
#[derive(Clone)]
struct Map {
    values: Tensor<4>,
    scale: Tensor<4>,
}

/// One pass.
struct Run<'a> {
    call: &'a Call,
    plan: &'a Plan,
    values: Tensor<2>,
    batch: Vec<f32>,
    counts: Vec<Counts>,
}

/// Runs the network; see [`super::burn_op::network`].
pub fn network(values: Tensor<2>, call: &Call) -> Output {
    let plan = &*call.plan;
    let device = values.device();
    let [height, width, channels] = plan.shapes[0];
    let n = call.images.len() / (height * width * channels);
    let data = TensorData::new(call.images.to_vec(), [n, height, width, channels]);
    let scale = Tensor::<4>::ones([1, 1, 1, 1], &device) * plan.arithmetic.input_scale;
    let image = Tensor::<4>::from_data(data, &device).permute([0, 3, 1, 2]);
    let mut maps = vec![Map {
        values: image * scale.clone(),
        scale,
    }];
    let mut run = Run {
        call,
        plan,
        values,
        batch: vec![0.0; plan.tracked],
        counts: vec![Counts::default(); plan.network.nodes.len()],
    };
    let mut logits = Tensor::<2>::zeros([n, plan.network.classes], &device);
    for (k, node) in plan.network.nodes.iter().enumerate() {
        let x = maps[node.inputs[0]].clone();
        let out = match &node.op {
            Op::Conv(_) => match &plan.convs[k] {
                Some(step) => run.convolution(k, step, &x, &maps),
                None => x,
            },
            Op::Dense => {
                let classes = plan.network.classes;
                let features = plan.shapes[k][2];
                let x2 = x.values.clone().reshape([n, features]);
                let [weight, bias] = ["weight", "bias"].map(|what| plan.place(&node.name, what));
                if let (Some(weight), Some(bias)) = (weight, bias) {
                    let w = run.vector(weight).reshape([classes, features]);
                    let w = run.rounded(w).0;
                    logits = x2.matmul(w.transpose()) + run.vector(bias);
                }
                x
            }
            Op::GlobalAverage { .. } => {
                let mean = x.values.mean_dim(2).mean_dim(3);
                run.quantised(mean, plan.formats[k + 1])
            }
            Op::AveragePool { pool, .. } => {
                let Pool {
                    kernel,
                    stride,
                    pad,
                } = *pool;
                let size = [kernel, kernel];
                let mean = avg_pool2d(x.values, size, [stride, stride], [pad, pad], true, false);
                run.quantised(mean, plan.formats[k + 1])
            }
            Op::MaxPool(pool) => {
                let (size, stride) = ([pool.kernel; 2], [pool.stride; 2]);
                Map {
                    values: max_pool2d(x.values, size, stride, [pool.pad; 2], [1, 1], false),
                    ..x
                }
            }
            Op::Channels { first, channels } => Map {
                values: x.values.narrow(1, *first, *channels),
                ..x
            },
            Op::Interleave => {
                let other = maps[node.inputs[1]].values.clone();
                let [n, c, h, w] = other.dims();
                let pairs = [x.values, other].map(|v| v.reshape([n, c, 1, h, w]));
                Map {
                    values: Tensor::<5>::cat(pairs.to_vec(), 2).reshape([n, 2 * c, h, w]),
                    ..x
                }
            }
            Op::Shift { displacement } => Map {
                values: shifted(&x.values, displacement),
                ..x
            },
        };
        maps.push(out);
    }
    Output {
        logits,
        batch: run.batch,
        counts: run.counts,
    }
}

/// Every channel moved by its displacement, zeros outside.
fn shifted(x: &Tensor<4>, displacement: &[[i8; 2]]) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let channel = |(c, [dy, dx]): (usize, &[i8; 2])| {
        let one = x.clone().narrow(1, c, 1).pad((1, 1, 1, 1), 0.0);
        let start = |d: i8| usize::try_from(1 + i32::from(d)).unwrap_or(0);
        one.narrow(2, start(*dy), height)
            .narrow(3, start(*dx), width)
    };
    Tensor::cat(displacement.iter().enumerate().map(channel).collect(), 1)
}

/// `hard` with the gradient of `soft`.
fn straight_through<const D: usize>(soft: Tensor<D>, hard: Tensor<D>) -> Tensor<D> {
    let error = (hard - soft.clone()).detach();
    soft + error
}

impl Run<'_> {
    /// Trained values `range`, `[1, n]`.
    fn vector(&self, range: Range<usize>) -> Tensor<2> {
        self.values.clone().narrow(1, range.start, range.len())
    }

    /// Host values per channel as `[1, C, 1, 1]`.
    fn channels(&self, values: &[f32]) -> Tensor<4> {
        let data = TensorData::new(values.to_vec(), [1, values.len(), 1, 1]);
        Tensor::from_data(data, &self.values.device())
    }

    /// Rows rounded to weight codes, gradient passed straight through; and the
    /// value of one code of each row.
    fn rounded(&self, w: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let Some(max) = self.plan.arithmetic.weight_max() else {
            return (w.clone(), w.slice([0..1, 0..1]).ones_like());
        };
        let scale = (w.clone().detach().abs().max_dim(1) / max).clamp_min(1e-12);
        let hard = (w.clone().detach() / scale.clone()).round() * scale.clone();
        (straight_through(w, hard), scale)
    }

    /// Values on the grid of a quantiser. The gradient of the range follows
    /// PACT or LSQ, as in [`super::kernels::norm::Codes::gradient`].
    fn quantised(&self, z: Tensor<4>, format: Format) -> Map {
        let a = &self.plan.arithmetic;
        let one = z
            .clone()
            .slice([0..1, 0..1, 0..1, 0..1])
            .ones_like()
            .detach();
        let (Some(at), true) = (format.clip, a.quantised()) else {
            let values = if format.signed { z } else { z.clamp_min(0.0) };
            return Map { values, scale: one };
        };
        let clip: Tensor<4> = self.vector(at..at + 1).reshape([1, 1, 1, 1]);
        let (low, high) = if format.signed {
            let half = f32::from(1u16 << (format.bits - 1));
            (-half, half - 1.0)
        } else {
            (0.0, f32::from((1u16 << format.bits) - 1))
        };
        let scale = clip.clone().detach() / high;
        let code = z.clone().detach() / scale.clone();
        let hard = (code.clone() + 0.5).floor().clamp(low, high);
        let bottom = if format.signed { -high } else { 0.0 };
        let above = code.clone().greater_equal_elem(high).float();
        let below = code.clone().lower_equal_elem(bottom).float();
        let inside = above.clone().ones_like() - above.clone() - below.clone();
        let mut weight = above + below * (bottom / high);
        if a.lsq {
            let error = (code.clone() + 0.5).floor() - code;
            weight = weight + error * inside.clone() / high;
        }
        let soft = z * inside + clip * weight;
        Map {
            values: straight_through(soft, hard * scale.clone()),
            scale,
        }
    }

    /// Convolution, gate, batch norm, shortcut, quantiser.
    fn convolution(&mut self, k: usize, step: &ConvStep, x: &Map, maps: &[Map]) -> Map {
        let g = &step.geometry;
        let (n, kernel) = (g.output[2], g.kernel);
        let (depth, groups) = if step.depthwise {
            (1, n)
        } else {
            (g.input[2], 1)
        };
        let w = self.vector(step.weight.clone());
        let w = self.rounded(w.reshape([n, kernel * kernel * depth])).0;
        let w = w.reshape([n, kernel, kernel, depth]).permute([0, 3, 1, 2]);
        let options = || ConvOptions::new([g.stride, g.stride], [g.pad, g.pad], [1, 1], groups);
        let convolve = |x: Tensor<4>| conv2d(x, w.clone(), None, options());
        let mut z = match (step.gated, step.digits) {
            (true, Digits::Split { step: digit, round }) => {
                let code = (x.values.clone().detach() / x.scale.clone()).round();
                let hard = ((code + round) / digit).floor() * digit * x.scale.clone();
                let high = straight_through(x.values.clone(), hard);
                let low = (x.values.clone() - high.clone()).detach();
                self.counts[k].digits = [count(&high), count(&low)];
                self.gate(k, step, convolve(high), convolve(low))
            }
            _ => {
                self.counts[k].digits = [count(&x.values), 0];
                convolve(x.values.clone())
            }
        };
        let (mean, variance) = if self.call.training {
            let rows = (z.dims()[0] * g.output[0] * g.output[1]) as f32;
            let over = |t: Tensor<4>| t.mean_dim(0).mean_dim(2).mean_dim(3);
            let mean = over(z.clone());
            let centred = z.clone() - mean.clone();
            let variance = over(centred.clone() * centred);
            let unbiased = variance.clone() * (rows / (rows - 1.0).max(1.0));
            self.batch[step.mean.clone()].copy_from_slice(&host(mean.clone()));
            self.batch[step.variance.clone()].copy_from_slice(&host(unbiased));
            (mean, variance)
        } else {
            let tracked = &self.call.tracked;
            (
                self.channels(&tracked[step.mean.clone()]),
                self.channels(&tracked[step.variance.clone()]),
            )
        };
        let gamma = self.vector(step.gamma.clone()).abs().reshape([1, n, 1, 1]);
        let beta = self.vector(step.beta.clone()).reshape([1, n, 1, 1]);
        z = (z - mean) / (variance + EPSILON).sqrt() * gamma + beta;
        if let Some((map, place)) = step.added {
            let mut shortcut = maps[map].values.clone();
            if place.stride > 1 {
                let [_, _, h, w] = shortcut.dims();
                let every = |len: usize| {
                    let at = (0..len.div_ceil(place.stride)).map(|i| (i * place.stride) as i32);
                    Tensor::<1, burn::tensor::Int>::from_ints(
                        at.collect::<Vec<_>>().as_slice(),
                        &self.values.device(),
                    )
                };
                shortcut = shortcut.select(2, every(h)).select(3, every(w));
            }
            let [batch, c, h, w] = shortcut.dims();
            let zeros = |channels| Tensor::zeros([batch, channels, h, w], &shortcut.device());
            let behind = n - place.first - c;
            let mut parts = Vec::new();
            if place.first > 0 {
                parts.push(zeros(place.first));
            }
            parts.push(shortcut.clone());
            if behind > 0 {
                parts.push(zeros(behind));
            }
            z = z + Tensor::cat(parts, 1);
        }
        self.quantised(z, self.plan.formats[k + 1])
    }

    /// `high + mask * low`, the mask with its surrogate gradient.
    fn gate(&mut self, k: usize, step: &ConvStep, high: Tensor<4>, low: Tensor<4>) -> Tensor<4> {
        let a = &self.plan.arithmetic;
        let n = step.geometry.output[2];
        let Some(range) = step.threshold.clone() else {
            return high + low;
        };
        let trained = host(self.values.clone().detach());
        let [offset, alpha, unit] = {
            let zero = vec![0.0; trained.len()];
            let [offset, alpha, unit] = self.plan.gate(step, &zero, &self.call.tracked);
            [offset, alpha, unit].map(|v| self.channels(&v))
        };
        let shared = range.len();
        let threshold = self
            .vector(range)
            .reshape([shared, 1])
            .repeat_dim(1, a.block)
            .reshape([1, shared * a.block])
            .narrow(1, 0, n)
            .reshape([1, n, 1, 1]);
        let margin = high.clone() - (threshold * unit + offset);
        let own = margin.clone().detach().greater_elem(0.0).float();
        let hard = if a.group > 1 {
            let [batch, _, h, w] = own.dims();
            let groups = n.div_ceil(a.group);
            let extra = groups * a.group - n;
            let zeros = Tensor::zeros([batch, extra.max(1), h, w], &own.device());
            let padded = Tensor::cat(vec![own.clone(), zeros], 1).narrow(1, 0, groups * a.group);
            let any = padded
                .reshape([batch, groups, a.group, h, w])
                .max_dim(2)
                .repeat_dim(2, a.group);
            any.reshape([batch, groups * a.group, h, w]).narrow(1, 0, n)
        } else {
            own.clone()
        };
        let soft = sigmoid(margin * alpha);
        let mut passes = own.clone().equal(hard.clone()).float();
        if a.sparse_backprop {
            passes = passes * own;
        }
        self.counts[k].open = count(&hard);
        let mask = hard + (soft.clone() - soft.detach()) * passes;
        high + mask * low
    }
}

/// Numbers that are not zero.
fn count(x: &Tensor<4>) -> u64 {
    let nonzero = x.clone().detach().not_equal_elem(0.0).float().sum();
    nonzero.into_scalar::<f32>() as u64
}

/// Values on the host; empty if the device fails, which the next use reports.
fn host<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.detach()
        .into_data()
        .try_to_vec::<f32>()
        .unwrap_or_default()
}
