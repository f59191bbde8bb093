use super::backward::backward;
use super::burn_op::{Call, Output, network as run_network};
use super::forward::{Pass, forward};
use super::plan::{Arithmetic, Plan, ThresholdUnit};
use super::tape::{Tape, Workspace};
use crate::model::ModelKind;
use crate::network::{
    Conv, GatedLayers, Network, Node, Op, Pool, Quantiser, Role, Shortcut, resnet20, shiftnet20,
};
use burn::tensor::{Device, Tensor, TensorData};
use std::sync::Arc;

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
            // Different ranges: a mean of codes on an equal grid is often a tie.
            Role::Clip => (2.0, 0.7),
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

/// A small network with every kind of node.
fn zoo() -> Network {
    let quantiser = |clip: &str, signed| Quantiser {
        clip: clip.into(),
        signed,
        bits: None,
    };
    let conv = |channels, kernel, stride, clip: &str| Conv {
        channels,
        kernel,
        stride,
        pad: kernel / 2,
        depthwise: false,
        gated: false,
        shortcut: None,
        quantiser: quantiser(clip, false),
    };
    let shortcut = |map, stride, first| Some(Shortcut { map, stride, first });
    let pool = Pool {
        kernel: 3,
        stride: 2,
        pad: 1,
    };
    let displacement = (0..6).map(|c| [c / 3 - 1, c % 3 - 1]).collect();
    let ops: Vec<(&str, Vec<usize>, Op)> = vec![
        ("first", vec![0], Op::Conv(conv(6, 3, 1, "first"))), // 1: 7 x 9 x 6
        ("shift", vec![1], Op::Shift { displacement }),       // 2
        (
            "wide", // 3
            vec![2],
            Op::Conv(Conv {
                shortcut: shortcut(1, 1, 2),
                ..conv(11, 1, 1, "wide")
            }),
        ),
        (
            "down", // 4: 4 x 5 x 12
            vec![3],
            Op::Conv(Conv {
                shortcut: shortcut(3, 2, 1),
                ..conv(12, 3, 2, "pair")
            }),
        ),
        ("max", vec![3], Op::MaxPool(pool)), // 5: 4 x 5 x 11
        (
            "depthwise", // 6
            vec![5],
            Op::Conv(Conv {
                depthwise: true,
                quantiser: quantiser("depthwise", true),
                ..conv(11, 3, 1, "")
            }),
        ),
        ("right", vec![6], Op::Conv(conv(12, 1, 1, "pair"))), // 7
        ("shuffle", vec![4, 7], Op::Interleave),              // 8: 4 x 5 x 24
        (
            "half", // 9
            vec![8],
            Op::Channels {
                first: 5,
                channels: 16,
            },
        ),
        (
            "average", // 10: 2 x 3 x 16
            vec![9],
            Op::AveragePool {
                pool,
                quantiser: quantiser("average", false),
            },
        ),
        ("again", vec![10], Op::Conv(conv(8, 3, 1, "again"))), // 11
        (
            "global", // 12
            vec![11],
            Op::GlobalAverage {
                quantiser: quantiser("global", false),
            },
        ),
        ("head", vec![12], Op::Dense),
    ];
    let node = |(name, inputs, op): (&str, Vec<usize>, Op)| Node {
        name: name.into(),
        inputs,
        op,
    };
    Network {
        name: "zoo".into(),
        input: [7, 9, 3],
        classes: 5,
        nodes: ops.into_iter().map(node).collect(),
    }
}

/// Output and gradient of the trained values, with upstream gradient `weights`.
fn evaluated(plan: &Arc<Plan>, training: bool, fused: bool) -> (Output, Vec<f32>) {
    let device = Device::flex().autodiff();
    let (trained, tracked) = values(plan);
    let n = 3;
    let call = Call {
        plan: Arc::clone(plan),
        workspace: Workspace::default(),
        images: Arc::new(images(plan, n)),
        tracked: Arc::new(tracked),
        training,
    };
    let data = TensorData::new(trained, [1, plan.trained]);
    let leaf = Tensor::<2>::from_data(data, &device).require_grad();
    let out = run_network(leaf.clone(), call, fused);
    if !training {
        return (out, Vec::new());
    }
    let weights = TensorData::new(numbers(n * 5, 7.0), [n, 5]);
    let weights = Tensor::<2>::from_data(weights, &device);
    let mut gradients = (out.logits.clone() * weights).sum().backward();
    let gradient = leaf.grad_remove(&mut gradients).unwrap();
    (out, gradient.into_data().try_to_vec::<f32>().unwrap())
}

/// Largest difference, relative to the largest number.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max) / largest
}

