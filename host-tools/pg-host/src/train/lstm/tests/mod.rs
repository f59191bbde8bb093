mod options;

use super::*;
use crate::model::{GateGroup, GateTest, SplitKind};
use burn::tensor::{Device, Tensor, TensorData};

const BATCH: usize = 30; // two shards
const FRAMES: usize = 6;

fn spec(arithmetic: Arithmetic) -> LstmSpec {
    LstmSpec {
        inputs: 5,
        hidden: 16,
        arithmetic,
        activation_bits: 8,
        msb_bits: 4,
        weight_bits: 8,
        digits: SplitKind::Rounded,
        test: GateTest::Within,
        alpha: 5.0,
        sparse_backprop: false,
        group: GateGroup::Row,
        temporal: 0.0,
        learn_input_scale: true,
        input_gradient: false,
    }
}

/// Deterministic values in (-1, 1).
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

struct Case {
    x: Vec<f32>,
    upstream: Vec<f32>,
    state: (Vec<f32>, Vec<f32>),
    mask: Option<Vec<f32>>,
    values: [(Vec<f32>, [usize; 2]); 6],
}

fn case(spec: &LstmSpec) -> Case {
    let (n, h, i) = (spec.rows(), spec.hidden, spec.inputs);
    let scaled = |v: Vec<f32>, s: f32| v.into_iter().map(|v| v * s).collect::<Vec<_>>();
    // Codes of the starting state, so that both paths start from the same codes.
    let scale_h = 0.006;
    let hidden = noise(BATCH * h, 9)
        .into_iter()
        .map(|v| (v * 60.0).round() * scale_h)
        .collect();
    Case {
        x: scaled(noise(BATCH * FRAMES * i, 1), 2.0),
        upstream: noise(BATCH * FRAMES * h, 2),
        state: (hidden, noise(BATCH * h, 3)),
        mask: None,
        values: [
            (scaled(noise(n * i, 4), 0.6), [n, i]),
            (scaled(noise(n * h, 5), 0.6), [n, h]),
            (scaled(noise(n, 6), 0.5), [1, n]),
            (
                noise(n, 7).into_iter().map(|v| v.abs() + 0.1).collect(),
                [1, n],
            ),
            (vec![0.02], [1, 1]),
            (vec![scale_h], [1, 1]),
        ],
    }
}

/// Hidden states and gradients of `sum(hidden * upstream) + pressure`.
fn run(spec: &LstmSpec, case: &Case, fused: bool) -> (Vec<f32>, Vec<Vec<f32>>, Output) {
    let device = Device::flex().autodiff();
    let tensors: Vec<Tensor<2>> = case
        .values
        .iter()
        .map(|(v, s)| Tensor::from_data(TensorData::new(v.clone(), *s), &device).require_grad())
        .collect();
    let [w_x, w_h, bias, threshold, scale_x, scale_h] =
        [0, 1, 2, 3, 4, 5].map(|k| tensors[k].clone());
    let parameters = Parameters {
        w_x,
        w_h,
        bias,
        threshold,
        scale_x,
        scale_h,
    };
    let call = Call {
        spec: *spec,
        workspace: Workspace::default(),
        state: Some(case.state.clone()),
        mask: case.mask.clone(),
        training: true,
    };
    let three = |v: &[f32], k| {
        Tensor::<3>::from_data(TensorData::new(v.to_vec(), [BATCH, FRAMES, k]), &device)
    };
    let output = lstm(three(&case.x, spec.inputs), parameters, call, fused);
    let mut loss = (output.hidden.clone() * three(&case.upstream, spec.hidden)).sum();
    if let Some(pressure) = output.pressure.clone() {
        loss = loss + pressure;
    }
    let mut grads = loss.backward();
    let grads = tensors
        .iter()
        .map(|t| match t.grad_remove(&mut grads) {
            Some(g) => g.into_data().try_to_vec::<f32>().unwrap(),
            None => vec![0.0; t.shape().num_elements()],
        })
        .collect();
    let hidden = output
        .hidden
        .clone()
        .into_data()
        .try_to_vec::<f32>()
        .unwrap();
    (hidden, grads, output)
}

fn close(name: &str, a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{name}");
    let peak = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    for (k, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * peak,
            "{name}[{k}]: {a} is not {b} (peak {peak})"
        );
    }
}

