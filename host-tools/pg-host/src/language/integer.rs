//! A trained language model as the integers that the runtime computes with.

use super::model::LanguageModel;
use super::vocabulary::Vocabulary;
use crate::export::{ExportOptions, Gates, Projection, Recurrent, dense, lstm};
use crate::image::{ImageBytes, ImageSpec, LayerSpec, build};
use crate::model::{ModelKind, SplitKind};
use crate::quantise::codes;
use anyhow::{Context, Result, bail, ensure};
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::quant::Split;

/// Embeddings as codes, and an image of the LSTM and of the projection to the
/// words, laid out for this host. Its labels are the vocabulary.
#[derive(Clone, Debug)]
pub struct IntegerModel {
    vocabulary: Vocabulary,
    width: usize,
    embedding: Vec<i8>,
    image: ImageBytes,
}

impl IntegerModel {
    /// Quantises a model.
    ///
    /// # Errors
    /// If it is floating-point or inconsistent, cuts its codes in a way that the
    /// runtime does not, or is beyond the format's ranges.
    pub fn new(model: &LanguageModel, gates: Gates) -> Result<Self> {
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
        let split = Split::new(meta.activation_bits, meta.msb_bits, true)
            .context("activation bits and digit bits are out of range (2 to 8, 1 to B)")?;
        let options = ExportOptions {
            gates,
            target: Selected::TARGET,
            ..ExportOptions::default()
        };
        let [scale_x, scale_h] = [model.scales[0], model.scales[1]];
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
            outputs: meta.vocabulary.len(),
            split,
            weight_bits: meta.weight_bits,
            weights: &model.head_w,
            bias: &model.head_b,
            scale: scale_h.into(),
        };
        let spec = ImageSpec {
            layers: vec![
                LayerSpec::Lstm(lstm(&recurrent, &options)?),
                LayerSpec::Dense(dense(&projection, &options)?),
            ],
            graph: None,
            labels: meta.vocabulary.clone(),
            audio: None,
            detector: None,
            test_frames: Vec::new(),
        };
        let (_, limit) = split.range();
        Ok(Self {
            vocabulary: model.vocabulary()?,
            width: meta.embedding,
            embedding: codes(&model.embedding, scale_x, limit),
            image: build(&spec, options.target)?,
        })
    }

    /// The words.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// LSTM and projection.
    #[must_use]
    pub fn image(&self) -> &ImageBytes {
        &self.image
    }

    /// The codes of a word, the LSTM's input; empty if there is no such word.
    #[must_use]
    pub fn embedding(&self, word: u32) -> &[i8] {
        let first = word as usize * self.width;
        self.embedding.get(first..first + self.width).unwrap_or(&[])
    }
}
