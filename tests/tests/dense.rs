//! Dense layers against the definition: both gates, signed and unsigned codes,
//! thresholds per row and per block, logits and codes as output.

use pg_host::image::{DenseSpec, GateSpec, ImageSpec, LayerSpec, TestSpec, build};
use pg_runtime::engine::Engine;
use pg_runtime::gate::GateKind;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::DenseOutput;
use pg_runtime::layout::WeightBits;
use pg_runtime::probe::LayerCounts;
use pg_runtime::quant::{Requant, Split};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn layer(
    rng: &mut StdRng,
    (inputs, outputs): (usize, usize),
    split: Split,
    gate: GateKind,
    output: DenseOutput,
) -> DenseSpec {
    let block = rng.random_range(1..=outputs);
    let thresholds = match gate {
        GateKind::Open => vec![],
        GateKind::Above => (0..outputs.div_ceil(block))
            .map(|_| rng.random_range(-40_000..40_000))
            .collect(),
        GateKind::Within => (0..outputs.div_ceil(block))
            .map(|_| rng.random_range(0..60_000))
            .collect(),
    };
    DenseSpec {
        inputs,
        outputs,
        split,
        gate: GateSpec {
            kind: gate,
            block,
            thresholds,
        },
        weights: (0..inputs * outputs)
            .map(|_| rng.random_range(-127..=127))
            .collect(),
        bias: (0..outputs)
            .map(|_| rng.random_range(-9_000..9_000))
            .collect(),
        requant: (0..outputs)
            .map(|_| Requant {
                mult: rng.random_range(1 << 14..1 << 15),
                pre: rng.random_range(0..4),
                post: rng.random_range(17..22),
            })
            .collect(),
        output,
        weight_bits: WeightBits::Eight,
    }
}

/// The layer by its definition, in 64-bit integers; also counts open outputs.
fn naive(l: &DenseSpec, codes: &[i64]) -> (Vec<i64>, u32) {
    let s = u32::from(l.split.shift());
    let floor_half = |x: i64, n: u32| (2 * x + (1 << n)).div_euclid(2 << n);
    let hb = |q: i64| {
        if l.split.signed() {
            floor_half(q, s)
        } else {
            q >> s
        }
    };
    let mut open = 0;
    let out = (0..l.outputs)
        .map(|row| {
            let w = &l.weights[row * l.inputs..][..l.inputs];
            let dot = |f: &dyn Fn(i64) -> i64| -> i64 {
                w.iter()
                    .zip(codes)
                    .map(|(&w, &q)| i64::from(w) * f(q))
                    .sum()
            };
            let bias = i64::from(l.bias[row]);
            let z_hb = (dot(&hb) << s) + bias;
            let t = l.gate.thresholds.get(row / l.gate.block).copied();
            let opens = match l.gate.kind {
                GateKind::Open => true,
                GateKind::Above => z_hb > i64::from(t.expect("threshold")),
                GateKind::Within => z_hb.abs() < i64::from(t.expect("threshold")),
            };
            open += u32::from(opens);
            let z = if opens { dot(&|q| q) + bias } else { z_hb };
            let r = l.requant[row];
            let a = floor_half(z, r.pre.into()).clamp(-32767, 32767);
            let y = floor_half(a * i64::from(r.mult), r.post.into()).clamp(-32768, 32767);
            match l.output {
                DenseOutput::Logits => y,
                DenseOutput::Codes { bits, signed } => {
                    let (low, high) = Split::new(bits, 1, signed).expect("split").range();
                    y.clamp(low.into(), high.into())
                }
            }
        })
        .collect();
    (out, open)
}

#[test]
fn two_gated_layers_equal_the_definition() {
    let mut rng = StdRng::seed_from_u64(11);
    let (mut opened, mut closed) = (0, 0);
    for round in 0..60 {
        // Signed 8-bit input; between the layers a ReLU with unsigned codes,
        // or signed ones.
        let (bits, signed) = [(8, false), (4, false), (5, true), (8, true)][round % 4];
        let msb = if signed { 3 } else { bits / 2 };
        let between = Split::new(bits, msb, signed).expect("split");
        let gates = [GateKind::Open, GateKind::Above, GateKind::Within];
        let (i, m, o) = (
            rng.random_range(1..40),
            rng.random_range(1..40),
            rng.random_range(1..12),
        );
        let input = Split::new(8, rng.random_range(2..=8), true).expect("split");
        let codes = DenseOutput::Codes { bits, signed };
        let first = layer(&mut rng, (i, m), input, gates[round % 3], codes);
        let second = layer(
            &mut rng,
            (m, o),
            between,
            gates[round / 3 % 3],
            DenseOutput::Logits,
        );
        let spec = ImageSpec {
            graph: None,
            layers: vec![
                LayerSpec::Dense(first.clone()),
                LayerSpec::Dense(second.clone()),
            ],
            labels: (0..o).map(|k| format!("c{k}")).collect(),
            audio: None,
            detector: None,
            test: TestSpec::Frames(vec![]),
        };
        let bytes = build(&spec, Selected::TARGET).expect("image");
        let image = bytes.image().expect("image");
        let mut arena = vec![0; image.arena_bytes() / 4];
        let mut engine = Engine::new(&image, &mut arena).expect("arena");
        for _ in 0..20 {
            let x: Vec<i8> = (0..i).map(|_| rng.random_range(-127..=127)).collect();
            let (hidden, open_first) =
                naive(&first, &x.iter().map(|&q| q.into()).collect::<Vec<_>>());
            let (want, open_second) = naive(&second, &hidden);
            let mut open = [0; 2];
            let output = engine
                .push_probed(&x, &mut |l: usize, c: LayerCounts| open[l] = c.open)
                .expect("frame");
            let got: Vec<i64> = output.logits.iter().map(|&l| l.into()).collect();
            assert_eq!(got, want, "round {round}");
            assert_eq!(open, [open_first, open_second], "round {round}");
            opened += open[0];
            closed += m as u32 - open[0];
        }
    }
    assert!(opened > 1000 && closed > 1000, "{opened} {closed}");
}
