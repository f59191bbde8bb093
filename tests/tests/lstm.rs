//! The LSTM of the runtime against a naive integer LSTM.

use pg_host::image::{ImageSpec, LayerSpec, LstmSpec, WeightCopies, build, unpack};
use pg_runtime::activation::{sigmoid_t, tanh_t};
use pg_runtime::engine::Engine;
use pg_runtime::gate::GateKind;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::Strategy;
use pg_runtime::layout::{Target, WeightBits};
use pg_runtime::probe::LayerCounts;
use pg_tests::{Frames, SMALL, Shape, random_model};

/// The definition, in 64-bit integers, with no state but h and c.
struct NaiveLstm<'a> {
    spec: &'a LstmSpec,
    h: Vec<i64>,
    c: Vec<i64>,
}

fn round(x: i64, n: u32) -> i64 {
    // floor(x / 2^n + 1/2)
    (2 * x + (1 << n)).div_euclid(2 << n)
}

/// The same for a shift to the left, where `n` is negative.
fn scale(x: i64, n: i32) -> i64 {
    u32::try_from(n).map_or_else(|_| x << -n, |n| round(x, n))
}

fn sat16(x: i64) -> i64 {
    x.clamp(-32768, 32767)
}

/// The argument of a table, Q20.
fn t(x: i64) -> i32 {
    x.clamp(-(1 << 23), (1 << 23) - 1) as i32
}

impl<'a> NaiveLstm<'a> {
    fn new(spec: &'a LstmSpec) -> Self {
        Self {
            spec,
            h: vec![0; spec.hidden],
            c: vec![0; spec.hidden],
        }
    }

    /// One step; returns the open rows.
    fn step(&mut self, x: &[i8]) -> u32 {
        let s = self.spec;
        let shift = u32::from(s.split.shift());
        let v: Vec<i64> = x
            .iter()
            .map(|&q| i64::from(q))
            .chain(self.h.iter().copied())
            .collect();
        let hb: Vec<i64> = v.iter().map(|&q| round(q, shift)).collect();
        let rows = 4 * s.hidden;
        let dot = |row: usize, a: &[i64]| -> i64 {
            let w = &s.weights[row * v.len()..][..v.len()];
            w.iter().zip(a).map(|(&w, a)| i64::from(w) * a).sum()
        };
        let bias = |row: usize| i64::from(s.bias[row]);
        let predictions: Vec<i64> = (0..rows)
            .map(|row| sat16(round((dot(row, &hb) << shift) + bias(row), s.pre.into())))
            .collect();
        let opens = |row: usize| {
            let a = predictions[row];
            let t = s.gate.thresholds.get(row).map_or(0, |&t| i64::from(t));
            match s.gate.kind {
                GateKind::Open => true,
                GateKind::Above => a > t,
                GateKind::Within => a.abs() < t,
            }
        };
        let mut open = 0;
        let a: Vec<i64> = (0..rows)
            .map(|row| {
                let first = row - row % s.gate.group;
                if !(first..(first + s.gate.group).min(rows)).any(opens) {
                    return sat16(predictions[row] << s.lift);
                }
                open += 1;
                let shift = i32::from(s.pre) - i32::from(s.lift);
                sat16(scale(dot(row, &v) + bias(row), shift))
            })
            .collect();
        let limit = i64::from(s.split.range().1);
        for j in 0..s.hidden {
            let z = |g: usize| t((a[4 * j + g] * i64::from(s.mult[4 * j + g])) >> s.post);
            let (i, f) = (i64::from(sigmoid_t(z(0))), i64::from(sigmoid_t(z(1))));
            let (g, o) = (i64::from(tanh_t(z(2))), i64::from(sigmoid_t(z(3))));
            let c = sat16(round(f * self.c[j] + ((i * g) >> 4), 15));
            self.c[j] = c;
            let p = (o * i64::from(tanh_t(t(c << 9)))) >> 15;
            let r = s.hidden_requant;
            let y = round(p * i64::from(r.mult), r.post.into());
            self.h[j] = y.clamp(-limit, limit);
        }
        open
    }
}

/// A model that is the LSTM alone, read out by an identity head: logit j is
/// exactly 64 h_j.
fn lstm_only(mut spec: ImageSpec) -> ImageSpec {
    spec.layers.truncate(2);
    let hidden = match &spec.layers[0] {
        LayerSpec::Lstm(l) => l.hidden,
        _ => unreachable!(),
    };
    let LayerSpec::Dense(head) = &mut spec.layers[1] else {
        unreachable!()
    };
    head.outputs = hidden;
    head.weight_bits = WeightBits::Eight;
    head.weights = (0..hidden * hidden)
        .map(|i| i8::from(i / hidden == i % hidden) * 64)
        .collect();
    head.bias = vec![0; hidden];
    head.requant = vec![
        pg_runtime::quant::Requant {
            mult: 1 << 14,
            pre: 0,
            post: 14
        };
        hidden
    ];
    spec.labels = (0..hidden).map(|j| format!("h{j}")).collect();
    spec.detector = None;
    spec
}