fn compare(spec: LstmSpec) {
    compare_case(spec, &case(&spec));
}

fn compare_case(spec: LstmSpec, case: &Case) {
    let (fast, fast_grads, fast_out) = run(&spec, case, true);
    let (slow, slow_grads, slow_out) = run(&spec, case, false);
    close("hidden", &fast, &slow, 1e-5);
    close("last hidden", &fast_out.state.0, &slow_out.state.0, 1e-5);
    close("last cell", &fast_out.state.1, &slow_out.state.1, 1e-5);
    let names = ["w_x", "w_h", "bias", "threshold", "scale_x", "scale_h"];
    for (k, name) in names.into_iter().enumerate() {
        // The scales' gradients are sums of terms that nearly cancel.
        let tolerance = if name.starts_with("scale") {
            2e-3
        } else {
            2e-4
        };
        close(name, &fast_grads[k], &slow_grads[k], tolerance);
        let expected = match name {
            // With the whole code in the digit, the gate changes nothing.
            "threshold" => spec.gated() && spec.msb_bits < spec.activation_bits,
            "scale_x" => spec.quantised() && spec.learn_input_scale,
            "scale_h" => spec.quantised(),
            _ => true,
        };
        let nonzero = fast_grads[k].iter().any(|g| *g != 0.0);
        assert_eq!(nonzero, expected, "gradient of {name}");
    }
}

#[test]
fn kernels_match_tensor_operations() {
    for arithmetic in [Arithmetic::Float, Arithmetic::Uniform, Arithmetic::Gated] {
        compare(spec(arithmetic));
    }
}

#[test]
fn kernels_match_with_every_option() {
    let gated = spec(Arithmetic::Gated);
    compare(LstmSpec {
        sparse_backprop: true,
        ..gated
    });
    compare(LstmSpec {
        temporal: 3.0,
        ..gated
    });
    compare(LstmSpec {
        temporal: 3.0,
        ..spec(Arithmetic::Float)
    });
    compare(LstmSpec {
        learn_input_scale: false,
        ..gated
    });
    compare(LstmSpec {
        msb_bits: 2,
        weight_bits: 4,
        ..gated
    });
    compare(LstmSpec {
        msb_bits: 8,
        ..gated
    });
    for group in [GateGroup::Unit, GateGroup::TwoUnits, GateGroup::FourUnits] {
        for sparse_backprop in [false, true] {
            compare(LstmSpec {
                group,
                sparse_backprop,
                ..gated
            });
        }
    }
    compare(LstmSpec {
        activation_bits: 4,
        ..spec(Arithmetic::Uniform)
    });
}

#[test]
fn the_digit_counts_match_tensor_operations() {
    let mut open = 0;
    for group in [
        GateGroup::Row,
        GateGroup::Unit,
        GateGroup::TwoUnits,
        GateGroup::FourUnits,
    ] {
        let spec = LstmSpec {
            group,
            ..spec(Arithmetic::Gated)
        };
        let case = case(&spec);
        let (fast, slow) = (count(&spec, &case, true), count(&spec, &case, false));
        assert_eq!(fast, slow);
        assert!(
            fast.open > open,
            "{group:?} opens no more than smaller groups"
        );
        assert!(fast.open < fast.outputs || group == GateGroup::FourUnits);
        assert_eq!(fast.open % group.rows() as u64, 0);
        assert!(fast.changed < fast.columns && fast.entries > fast.changed);
        open = fast.open;
    }
}

/// Counts of a pass that starts from zero.
fn count(spec: &LstmSpec, case: &Case, fused: bool) -> Stats {
    let device = Device::flex();
    let t = |k: usize| {
        Tensor::from_data(
            TensorData::new(case.values[k].0.clone(), case.values[k].1),
            &device,
        )
    };
    let parameters = Parameters {
        w_x: t(0),
        w_h: t(1),
        bias: t(2),
        threshold: t(3),
        scale_x: t(4),
        scale_h: t(5),
    };
    let call = Call {
        spec: *spec,
        workspace: Workspace::default(),
        state: None,
        mask: None,
        training: false,
    };
    let x = Tensor::from_data(
        TensorData::new(case.x.clone(), [BATCH, FRAMES, spec.inputs]),
        &device,
    );
    lstm(x, parameters, call, fused).stats
}

