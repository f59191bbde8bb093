//! The same layer composed of tensor operations, differentiated by Burn.
//!
//! It runs on every backend (this is what a GPU executes) and is the oracle
//! the CPU kernels are tested against. Straight-through estimators are written
//! as `x + (f(x) - x).detach()`.
use super::call::{Call, Output, Parameters};
use super::{CELL_LIMIT, LstmSpec, Stats, Z_LIMIT};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Tensor, TensorData};

/// `hard` in the forward pass, the gradient of `soft` in the backward pass.
fn straight_through<const D: usize>(hard: Tensor<D>, soft: Tensor<D>) -> Tensor<D> {
    soft.clone() + (hard - soft).detach()
}

/// Clamps the value, not the gradient.
fn saturate<const D: usize>(x: Tensor<D>, limit: f32) -> Tensor<D> {
    straight_through(x.clone().clamp(-limit, limit), x)
}

/// Codes of `x` at `scale`, halves rounded towards +infinity (LSQ).
fn codes(x: Tensor<2>, scale: Tensor<2>, max: f32) -> Tensor<2> {
    let v = (x / scale).clamp(-max, max);
    straight_through((v.clone() + 0.5).floor(), v)
}

/// Real values of the digit and of the rest of `code`, whose whole real value
/// is `real`. The digit carries the gradient of the whole, the rest none.
fn split(spec: &LstmSpec, code: &Tensor<2>, real: Tensor<2>, scale: &Tensor<2>) -> [Tensor<2>; 3] {
    let digit = spec.digit();
    let hb = ((code.clone() / digit) + 0.5).floor() * digit;
    let lb = (code.clone() - hb.clone()) * scale.clone();
    [straight_through(hb.clone() * scale.clone(), real), lb, hb]
}

/// Transposed weights `[K, N]` in real units, fake-quantised per row.
fn weights(spec: &LstmSpec, p: &Parameters, ratio: Tensor<2>) -> Tensor<2> {
    if !spec.quantised() {
        return Tensor::cat(vec![p.w_x.clone(), p.w_h.clone()], 1).transpose();
    }
    let joined = Tensor::cat(vec![p.w_x.clone() * ratio, p.w_h.clone()], 1);
    let scale = joined.clone().detach().abs().max_dim(1) / spec.weight_max();
    let scale = scale.clone().mask_fill(scale.equal_elem(0.0), 1.0);
    let hard = (joined.clone().detach() / scale.clone()).round() * scale;
    straight_through(hard, joined).transpose()
}

