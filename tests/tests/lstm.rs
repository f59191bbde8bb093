//! The LSTM of the runtime against a naive integer LSTM.

use pg_host::image::{ImageSpec, LayerSpec, LstmSpec, WeightCopies, build};
use pg_runtime::activation::{sigmoid, tanh};
use pg_runtime::engine::Engine;
use pg_runtime::gate::GateKind;
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
        let mut open = 0;
        let mut z = vec![0i16; 4 * s.hidden];
        for (row, z) in z.iter_mut().enumerate() {
            let w = &s.weights[row * v.len()..][..v.len()];
            let dot = |a: &[i64]| -> i64 { w.iter().zip(a).map(|(&w, a)| i64::from(w) * a).sum() };
            let bias = i64::from(s.bias[row]);
            let z_hb = (dot(&hb) << shift) + bias;
            let opened = match s.gate.kind {
                GateKind::Open => true,
                GateKind::Above => z_hb > i64::from(s.gate.thresholds[row]),
                GateKind::Within => z_hb.abs() < i64::from(s.gate.thresholds[row]),
            };
            open += u32::from(opened);
            let sum = if opened { dot(&v) + bias } else { z_hb };
            let r = s.requant[row];
            let a = round(sum, r.pre.into()).clamp(-32767, 32767);
            *z = round(a * i64::from(r.mult), r.post.into()).clamp(-32768, 32767) as i16;
        }
        let (low, high) = s.split.range();
        for j in 0..s.hidden {
            let gate = |g: usize| z[g * s.hidden + j];
            let (i, f, g, o) = (
                i64::from(sigmoid(gate(0))),
                i64::from(sigmoid(gate(1))),
                i64::from(tanh(gate(2))),
                i64::from(sigmoid(gate(3))),
            );
            let c = (round(f * self.c[j], 15) + round(i * g, 19)).clamp(-32768, 32767);
            self.c[j] = c;
            let h = round(o * i64::from(tanh((2 * c).clamp(-32768, 32767) as i16)), 15);
            let r = s.hidden_requant;
            let y = round(round(h, r.pre.into()) * i64::from(r.mult), r.post.into());
            self.h[j] = y.clamp(low.into(), high.into());
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

fn check(seed: u64, shape: Shape, steps: usize) {
    let spec = lstm_only(random_model(seed, shape));
    let LayerSpec::Lstm(lstm) = &spec.layers[0] else {
        unreachable!()
    };
    let mut naive = NaiveLstm::new(lstm);
    let bytes = build(&spec).expect("image");
    let image = bytes.image().expect("image");
    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut engine = Engine::new(&image, &mut arena).expect("arena");
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
        assert_eq!(h, naive.h, "seed {seed} step {step}");
        assert_eq!(counts.open, want_open, "seed {seed} step {step}");
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
    assert!(changed > steps && changed < steps * columns);
    if shape.gate == GateKind::Within {
        let rows = 4 * shape.hidden as u32;
        assert!(open > steps && open < steps * rows, "gates never decide");
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
    check(1, shape, 10_000);
}

#[test]
fn gated_lstm_equals_naive_for_every_split_and_layout() {
    for (seed, bits, msb_bits) in [(10, 8, 2), (20, 8, 3), (30, 8, 4), (40, 5, 3), (50, 4, 4)] {
        for gate in [GateKind::Within, GateKind::Above, GateKind::Open] {
            for copies in [WeightCopies::One, WeightCopies::Two] {
                let shape = Shape {
                    bits,
                    msb_bits,
                    gate,
                    copies,
                    ..SMALL
                };
                check(seed, shape, 500);
            }
        }
    }
}

#[test]
fn keyword_size_equals_naive() {
    let shape = Shape {
        inputs: 40,
        hidden: 128,
        ..SMALL
    };
    check(7, shape, 300);
}

#[test]
fn state_saved_and_restored_continues_with_the_same_bytes() {
    let spec = random_model(3, SMALL);
    let bytes = build(&spec).expect("image");
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
