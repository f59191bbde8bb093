//! Models made at random, for the tests that cross crates.

use pg_host::image::{DenseSpec, GateSpec, ImageSpec, LayerSpec, LstmSpec, PoolSpec, WeightCopies};
use pg_runtime::detector::DetectorParams;
use pg_runtime::gate::GateKind;
use pg_runtime::layers::DenseOutput;
use pg_runtime::quant::{Requant, Split};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Sizes and numbers of a random model.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Input width.
    pub inputs: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
    /// Activation bits.
    pub bits: u8,
    /// Bits of the prediction digit.
    pub msb_bits: u8,
    /// Gate of the LSTM.
    pub gate: GateKind,
    /// Copies of the weights.
    pub copies: WeightCopies,
}

/// A small keyword-spotting shape that is ragged everywhere.
pub const SMALL: Shape = Shape {
    inputs: 5,
    hidden: 7,
    classes: 3,
    bits: 8,
    msb_bits: 3,
    gate: GateKind::Within,
    copies: WeightCopies::Two,
};

/// A requantisation near the given power of two.
fn requant(rng: &mut StdRng, shift: u8) -> Requant {
    Requant {
        mult: rng.random_range(1 << 14..1 << 15),
        pre: shift.saturating_sub(15).min(6),
        post: shift - shift.saturating_sub(15).min(6),
    }
}

fn weights(rng: &mut StdRng, n: usize) -> Vec<i8> {
    (0..n).map(|_| rng.random_range(-127..=127)).collect()
}

fn biases(rng: &mut StdRng, n: usize) -> Vec<i32> {
    (0..n).map(|_| rng.random_range(-20_000..20_000)).collect()
}

/// LSTM, dense head with a score, attention pooling; every number random.
///
/// # Panics
///
/// If the shape's split is not valid.
#[must_use]
pub fn random_model(seed: u64, shape: Shape) -> ImageSpec {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    let split = Split::new(shape.bits, shape.msb_bits, true).expect("split");
    let (rows, columns) = (4 * shape.hidden, shape.inputs + shape.hidden);
    let thresholds = match shape.gate {
        GateKind::Open => vec![],
        _ => (0..rows).map(|_| rng.random_range(0..60_000)).collect(),
    };
    let lstm = LstmSpec {
        inputs: shape.inputs,
        hidden: shape.hidden,
        split,
        gate: GateSpec {
            kind: shape.gate,
            block: 1,
            thresholds,
        },
        weights: weights(rng, rows * columns),
        bias: biases(rng, rows),
        // Accumulators of some 10^4 to preactivations of some Q12 units of 1.
        requant: (0..rows).map(|_| requant(rng, 17)).collect(),
        hidden_requant: Requant {
            mult: 127 << 8,
            pre: 0,
            post: 15 + 8 + 8 - shape.bits,
        },
        copies: shape.copies,
    };
    let head = DenseSpec {
        inputs: shape.hidden,
        outputs: shape.classes + 1,
        split,
        gate: GateSpec::open(),
        weights: weights(rng, (shape.classes + 1) * shape.hidden),
        bias: biases(rng, shape.classes + 1),
        requant: (0..=shape.classes).map(|_| requant(rng, 20)).collect(),
        output: DenseOutput::Logits,
    };
    let code = 1i8 << (shape.bits - 2);
    ImageSpec {
        layers: vec![
            LayerSpec::Lstm(lstm),
            LayerSpec::Dense(head),
            LayerSpec::AttentionPool(PoolSpec {
                classes: shape.classes,
                window: 9,
            }),
        ],
        labels: (0..shape.classes).map(|c| format!("word{c}")).collect(),
        audio: None,
        detector: Some(DetectorParams {
            threshold: 20_000,
            release: 15_000,
            background: 1,
            smooth: 4,
            refractory: 20,
            reserved: [0; 8],
        }),
        test_frames: (0..4)
            .map(|_| {
                (0..shape.inputs)
                    .map(|_| rng.random_range(-code..=code))
                    .collect()
            })
            .collect(),
    }
}

/// Input that moves as features do: mostly little from frame to frame, now
/// and then a scene cut, silence, or full-range noise.
pub struct Frames {
    rng: StdRng,
    now: Vec<i8>,
    limit: i8,
}

impl Frames {
    /// A stream of frames of `width` codes of `bits` bits.
    #[must_use]
    pub fn new(seed: u64, width: usize, bits: u8) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            now: vec![0; width],
            limit: ((1i16 << (bits - 1)) - 1) as i8,
        }
    }

    /// The next frame.
    pub fn step(&mut self) -> &[i8] {
        let (rng, limit) = (&mut self.rng, i16::from(self.limit));
        match rng.random_range(0..100) {
            0 => self.now.fill(0),
            1 => self.now.fill(self.limit),
            2 => self.now.fill(-self.limit),
            3..6 => self
                .now
                .iter_mut()
                .for_each(|v| *v = rng.random_range(-limit..=limit) as i8),
            _ => {
                let spread = (limit / 8).max(1);
                for v in &mut self.now {
                    let moved = i16::from(*v) + rng.random_range(-spread..=spread);
                    *v = moved.clamp(-limit, limit) as i8;
                }
            }
        }
        &self.now
    }
}
