//! From an image back to the integers it was built from.

use super::spec::{
    AudioSpec, DenseSpec, EmbeddingSpec, GateSpec, ImageSpec, LayerSpec, LstmGateSpec, LstmSpec,
    PoolSpec, TestSpec, WeightCopies,
};
use super::unpack_maps;
use pg_runtime::audio::AudioParams;
use pg_runtime::image::{Image, Input};
use pg_runtime::layers::{Dense, Layer, Lstm};
use pg_runtime::layout::Matrix;

/// Everything in an image, independent of its layout: building from it gives
/// an image that computes the same bytes.
#[must_use]
pub fn unpack(image: &Image<'_>) -> ImageSpec {
    ImageSpec {
        layers: image.layers().map(|l| layer(&l)).collect(),
        graph: image.graph().map(unpack_maps::graph),
        labels: image.labels().map(str::to_owned).collect(),
        audio: image.audio().map(|a| audio(&a)),
        detector: image.detector(),
        test: test(image),
    }
}

fn test(image: &Image<'_>) -> TestSpec {
    let (mut frames, mut tokens) = (Vec::new(), Vec::new());
    for input in image.test_vector().iter().flat_map(|v| v.frames()) {
        match input {
            Input::Codes(codes) => frames.push(codes.to_vec()),
            Input::Token(token) => tokens.push(token),
        }
    }
    match image.tokens() {
        Some(_) => TestSpec::Tokens(tokens),
        None => TestSpec::Frames(frames),
    }
}

fn layer(layer: &Layer<'_>) -> LayerSpec {
    match layer {
        Layer::Lstm(l) => LayerSpec::Lstm(lstm(l)),
        Layer::Dense(l) => LayerSpec::Dense(dense(l)),
        Layer::MeanPool(p) => LayerSpec::MeanPool(PoolSpec {
            classes: p.width(),
            window: p.window(),
        }),
        Layer::AttentionPool(p) => LayerSpec::AttentionPool(PoolSpec {
            classes: p.classes(),
            window: p.window(),
        }),
        Layer::Embedding(l) => LayerSpec::Embedding(EmbeddingSpec {
            tokens: l.tokens(),
            width: l.width(),
            bits: l.bits(),
            table: l.table().to_vec(),
        }),
        Layer::Map(l) => LayerSpec::Map(unpack_maps::layer(l)),
    }
}

pub(super) fn weights(matrix: &Matrix<'_>) -> Vec<i8> {
    let (rows, columns) = (matrix.rows(), matrix.columns());
    (0..rows * columns)
        .map(|k| matrix.weight(k / columns, k % columns))
        .collect()
}

fn lstm(l: &Lstm<'_>) -> LstmSpec {
    let (gate, cell, matrix) = (l.gate(), l.cell(), l.weights());
    LstmSpec {
        inputs: l.inputs(),
        hidden: l.hidden(),
        split: l.split(),
        gate: LstmGateSpec {
            kind: gate.kind(),
            group: gate.group(),
            thresholds: gate.thresholds().to_vec(),
        },
        weights: weights(matrix),
        bias: l.bias().to_vec(),
        pre: l.pre(),
        lift: l.lift(),
        mult: cell.mult.to_vec(),
        post: cell.post,
        hidden_requant: cell.hidden,
        copies: if matrix.has_panels() && matrix.has_rows() {
            WeightCopies::Two
        } else {
            WeightCopies::One
        },
        weight_bits: matrix.bits(),
    }
}

fn dense(l: &Dense<'_>) -> DenseSpec {
    DenseSpec {
        inputs: l.inputs(),
        outputs: l.outputs(),
        split: l.split(),
        gate: GateSpec {
            kind: l.gate().kind(),
            block: l.gate().block(),
            thresholds: l.gate().thresholds().to_vec(),
        },
        weights: weights(l.weights()),
        bias: l.bias().to_vec(),
        requant: l.requant().to_vec(),
        output: l.output(),
        weight_bits: l.weights().bits(),
    }
}

fn audio(a: &AudioParams<'_>) -> AudioSpec {
    AudioSpec {
        first_bin: a.first_bin,
        code_limit: a.code_limit,
        filters: a.filters.to_vec(),
        norm: a.norm.to_vec(),
    }
}