#[test]
fn kernels_and_tensor_operations_agree_in_values_and_gradients() {
    let mut cases = vec![arithmetic(ModelKind::Float)];
    for lsq in [false, true] {
        cases.push(Arithmetic {
            lsq,
            ..arithmetic(ModelKind::Uniform)
        });
    }
    for (sparse_backprop, unit, block, group) in [
        (false, ThresholdUnit::Accumulator, 1, 1),
        (true, ThresholdUnit::Deviation, 1, 1),
        (false, ThresholdUnit::Deviation, 4, 4),
        (true, ThresholdUnit::Accumulator, 1, 8),
    ] {
        cases.push(Arithmetic {
            sparse_backprop,
            unit,
            block,
            group,
            ..arithmetic(ModelKind::Gated)
        });
    }
    for case in cases {
        let network = zoo().gated(GatedLayers::AllButFirst);
        let plan = Arc::new(Plan::new(network, case).unwrap());
        for training in [true, false] {
            let (ours, gradient) = evaluated(&plan, training, true);
            let (theirs, expected) = evaluated(&plan, training, false);
            let host = |o: &Output| o.logits.clone().into_data().try_to_vec::<f32>().unwrap();
            let what = format!("{case:?}, training {training}");
            assert!(difference(&host(&ours), &host(&theirs)) < 1e-4, "{what}");
            let open = |o: &Output| o.counts.iter().map(|c| c.open).collect::<Vec<_>>();
            assert_eq!(open(&ours), open(&theirs), "{what}");
            if !training {
                continue;
            }
            let digits = |o: &Output| {
                let of_gated = plan.convs.iter().zip(&o.counts);
                let of_gated = of_gated.filter(|(c, _)| c.as_ref().is_some_and(|c| !c.depthwise));
                of_gated.map(|(_, c)| c.digits).collect::<Vec<_>>()
            };
            assert_eq!(digits(&ours), digits(&theirs), "{what}");
            assert!(difference(&ours.batch, &theirs.batch) < 1e-4, "{what}");
            for p in plan.parameters.iter().filter(|p| !p.tracked()) {
                let error = difference(&gradient[p.range.clone()], &expected[p.range.clone()]);
                assert!(error < 2e-3, "{what}: {} {error}", p.parameter.name);
                let zero = gradient[p.range.clone()].iter().all(|d| *d == 0.0);
                let trained = p.parameter.role == Role::Weight
                    || (p.parameter.role == Role::Threshold && case.kind == ModelKind::Gated);
                assert!(!zero || !trained, "{what}: {} has none", p.parameter.name);
            }
        }
    }
}

#[test]
fn float_gradients_match_differences() {
    let plan = Plan::new(zoo(), arithmetic(ModelKind::Float)).unwrap();
    let (trained, tracked) = values(&plan);
    let images = images(&plan, 3);
    let weights = numbers(3 * 5, 7.0);
    let loss = |trained: &[f32], gradient: Option<&mut Vec<f32>>| {
        let pass = Pass {
            plan: &plan,
            values: trained,
            tracked: &tracked,
            training: true,
        };
        let mut tape = Tape::default();
        let logits = forward(&pass, &images, &mut tape);
        if let Some(gradient) = gradient {
            *gradient = backward(&pass, &weights, &mut tape);
        }
        let terms = logits.iter().zip(&weights);
        terms
            .map(|(z, w)| f64::from(*z) * f64::from(*w))
            .sum::<f64>()
    };
    let mut gradient = Vec::new();
    loss(&trained, Some(&mut gradient));
    for p in plan.parameters.iter().filter(|p| !p.tracked()) {
        let at = p.range.start + p.range.len() / 2;
        let step = 1e-3;
        let mut moved = trained.clone();
        moved[at] += step;
        let up = loss(&moved, None);
        moved[at] -= 2.0 * step;
        let slope = (up - loss(&moved, None)) / (2.0 * f64::from(step));
        let error = (slope - f64::from(gradient[at])).abs();
        let scale = gradient[p.range.clone()]
            .iter()
            .fold(0.02f32, |m, v| m.max(v.abs()));
        assert!(
            error < 0.05 * f64::from(scale),
            "{}: {} and {slope}",
            p.parameter.name,
            gradient[at]
        );
    }
}

/// 70 images of two easily told classes in CIFAR-10's files.
fn small_data(directory: &std::path::Path) {
    use crate::data::cifar::FILES;
    for (name, _) in FILES {
        let mut bytes = Vec::new();
        for k in 0..14u8 {
            let label = k % 2;
            bytes.push(label);
            bytes.extend((0..3072u32).map(|i| {
                let noise = (i * 37 + u32::from(k) * 101) % 60;
                noise as u8 + if label == 0 { 30 } else { 150 }
            }));
        }
        std::fs::write(directory.join(name), bytes).unwrap();
    }
}

#[test]
fn a_run_that_is_stopped_and_resumed_gives_the_same_model() {
    use super::{ImageRecipe, Outcome, recipe::BUILT_IN, run};
    use crate::train::TrainOptions;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    small_data(&data);
    let recipe = ImageRecipe::parse(BUILT_IN[0].1).unwrap();
    let recipe = recipe.with_overrides(&["training.batch=8", "training.epochs=1"]);
    let recipe = recipe.unwrap();
    let mut options = TrainOptions::new(&data, folder.path().join("whole"));
    options.quiet = true;
    let Outcome::Finished(whole) = run(&recipe, &options).unwrap() else {
        panic!("not finished");
    };
    options.out_dir = folder.path().join("parts");
    options.stop_after = Some(3);
    let stopped = |o: &TrainOptions| matches!(run(&recipe, o), Ok(Outcome::Stopped));
    assert!(stopped(&options));
    let refused = |recipe: &ImageRecipe, options: &TrainOptions| match run(recipe, options) {
        Ok(_) => String::new(),
        Err(error) => format!("{error:#}"),
    };
    assert!(refused(&recipe, &options).contains("--resume"));
    options.resume = true;
    let other = recipe.with_overrides(&["seed=2"]).unwrap();
    assert!(refused(&other, &options).contains("another recipe"));
    options.stop_after = Some(6);
    assert!(stopped(&options));
    options.stop_after = None;
    let Ok(Outcome::Finished(parts)) = run(&recipe, &options) else {
        panic!("not finished");
    };
    assert!(parts.values == whole.values);
    assert_eq!(parts.meta.test, whole.meta.test);
}