/// One row that is always open opens its group and no other.
#[test]
fn a_group_opens_with_any_of_its_rows() {
    let h = spec(Arithmetic::Gated).hidden;
    for group in [GateGroup::Unit, GateGroup::TwoUnits, GateGroup::FourUnits] {
        let spec = LstmSpec {
            group,
            ..spec(Arithmetic::Gated)
        };
        let mut case = case(&spec);
        let mut thresholds = |rows: &[usize]| {
            case.values[3].0.fill(0.0);
            rows.iter().for_each(|row| case.values[3].0[*row] = 1e9);
            count(&spec, &case, true)
        };
        assert_eq!(thresholds(&[]).open, 0);
        // Unit 5 by its output gate, unit 6 by its forget gate.
        for rows in [[3 * h + 5].as_slice(), &[3 * h + 5, h + 6]] {
            let stats = thresholds(rows);
            let groups: std::collections::BTreeSet<usize> = rows
                .iter()
                .map(|row| row % h / group.units().unwrap())
                .collect();
            let share = groups.len() * group.rows();
            assert_eq!(
                stats.open,
                stats.outputs / spec.rows() as u64 * share as u64
            );
        }
    }
}

/// Without quantisation the loss is smooth: central differences are an
/// independent check of the whole backward pass.
#[test]
fn float_gradients_match_finite_differences() {
    let spec = spec(Arithmetic::Float);
    let case = case(&spec);
    let (_, grads, _) = run(&spec, &case, true);
    let loss = |values: &[(Vec<f32>, [usize; 2]); 6]| -> f64 {
        let view = WeightView {
            w_x: &values[0].0,
            w_h: &values[1].0,
            bias: &values[2].0,
            threshold: &[],
            scale_x: 1.0,
            scale_h: 1.0,
        };
        let inputs = Inputs {
            batch: BATCH,
            frames: FRAMES,
            x: &case.x,
            mask: None,
            hidden: Some(&case.state.0),
            cell: Some(&case.state.1),
        };
        let mut out = vec![0.0; BATCH * FRAMES * spec.hidden];
        forward(&spec, &view, &inputs, true, &mut Tape::default(), &mut out);
        out.iter()
            .zip(&case.upstream)
            .map(|(a, b)| f64::from(a * b))
            .sum()
    };
    for (tensor, grads) in grads.iter().enumerate().take(3) {
        let peak = grads.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        for k in (0..grads.len()).step_by(7) {
            let step = 1e-2f32;
            let mut values = case.values.clone();
            values[tensor].0[k] += step;
            let up = loss(&values);
            values[tensor].0[k] -= 2.0 * step;
            let slope = (up - loss(&values)) / f64::from(2.0 * step);
            let error = (slope as f32 - grads[k]).abs();
            assert!(
                error < 2e-3 * peak,
                "tensor {tensor}[{k}]: {slope} is not {}",
                grads[k]
            );
        }
    }
}

#[test]
fn a_gate_that_is_always_open_equals_the_uniform_layer() {
    // With a digit of five bits rows are not narrow: both layers have the same
    // integers.
    let gated = LstmSpec {
        alpha: 0.0,
        msb_bits: 5,
        ..spec(Arithmetic::Gated)
    };
    let mut case = case(&gated);
    case.values[3].0.fill(1e9);
    let (open, open_grads, _) = run(&gated, &case, true);
    let uniform = LstmSpec {
        arithmetic: Arithmetic::Uniform,
        ..gated
    };
    let (dense, dense_grads, _) = run(&uniform, &case, true);
    // The two passes round once more than one: now and then a code moves by one.
    let moved = open.iter().zip(&dense).filter(|(a, b)| a != b).count();
    assert!(moved < open.len() / 100, "{moved} codes differ");
    for k in [0, 1, 2] {
        close("gradient", &open_grads[k], &dense_grads[k], 2e-2);
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let spec = spec(Arithmetic::Gated);
    let case = case(&spec);
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    let one = pool(1).install(|| run(&spec, &case, true));
    let three = pool(3).install(|| run(&spec, &case, true));
    assert!(one.0 == three.0 && one.1 == three.1);
}
