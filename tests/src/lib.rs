//! Models made at random, for the tests that cross crates.

pub mod flash;
pub mod language;
pub mod pictures;

use pg_host::image::{
    DenseSpec, GateSpec, ImageSpec, LayerSpec, LstmGateSpec, LstmSpec, PoolSpec, TestSpec,
    WeightCopies,
};
use pg_runtime::detector::DetectorParams;
use pg_runtime::gate::GateKind;
use pg_runtime::layers::DenseOutput;
use pg_runtime::layout::WeightBits;
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
    /// Rows that open together.
    pub group: usize,
    /// Shift of predictions to the left after the gate.
    pub lift: u8,
    /// Weights and biases small enough for predictions of 16 bits, so that
    /// these are kept from step to step.
    pub narrow: bool,
    /// Copies of the weights.
    pub copies: WeightCopies,
    /// Bits of the weights, which are smaller in the same images of fewer.
    pub weight_bits: WeightBits,
}

/// A small keyword-spotting shape that is ragged everywhere.
pub const SMALL: Shape = Shape {
    inputs: 5,
    hidden: 7,
    classes: 3,
    bits: 8,
    msb_bits: 3,
    gate: GateKind::Within,
    group: 1,
    lift: 0,
    narrow: true,
    copies: WeightCopies::Two,
    weight_bits: WeightBits::Eight,
};

/// A requantisation near the given power of two.
fn requant(rng: &mut StdRng, shift: u8) -> Requant {
    Requant {
        mult: rng.random_range(1 << 14..1 << 15),
        pre: shift.saturating_sub(15).min(6),
        post: shift - shift.saturating_sub(15).min(6),
    }
}

fn weights(rng: &mut StdRng, bits: WeightBits, n: usize) -> Vec<i8> {
    let largest = bits.max() as i8;
    (0..n)
        .map(|_| rng.random_range(-largest..=largest))
        .collect()
}

fn biases(rng: &mut StdRng, n: usize) -> Vec<i32> {
    (0..n).map(|_| rng.random_range(-20_000..20_000)).collect()
}

fn random_lstm(rng: &mut StdRng, shape: Shape, split: Split) -> LstmSpec {
    let (rows, columns) = (4 * shape.hidden, shape.inputs + shape.hidden);
    let shift = split.shift();
    // Half of what a narrow row may sum is left to the bias.
    let digits = split.largest_digit() as usize * columns;
    let largest = if shape.narrow {
        ((16_383 >> shape.lift) / digits).min(shape.weight_bits.max() as usize) as i8
    } else {
        shape.weight_bits.max() as i8
    };
    let bias = (20_000 >> shift).min(16_000) >> shape.lift;
    let step = if shape.narrow { 1 << shift } else { 1 };
    // Predictions of some 10^3 to preactivations of some units of 1, Q20.
    let pre = if shape.narrow { shift } else { 4 };
    let post = (4 + shape.lift).saturating_sub(pre).min(15);
    // About the size of a prediction; a group opens more often than a row.
    let size = if shape.narrow {
        bias + (usize::from(largest.unsigned_abs()) * digits / 4) as i32
    } else {
        (20_000 + ((columns as i32 * shape.weight_bits.max() as i32) << (shape.bits - 1)) / 4) >> 4
    };
    let reach = (size / shape.group as i32).clamp(1, 32_767);
    LstmSpec {
        inputs: shape.inputs,
        hidden: shape.hidden,
        split,
        gate: match shape.gate {
            GateKind::Open => LstmGateSpec::open(),
            kind => LstmGateSpec {
                kind,
                group: shape.group,
                thresholds: (0..rows)
                    .map(|_| rng.random_range(0..reach as i16))
                    .collect(),
            },
        },
        weights: (0..rows * columns)
            .map(|_| rng.random_range(-largest..=largest))
            .collect(),
        bias: (0..rows)
            .map(|_| {
                let wide = if shape.narrow { 1 } else { 1 << shift };
                rng.random_range(-bias * wide..bias * wide) * step
            })
            .collect(),
        pre,
        lift: shape.lift,
        mult: (0..rows)
            .map(|_| rng.random_range(1 << 13..3 << 13))
            .collect(),
        post,
        hidden_requant: Requant {
            mult: 127 << 8,
            pre: 0,
            post: 15 + 8 + 8 - shape.bits,
        },
        copies: shape.copies,
        weight_bits: shape.weight_bits,
    }
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
    let lstm = random_lstm(rng, shape, split);
    let head = DenseSpec {
        inputs: shape.hidden,
        outputs: shape.classes + 1,
        split,
        gate: GateSpec::open(),
        weights: weights(rng, shape.weight_bits, (shape.classes + 1) * shape.hidden),
        bias: biases(rng, shape.classes + 1),
        requant: (0..=shape.classes).map(|_| requant(rng, 20)).collect(),
        output: DenseOutput::Logits,
        weight_bits: shape.weight_bits,
    };
    let code = 1i8 << (shape.bits - 2);
    ImageSpec {
        graph: None,
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
        test: TestSpec::Frames(
            (0..4)
                .map(|_| {
                    (0..shape.inputs)
                        .map(|_| rng.random_range(-code..=code))
                        .collect()
                })
                .collect(),
        ),
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
