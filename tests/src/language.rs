//! Language models made at random.

use crate::{Shape, biases, random_lstm, requant, weights};
use pg_host::image::{DenseSpec, EmbeddingSpec, GateSpec, ImageSpec, LayerSpec, TestSpec};
use pg_runtime::layers::DenseOutput;
use pg_runtime::quant::Split;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Embedding, LSTM and projection to the tokens, of which there are as many as
/// the shape has classes; every number random.
///
/// # Panics
///
/// If the shape's split is not valid.
#[must_use]
pub fn random_language(seed: u64, shape: Shape) -> ImageSpec {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    let split = Split::new(shape.bits, shape.msb_bits, true).expect("split");
    let (low, high) = split.range();
    let tokens = shape.classes;
    let embedding = EmbeddingSpec {
        tokens,
        width: shape.inputs,
        bits: shape.bits,
        table: (0..tokens * shape.inputs)
            .map(|_| rng.random_range(low..=high) as i8)
            .collect(),
    };
    let head = DenseSpec {
        inputs: shape.hidden,
        outputs: tokens,
        split,
        gate: GateSpec::open(),
        weights: weights(rng, shape.weight_bits, tokens * shape.hidden),
        bias: biases(rng, tokens),
        requant: (0..tokens).map(|_| requant(rng, 20)).collect(),
        output: DenseOutput::Logits,
        weight_bits: shape.weight_bits,
    };
    ImageSpec {
        graph: None,
        layers: vec![
            LayerSpec::Embedding(embedding),
            LayerSpec::Lstm(random_lstm(rng, shape, split)),
            LayerSpec::Dense(head),
        ],
        labels: (0..tokens).map(|k| format!("word{k}")).collect(),
        audio: None,
        detector: None,
        test: TestSpec::Tokens(random_tokens(seed, tokens, 4)),
    }
}

/// `count` tokens of a model that has `tokens`.
#[must_use]
pub fn random_tokens(seed: u64, tokens: usize, count: usize) -> Vec<u16> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|_| rng.random_range(0..tokens) as u16)
        .collect()
}
