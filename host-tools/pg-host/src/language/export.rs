//! From a trained language model to its model image.

use super::model::LanguageModel;
use super::vocabulary::{END, UNKNOWN};
use crate::export::{ExportOptions, Projection, Recurrent, dense, lstm};
use crate::image::{EmbeddingSpec, ImageBytes, ImageSpec, LayerSpec, TestSpec, build};
use crate::model::{ModelKind, SplitKind};
use crate::quantise::codes;
use anyhow::{Context, Result, bail, ensure};
use pg_runtime::image::record::MAX_TOKENS;
use pg_runtime::quant::Split;

/// Tokens of the built-in test vector.
const TEST_TOKENS: usize = 8;

/// Exports a model: embedding, LSTM and projection to the words, which are the
/// image's labels. The options' detector is not used.
///
/// # Errors
/// If it is floating-point or inconsistent, cuts its codes in a way that the
/// runtime does not, or is beyond the format's ranges.
pub fn export(model: &LanguageModel, options: &ExportOptions) -> Result<ImageBytes> {
    model.check()?;
    let meta = &model.meta;
    if meta.kind == ModelKind::Float {
        bail!(
            "a floating-point model has no integers: train the recipe with mode \"uniform\" \
             or \"pg\""
        );
    }
    ensure!(
        meta.kind == ModelKind::Uniform || meta.digits == SplitKind::Rounded,
        "the model truncates its digits, the runtime rounds them: train it with \
         model.digits = \"rounded\""
    );
    let words = meta.vocabulary.len();
    ensure!(
        words <= MAX_TOKENS,
        "the vocabulary has {words} words, an image at most {MAX_TOKENS}: export the most \
         frequent ones, with --words"
    );
    let split = Split::new(meta.activation_bits, meta.msb_bits, true)
        .context("activation bits and digit bits are out of range (2 to 8, 1 to B)")?;
    let [scale_x, scale_h] = [model.scales[0], model.scales[1]];
    let (_, limit) = split.range();
    let embedding = EmbeddingSpec {
        tokens: words,
        width: meta.embedding,
        bits: split.bits(),
        table: codes(&model.embedding, scale_x, limit),
    };
    let recurrent = Recurrent {
        kind: meta.kind,
        inputs: meta.embedding,
        hidden: meta.hidden,
        split,
        weight_bits: meta.weight_bits,
        test: meta.gate_test,
        group: meta.gate_group,
        w_x: &model.w_x,
        w_h: &model.w_h,
        bias: &model.bias,
        threshold: &model.threshold,
        scale_x,
        scale_h,
    };
    let projection = Projection {
        inputs: meta.hidden,
        outputs: words,
        split,
        weight_bits: meta.weight_bits,
        weights: &model.head_w,
        bias: &model.head_b,
        scale: scale_h.into(),
    };
    let spec = ImageSpec {
        layers: vec![
            LayerSpec::Embedding(embedding),
            LayerSpec::Lstm(lstm(&recurrent, options)?),
            LayerSpec::Dense(dense(&projection, options)?),
        ],
        graph: None,
        labels: meta.vocabulary.clone(),
        audio: None,
        detector: None,
        // Evenly from the first word to the last.
        test: TestSpec::Tokens(
            (0..TEST_TOKENS)
                .map(|k| (k * (words - 1) / (TEST_TOKENS - 1)) as u16)
                .collect(),
        ),
    };
    build(&spec, options.target)
}

/// The model of a part of its vocabulary: its first `count` words, which are the
/// most frequent ones of the training text, and `<unk>` and `<eos>`. What it says
/// of them is the same up to the softmax, which is over fewer.
///
/// # Errors
/// If the model is inconsistent.
pub fn with_words(model: &LanguageModel, count: usize) -> Result<LanguageModel> {
    model.check()?;
    let meta = &model.meta;
    let kept: Vec<usize> = (meta.vocabulary.iter().enumerate())
        .filter(|(k, word)| *k < count || [UNKNOWN, END].contains(&word.as_str()))
        .map(|(k, _)| k)
        .collect();
    let rows = |values: &[f32], width: usize| {
        (kept.iter())
            .flat_map(|k| &values[k * width..][..width])
            .copied()
            .collect()
    };
    let mut part = model.clone();
    part.meta.vocabulary = kept.iter().map(|k| meta.vocabulary[*k].clone()).collect();
    part.embedding = rows(&model.embedding, meta.embedding);
    part.head_w = rows(&model.head_w, meta.hidden);
    part.head_b = rows(&model.head_b, 1);
    Ok(part)
}