/// Runs the layer; see [`super::lstm`].
pub fn lstm(x: Tensor<3>, p: Parameters, call: &Call) -> Output {
    let spec = &call.spec;
    let ([batch, frames, inputs], hidden_size) = (x.dims(), spec.hidden);
    let device = x.device();
    let state = |v: Option<&Vec<f32>>| match v {
        Some(v) => {
            Tensor::<2>::from_data(TensorData::new(v.clone(), [batch, hidden_size]), &device)
        }
        None => Tensor::<2>::zeros([batch, hidden_size], &device),
    };
    let mut hidden = state(call.state.as_ref().map(|s| &s.0));
    let mut cell = state(call.state.as_ref().map(|s| &s.1));
    let scale_x = if spec.learn_input_scale {
        p.scale_x.clone()
    } else {
        p.scale_x.clone().detach()
    };
    let ratio = (p.scale_x.clone() / p.scale_h.clone()).detach();
    let w = weights(spec, &p, ratio.clone());
    let max = spec.code_max();
    let x = x.reshape([batch * frames, inputs]);
    // Real values in units the weights expect, and the codes beside them.
    let scale_h = p.scale_h.clone().detach();
    let (x, x_code) = if spec.quantised() {
        let code = codes(x, scale_x.clone(), max);
        (code.clone() * scale_x / ratio, code.detach())
    } else {
        (x.clone(), x)
    };
    let x = x.reshape([batch, frames, inputs]);
    let x_code = x_code.reshape([batch, frames, inputs]);
    let mut code = hidden.clone();
    if spec.quantised() {
        code = codes(hidden, scale_h.clone(), max);
        hidden = code.clone() * scale_h.clone();
    }
    let mut outputs = Vec::with_capacity(frames);
    let mut pressure: Option<Tensor<1>> = None;
    let mut counts = Counts::default();
    for frame in 0..frames {
        let at = |x: &Tensor<3>| x.clone().narrow(1, frame, 1).reshape([batch, inputs]);
        let z = if spec.gated() {
            let [x_hb, x_lb, x_digit] = split(spec, &at(&x_code), at(&x), &scale_h);
            let [h_hb, h_lb, h_digit] = split(spec, &code, hidden.clone(), &scale_h);
            let high = Tensor::cat(vec![x_hb, h_hb], 1).matmul(w.clone()) + p.bias.clone();
            let low = Tensor::cat(vec![x_lb, h_lb], 1).matmul(w.clone());
            let margin = p.threshold.clone() - high.clone().abs();
            let hard = margin.clone().detach().greater_elem(0.0).float();
            if !call.training {
                counts.frame(Tensor::cat(vec![x_digit, h_digit], 1), &hard);
            }
            let soft = sigmoid(margin * spec.alpha);
            let soft = soft.clone() - soft.detach();
            let mask = if spec.sparse_backprop {
                hard.clone() + hard * soft
            } else {
                hard + soft
            };
            high + mask * low
        } else {
            Tensor::cat(vec![at(&x), hidden.clone()], 1).matmul(w.clone()) + p.bias.clone()
        };
        let z = if spec.quantised() {
            saturate(z, Z_LIMIT)
        } else {
            z
        };
        let gate = |k: usize| z.clone().narrow(1, k * hidden_size, hidden_size);
        let (i, f, o) = (sigmoid(gate(0)), sigmoid(gate(1)), sigmoid(gate(3)));
        cell = f * cell + i * tanh(gate(2));
        let before = hidden.clone();
        if spec.quantised() {
            cell = saturate(cell, CELL_LIMIT);
            let learned = codes(o * tanh(cell.clone()), p.scale_h.clone(), max);
            code = learned.clone().detach();
            hidden = learned * p.scale_h.clone();
        } else {
            hidden = o * tanh(cell.clone());
        }
        if spec.temporal > 0.0 {
            let before = if frame == 0 { before.detach() } else { before };
            let term = (hidden.clone() - before).abs().sum();
            pressure = Some(pressure.map_or(term.clone(), |sum| sum + term));
        }
        outputs.push(hidden.clone().reshape([batch, 1, hidden_size]));
    }
    let share = spec.temporal / (batch * frames * hidden_size) as f32;
    Output {
        hidden: Tensor::cat(outputs, 1),
        state: (host(hidden), host(cell)),
        stats: counts.finish(spec, batch, frames),
        pressure: pressure.map(|sum| sum * share),
    }
}

/// Values of a tensor on the host; zeros if the device fails to answer, which
/// the next operation then reports.
fn host(tensor: Tensor<2>) -> Vec<f32> {
    let n = tensor.shape().num_elements();
    tensor
        .into_data()
        .try_to_vec::<f32>()
        .unwrap_or_else(|_| vec![0.0; n])
}

/// Counters kept on the device, read once per call.
#[derive(Default)]
struct Counts {
    before: Option<Tensor<2>>,
    sums: Option<(Tensor<1>, Tensor<1>)>,
}

impl Counts {
    fn frame(&mut self, digits: Tensor<2>, open: &Tensor<2>) {
        let changed = match self.before.take() {
            Some(before) => digits.clone().not_equal(before).float().sum(),
            None => digits.clone().not_equal_elem(0.0).float().sum(),
        };
        self.before = Some(digits);
        let open = open.clone().sum();
        self.sums = Some(match self.sums.take() {
            Some((a, b)) => (a + open, b + changed),
            None => (open, changed),
        });
    }

    fn finish(self, spec: &LstmSpec, batch: usize, frames: usize) -> Stats {
        let steps = (batch * frames) as u64;
        let (outputs, columns) = (steps * spec.rows() as u64, steps * spec.columns() as u64);
        let read = |t: Tensor<1>| t.into_scalar::<f32>() as u64;
        let (open, changed) = self
            .sums
            .map_or((outputs, columns), |(a, b)| (read(a), read(b)));
        Stats {
            outputs,
            open,
            columns,
            changed,
        }
    }
}
