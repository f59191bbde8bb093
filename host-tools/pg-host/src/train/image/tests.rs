use super::backward::backward;
use super::forward::{Pass, forward};
use super::plan::{Arithmetic, Plan, ThresholdUnit};
use super::tape::Tape;
use crate::model::ModelKind;
use crate::network::{GatedLayers, Network, Role, resnet20, shiftnet20};

/// An arithmetic of `kind` with 4 bits, 3 of them in the prediction digit.
pub(super) fn arithmetic(kind: ModelKind) -> Arithmetic {
    Arithmetic {
        kind,
        activation_bits: 4,
        msb_bits: if kind == ModelKind::Gated { 3 } else { 4 },
        weight_bits: 8,
        lsq: false,
        alpha: 5.0,
        sparse_backprop: false,
        unit: ThresholdUnit::Accumulator,
        block: 1,
        group: 1,
        input_scale: 1.0 / 64.0,
    }
}

/// Some numbers, the same every time.
pub(super) fn numbers(n: usize, seed: f32) -> Vec<f32> {
    (0..n)
        .map(|i| ((i as f32 * 12.9898 + seed) * 1.618).sin() * 43.0)
        .map(|v| v - v.floor() - 0.5)
        .collect()
}

/// Values that look like those of a network in training.
pub(super) fn values(plan: &Plan) -> (Vec<f32>, Vec<f32>) {
    let (mut trained, mut tracked) = (vec![0.0; plan.trained], vec![0.0; plan.tracked]);
    for (k, p) in plan.parameters.iter().enumerate() {
        let noise = numbers(p.range.len(), k as f32);
        let fan = p.parameter.shape.iter().skip(1).product::<usize>().max(1) as f32;
        let (base, spread) = match p.parameter.role {
            Role::Weight => (0.0, 4.0 / fan.sqrt()),
            Role::Threshold => (0.3, 1.0),
            Role::Gamma | Role::Variance => (1.0, 0.5),
            Role::Beta | Role::Mean | Role::Bias => (0.0, 0.5),
            Role::Clip => (2.0, 0.0),
        };
        let all = if p.tracked() {
            &mut tracked
        } else {
            &mut trained
        };
        for (to, v) in all[p.range.clone()].iter_mut().zip(noise) {
            *to = base + spread * v;
        }
    }
    (trained, tracked)
}

/// Codes of some images.
pub(super) fn images(plan: &Plan, n: usize) -> Vec<f32> {
    let pixels: usize = plan.shapes[0].iter().product();
    numbers(n * pixels, 0.5)
        .iter()
        .map(|v| (v * 200.0).round())
        .collect()
}

#[test]
#[ignore = "a measurement: cargo test --release -p pg-host step_times -- --ignored --nocapture"]
fn step_times() {
    for (name, network) in [("resnet20", resnet20(10)), ("shiftnet20", shiftnet20(10))] {
        for kind in [ModelKind::Float, ModelKind::Uniform, ModelKind::Gated] {
            measure(name, network.clone().gated(GatedLayers::AllButFirst), kind);
        }
    }
}

fn measure(name: &str, network: Network, kind: ModelKind) {
    let plan = Plan::new(network, arithmetic(kind)).unwrap();
    let (trained, tracked) = values(&plan);
    let images = images(&plan, 128);
    let pass = Pass {
        plan: &plan,
        values: &trained,
        tracked: &tracked,
        training: true,
    };
    let mut tape = Tape::default();
    let mut times: Vec<[f64; 2]> = (0..7)
        .map(|_| {
            let started = std::time::Instant::now();
            let logits = forward(&pass, &images, &mut tape);
            let half = started.elapsed().as_secs_f64() * 1e3;
            let gradient = backward(&pass, &logits, &mut tape);
            assert!(gradient.iter().all(|v| v.is_finite()));
            [half, started.elapsed().as_secs_f64() * 1e3 - half]
        })
        .collect();
    times.sort_by(|a, b| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
    println!(
        "{name:<10} {kind:?}: forward and backward, batch 128: fastest {:.0?} ms, median {:.0?} ms",
        times[0], times[3]
    );
}
