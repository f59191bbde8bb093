//! The same networks composed of tensor operations: runs on any backend, and is
//! what the CPU kernels are tested against.
mod convolution;

use crate::network::{Op, Pool};
use crate::train::image::burn_op::{Call, Output};
use crate::train::image::kernels::conv::Counts;
use crate::train::image::plan::{Format, Plan};
use burn::tensor::module::{avg_pool2d, max_pool2d};
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
    readings: Vec<(Reading, Tensor<1>)>,
}

/// What a device reports at the end of a pass, all at once: to wait for it
/// after every layer would leave a GPU idle.
enum Reading {
    /// Open outputs of a node.
    Open(usize),
    /// Digits of a node that are not zero: prediction (0) or update (1).
    Digits(usize, usize),
    /// Statistics of the batch.
    Batch(Range<usize>),
}

/// Runs the network; see [`crate::train::image::burn_op::network`].
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
        readings: Vec::new(),
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
    let (batch, counts) = run.read();
    Output {
        logits,
        batch,
        counts,
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
    /// Statistics of the batch and the counts of every node; zeros if the device
    /// fails, which the logits report.
    fn read(self) -> (Vec<f32>, Vec<Counts>) {
        let mut batch = vec![0.0; self.plan.tracked];
        let mut counts = vec![Counts::default(); self.plan.network.nodes.len()];
        let (what, tensors): (Vec<_>, Vec<_>) = self.readings.into_iter().unzip();
        if tensors.is_empty() {
            return (batch, counts);
        }
        let all = Tensor::cat(tensors, 0).detach().into_data();
        let mut values = all.try_to_vec::<f32>().unwrap_or_default().into_iter();
        for reading in what {
            match reading {
                Reading::Open(k) => counts[k].open = values.next().unwrap_or(0.0) as u64,
                Reading::Digits(k, which) => {
                    counts[k].digits[which] = values.next().unwrap_or(0.0) as u64;
                }
                Reading::Batch(range) => {
                    for v in &mut batch[range] {
                        *v = values.next().unwrap_or(0.0);
                    }
                }
            }
        }
        (batch, counts)
    }

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
    /// PACT or LSQ, as in [`crate::train::image::kernels::norm::Codes::gradient`].
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
            let most = f32::from((1u16 << (format.bits - 1)) - 1);
            (-most, most)
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
}

/// Numbers that are not zero.
fn count(x: &Tensor<4>) -> Tensor<1> {
    x.clone().detach().not_equal_elem(0.0).float().sum()
}
