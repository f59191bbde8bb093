//! The same layer composed of tensor operations, differentiated by Burn.
//!
//! It runs on every backend (this is what a GPU executes) and is the oracle
//! the CPU kernels are tested against. Straight-through estimators are written
//! as `x + (f(x) - x).detach()`.
use super::call::{Call, Output, Parameters};
use super::weights::{WeightView, integers};
use super::{CELL_LIMIT, LstmSpec, Stats, Z_LIMIT};
use crate::model::GateTest;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Device, Tensor, TensorData};

/// What rounding may add to a prediction; one unit of the integers is more.
const ROUNDING: f32 = 1e-5;

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
    let hb = ((code.clone() / digit) + spec.half()).floor() * digit;
    let lb = (code.clone() - hb.clone()) * scale.clone();
    [straight_through(hb.clone() * scale.clone(), real), lb, hb]
}

/// Transposed weights `[K, N]` and bias `[1, N]` in real units, fake-quantised.
///
/// The integers come from the host, by the function that the kernels and the
/// exporter use: once per call, which a device does not notice.
fn weights(
    spec: &LstmSpec,
    p: &Parameters,
    ratio: Tensor<2>,
    device: &Device,
) -> (Tensor<2>, Tensor<2>) {
    if !spec.quantised() {
        let joined = Tensor::cat(vec![p.w_x.clone(), p.w_h.clone()], 1);
        return (joined.transpose(), p.bias.clone());
    }
    let read = |t: &Tensor<2>| host(t.clone());
    let scale_h = read(&p.scale_h)[0];
    let rows = integers(
        spec,
        &WeightView {
            w_x: &read(&p.w_x),
            w_h: &read(&p.w_h),
            bias: &read(&p.bias),
            threshold: &[],
            scale_x: read(&p.scale_x)[0],
            scale_h,
        },
    );
    let (n, k) = (spec.rows(), spec.columns());
    let real = rows.codes.chunks_exact(k).zip(&rows.scales);
    let real: Vec<f32> = (real.flat_map(|(row, s)| row.iter().map(move |c| c * s))).collect();
    let bias = rows.bias.iter().zip(rows.units(scale_h));
    let bias: Vec<f32> = bias.map(|(b, u)| *b as f32 * u as f32).collect();
    let hard = |v: Vec<f32>, shape| Tensor::from_data(TensorData::new(v, shape), device);
    let joined = Tensor::cat(vec![p.w_x.clone() * ratio, p.w_h.clone()], 1);
    (
        straight_through(hard(real, [n, k]), joined).transpose(),
        straight_through(hard(bias, [1, n]), p.bias.clone()),
    )
}

/// Spreads the masks `[B, N]` of single rows over their groups.
fn spread(spec: &LstmSpec, own: Tensor<2>) -> Tensor<2> {
    let Some(units) = spec.group.units() else {
        return own;
    };
    let batch = own.dims()[0];
    let shape = [batch, 4, spec.hidden / units, units];
    let any = own.reshape(shape).max_dim(1).max_dim(3);
    any.expand(shape).reshape([batch, spec.rows()])
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
    let (w, bias) = weights(spec, &p, ratio.clone(), &device);
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
    let factors = (call.mask.as_ref()).map(|mask| {
        let mask = TensorData::new(mask.clone(), [batch, frames, inputs]);
        Tensor::<3>::from_data(mask, &device)
    });
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
        let masked = |x: Tensor<2>| match &factors {
            Some(mask) => x * at(mask),
            None => x,
        };
        let z = if spec.gated() {
            let digits = split(spec, &at(&x_code), at(&x), &scale_h);
            let [x_hb, x_lb, x_digit] = digits.map(masked);
            let [h_hb, h_lb, h_digit] = split(spec, &code, hidden.clone(), &scale_h);
            let high = Tensor::cat(vec![x_hb, h_hb], 1).matmul(w.clone()) + bias.clone();
            let low = Tensor::cat(vec![x_lb, h_lb], 1).matmul(w.clone());
            // A prediction can be zero exactly, where |z| has no slope; here it
            // is zero but for rounding.
            let margin = match spec.test {
                GateTest::Within => {
                    let size = high.clone().abs();
                    let sloped = size.clone().detach().greater_elem(ROUNDING).float();
                    p.threshold.clone() - size * sloped
                }
                GateTest::Above => high.clone() - p.threshold.clone(),
            };
            let own = margin.clone().detach().greater_elem(0.0).float();
            let hard = spread(spec, own.clone());
            if !call.training {
                counts.frame(Tensor::cat(vec![x_digit, h_digit], 1), &hard);
            }
            let soft = sigmoid(margin * spec.alpha);
            let mut soft = soft.clone() - soft.detach();
            // Only where the row decides as its group does.
            if spec.group.units().is_some() {
                soft = soft * own.clone().equal(hard.clone()).float();
            }
            if spec.sparse_backprop {
                soft = soft * own;
            }
            let mask = hard + soft;
            high + mask * low
        } else {
            Tensor::cat(vec![masked(at(&x)), hidden.clone()], 1).matmul(w.clone()) + bias.clone()
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
    /// Open rows, changed columns, real magnitude of these changes.
    sums: Option<[Tensor<1>; 3]>,
}

impl Counts {
    fn frame(&mut self, digits: Tensor<2>, open: &Tensor<2>) {
        let change = match self.before.take() {
            Some(before) => digits.clone() - before,
            None => digits.clone(),
        };
        self.before = Some(digits);
        let new = [
            open.clone().sum(),
            change.clone().not_equal_elem(0.0).float().sum(),
            change.abs().sum(),
        ];
        self.sums = Some(match self.sums.take() {
            Some([a, b, c]) => {
                let [x, y, z] = new;
                [a + x, b + y, c + z]
            }
            None => new,
        });
    }

    fn finish(self, spec: &LstmSpec, batch: usize, frames: usize) -> Stats {
        let steps = (batch * frames) as u64;
        let (outputs, columns) = (steps * spec.rows() as u64, steps * spec.columns() as u64);
        let read = |t: Tensor<1>| t.into_scalar::<f32>() as u64;
        let [open, changed, entries] = match self.sums {
            Some([open, changed, change]) => {
                [read(open), read(changed), read(change / spec.digit())]
            }
            None => [outputs, columns, columns],
        };
        Stats {
            outputs,
            open,
            columns,
            changed,
            entries,
        }
    }
}