fn check(seed: u64, shape: Shape, steps: usize, strategy: Strategy) {
    let spec = lstm_only(random_model(seed, shape));
    let LayerSpec::Lstm(lstm) = &spec.layers[0] else {
        unreachable!()
    };
    let mut naive = NaiveLstm::new(lstm);
    let bytes = build(&spec, Selected::TARGET).expect("image");
    let image = bytes.image().expect("image");
    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut engine = Engine::new(&image, &mut arena).expect("arena");
    engine.set_strategy(strategy);
    let mut frames = Frames::new(seed + 1, shape.inputs, shape.bits);
    let mut saved = vec![0; engine.save_bytes()];
    let (mut changed, mut open) = (0, 0);
    for step in 0..steps {
        let x = frames.step();
        let want_open = naive.step(x);
        let mut counts = LayerCounts::default();
        let output = engine
            .push_probed(x, &mut |layer: usize, c: LayerCounts| {
                if layer == 0 {
                    counts = c;
                }
            })
            .expect("frame");
        let h: Vec<i64> = output.logits.iter().map(|&l| i64::from(l) / 64).collect();
        assert_eq!(h, naive.h, "{shape:?} {strategy:?} step {step}");
        assert_eq!(counts.open, want_open, "{shape:?} {strategy:?} step {step}");
        changed += counts.columns_applied;
        open += counts.open;

        // Full recomputation of the accumulators must change no byte.
        engine.save(&mut saved).expect("save");
        let before = saved.clone();
        engine.rebuild();
        engine.save(&mut saved).expect("save");
        assert!(
            before == saved,
            "delta differs from recomputation at step {step}"
        );
    }
    // The run must have exercised what it is for.
    let (steps, columns) = (steps as u32, (shape.inputs + shape.hidden) as u32);
    // Digits of one or two bits seldom change.
    let least = if shape.msb_bits > 2 { steps / 2 } else { 0 };
    assert!(changed > least && changed <= steps * columns);
    // The thresholds are made for weights of 8 bits.
    if shape.gate == GateKind::Within && shape.weight_bits == WeightBits::Eight {
        let rows = 4 * shape.hidden as u32;
        assert!(
            open > steps && open < steps * rows,
            "gates never decide: {shape:?}"
        );
    }
}

#[test]
fn all_gates_open_equals_naive_integer_lstm_over_10_000_steps() {
    let shape = Shape {
        gate: GateKind::Open,
        inputs: 12,
        hidden: 18,
        ..SMALL
    };
    check(1, shape, 10_000, Strategy::Delta);
    check(1, shape, 1000, Strategy::Auto);
}

#[test]
fn gated_lstm_equals_naive_for_every_split_layout_and_strategy() {
    use Strategy::{Auto, Delta, Dense, FromZero};
    let splits = [
        (8, 1),
        (8, 2),
        (8, 3),
        (8, 4),
        (8, 6),
        (8, 7),
        (8, 8),
        (5, 3),
        (4, 4),
        (2, 1),
    ];
    for (index, (bits, msb_bits)) in splits.into_iter().enumerate() {
        for gate in [GateKind::Within, GateKind::Above, GateKind::Open] {
            for (copies, narrow, group) in [
                (WeightCopies::One, true, 4),
                (WeightCopies::Two, true, 1),
                (WeightCopies::Two, true, 8),
                (WeightCopies::Two, false, 1),
                (WeightCopies::One, false, 16),
            ] {
                let shape = Shape {
                    bits,
                    msb_bits,
                    gate,
                    copies,
                    narrow,
                    group,
                    ..SMALL
                };
                for strategy in [Auto, Delta, FromZero, Dense] {
                    check(10 * index as u64, shape, 120, strategy);
                    let packed = Shape {
                        weight_bits: WeightBits::Four,
                        lift: [0, 2, 5][index % 3],
                        ..shape
                    };
                    check(10 * index as u64, packed, 60, strategy);
                }
            }
        }
    }
}

#[test]
fn keyword_size_equals_naive() {
    for msb_bits in [3, 4] {
        let shape = Shape {
            inputs: 40,
            hidden: 128,
            msb_bits,
            ..SMALL
        };
        check(7, shape, 300, Strategy::Auto);
    }
}

#[test]
fn every_layout_is_an_image_of_the_same_model() {
    let kinds = [WeightCopies::One, WeightCopies::Two]
        .into_iter()
        .flat_map(|copies| WeightBits::ALL.map(|bits| (copies, bits)));
    for (copies, weight_bits) in kinds {
        let shape = Shape {
            copies,
            weight_bits,
            ..SMALL
        };
        let spec = random_model(9, shape);
        let native = build(&spec, Selected::TARGET).expect("image");
        for target in Target::ALL {
            let other = build(&spec, target).expect("image");
            let image = other.image_of_any_target().expect("image");
            assert_eq!(image.target(), target);
            let back = unpack(&image);
            assert_eq!(back.layers, spec.layers);
            // To another target and back: the same bytes.
            let again = other.for_target(Selected::TARGET).expect("image");
            assert!(again == native);
        }
    }
}

/// All logits of 200 frames.
fn logits(spec: &ImageSpec, shape: Shape) -> Vec<i16> {
    let bytes = build(spec, Selected::TARGET).expect("image");
    let image = bytes.image().expect("image");
    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut engine = Engine::new(&image, &mut arena).expect("arena");
    let mut frames = Frames::new(5, shape.inputs, shape.bits);
    let mut push = || engine.push(frames.step()).expect("frame").logits.to_vec();
    (0..200).flat_map(|_| push()).collect()
}

/// A layer lifted by k has rows counted in units 2^k times as large as one
/// that computes the same with larger numbers.
#[test]
fn lifted_layers_compute_what_larger_weights_do() {
    for (bits, msb_bits, gate) in [
        (8, 4, GateKind::Within),
        (8, 3, GateKind::Above),
        (8, 4, GateKind::Open),
        (4, 4, GateKind::Open),
    ] {
        let shape = Shape {
            bits,
            msb_bits,
            gate,
            lift: 3,
            weight_bits: WeightBits::Four,
            ..SMALL
        };
        let lifted = random_model(12, shape);
        let mut larger = lifted.clone();
        let LayerSpec::Lstm(lstm) = &mut larger.layers[0] else {
            unreachable!()
        };
        lstm.lift = 0;
        lstm.weight_bits = WeightBits::Eight;
        lstm.weights.iter_mut().for_each(|w| *w <<= shape.lift);
        lstm.bias.iter_mut().for_each(|b| *b <<= shape.lift);
        let thresholds = &mut lstm.gate.thresholds;
        thresholds.iter_mut().for_each(|t| *t <<= shape.lift);
        assert!(
            logits(&lifted, shape) == logits(&larger, shape),
            "{shape:?}"
        );
    }
}

#[test]
fn packed_weights_compute_what_unpacked_ones_do_in_half_the_bytes() {
    let shape = Shape {
        inputs: 40,
        hidden: 64,
        weight_bits: WeightBits::Four,
        ..SMALL
    };
    let mut spec = random_model(11, shape);
    for target in Target::ALL {
        let packed = build(&spec, target).expect("image");
        let mut unpacked = spec.clone();
        for bits in unpacked
            .layers
            .iter_mut()
            .filter_map(LayerSpec::weight_bits)
        {
            *bits = WeightBits::Eight;
        }
        let unpacked = build(&unpacked, target).expect("image");
        assert!(packed.as_bytes().len() < unpacked.as_bytes().len() * 6 / 10);
    }
    let packed = logits(&spec, shape);
    for bits in spec.layers.iter_mut().filter_map(LayerSpec::weight_bits) {
        *bits = WeightBits::Eight;
    }
    assert_eq!(packed, logits(&spec, shape));
    // Weights that do not fit are refused, with words for it.
    let mut large = random_model(11, SMALL);
    for bits in large.layers.iter_mut().filter_map(LayerSpec::weight_bits) {
        *bits = WeightBits::Four;
    }
    let error = build(&large, Selected::TARGET).expect_err("weights of 8 bits");
    assert!(
        format!("{error:#}").contains("does not fit 4 bits"),
        "{error:#}"
    );
}

#[test]
fn state_saved_and_restored_continues_with_the_same_bytes() {
    let spec = random_model(3, SMALL);
    let bytes = build(&spec, Selected::TARGET).expect("image");
    let image = bytes.image().expect("image");
    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut other = vec![0; image.arena_bytes() / 4];
    let mut a = Engine::new(&image, &mut arena).expect("arena");
    let mut b = Engine::new(&image, &mut other).expect("arena");
    let mut frames = Frames::new(5, 5, 8);
    for _ in 0..50 {
        a.push(frames.step()).expect("frame");
    }
    let mut saved = vec![0; a.save_bytes()];
    a.save(&mut saved).expect("save");
    b.restore(&saved).expect("restore");
    for _ in 0..50 {
        let x = frames.step().to_vec();
        assert_eq!(a.push(&x).expect("frame"), b.push(&x).expect("frame"));
    }
    a.reset();
    b.reset();
    let x = frames.step();
    assert_eq!(a.push(x).expect("frame"), b.push(x).expect("frame"));
}
