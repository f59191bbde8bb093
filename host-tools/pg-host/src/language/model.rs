//! A trained language model before export: real-valued parameters and what is
//! known about them, as one safetensors file.

use super::vocabulary::Vocabulary;
use crate::model::{GateGroup, GateTest, ModelKind, SplitKind};
use crate::{fsio, tensors};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Perplexity and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageMetrics {
    /// Mean loss of a word, natural logarithm.
    pub loss: f64,
    /// Perplexity per word, `e^loss`.
    pub perplexity: f64,
    /// Share of the LSTM's gate rows that stay closed, Sp.
    pub sparsity: f64,
    /// Average bits of the LSTM's activations, `B_hb + (1 - Sp) (B - B_hb)`; B
    /// without a gate.
    pub bits: f64,
    /// Share of the LSTM's columns whose digit changed from word to word.
    pub columns: f64,
    /// Multiply-accumulates of the LSTM executed over those of a dense pass.
    pub executed: f64,
}

/// What is known about a trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageMeta {
    /// Name of the recipe.
    pub recipe: String,
    /// The recipe, complete, as TOML.
    pub recipe_toml: String,
    /// The words, in the order of the model's outputs.
    pub vocabulary: Vec<String>,
    /// How the LSTM computes.
    pub kind: ModelKind,
    /// Numbers that a word is looked up as, E.
    pub embedding: usize,
    /// Hidden units, H.
    pub hidden: usize,
    /// Bits of an activation code, B.
    pub activation_bits: u8,
    /// Bits of the prediction digit, `B_hb`; equal to B without a gate.
    pub msb_bits: u8,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// How codes are cut into digits.
    pub digits: SplitKind,
    /// Which predictions get the update pass.
    pub gate_test: GateTest,
    /// Rows whose gates open together.
    pub gate_group: GateGroup,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch that validation selected, from 1.
    pub epoch: usize,
    /// The selected epoch on the validation text, by the trainer's forward pass.
    pub valid: LanguageMetrics,
    /// On the test text, computed once, after selection.
    pub test: LanguageMetrics,
    /// The command that made it.
    pub command: String,
    /// Seconds of training, summed over resumed runs.
    pub seconds: f64,
}

/// A trained language model. Matrices are row-major; gate rows are in the order
/// i, f, g, o.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageModel {
    /// What is known about it.
    pub meta: LanguageMeta,
    /// Embeddings `[V, E]`.
    pub embedding: Vec<f32>,
    /// Input weights `[4H, E]`.
    pub w_x: Vec<f32>,
    /// Recurrent weights `[4H, H]`.
    pub w_h: Vec<f32>,
    /// Bias `[4H]`.
    pub bias: Vec<f32>,
    /// Gate thresholds `[4H]` in units of the preactivation; empty without a gate.
    pub threshold: Vec<f32>,
    /// Scales: one code of an embedding, one of a hidden state.
    pub scales: Vec<f32>,
    /// Weights of the projection `[V, H]`.
    pub head_w: Vec<f32>,
    /// Its bias `[V]`.
    pub head_b: Vec<f32>,
}

/// The key of the file's metadata; other models have others.
const META_KEY: &str = "pg-language";

impl LanguageModel {
    /// The words.
    ///
    /// # Errors
    /// When they are no vocabulary.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        Vocabulary::new(self.meta.vocabulary.clone())
    }

    /// Trainable numbers that the model computes with.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let tensors = [
            &self.embedding,
            &self.w_x,
            &self.w_h,
            &self.bias,
            &self.head_w,
            &self.head_b,
        ];
        tensors.iter().map(|t| t.len()).sum()
    }

    /// Checks every length against the metadata, and every number for being finite.
    ///
    /// # Errors
    /// The name of the first tensor that does not fit.
    pub fn check(&self) -> Result<()> {
        self.vocabulary()?;
        let m = &self.meta;
        let (v, e, h) = (m.vocabulary.len(), m.embedding, m.hidden);
        let thresholds = if m.kind == ModelKind::Gated { 4 * h } else { 0 };
        let (rows, words) = (4 * h, v * e);
        let lengths = [words, rows * e, rows * h, rows, thresholds, 2, v * h, v];
        for ((name, values), expected) in self.tensors().iter().zip(lengths) {
            tensors::check(name, values, expected)?;
        }
        Ok(())
    }

    fn tensors(&self) -> [(&'static str, &[f32]); 8] {
        [
            ("embedding", &self.embedding),
            ("w_x", &self.w_x),
            ("w_h", &self.w_h),
            ("bias", &self.bias),
            ("threshold", &self.threshold),
            ("scales", &self.scales),
            ("head_w", &self.head_w),
            ("head_b", &self.head_b),
        ]
    }

    /// Writes the model as safetensors, its metadata inside.
    ///
    /// # Errors
    /// If the model is inconsistent or the file cannot be written; an earlier
    /// file is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.check()?;
        let list = { self.tensors() }.map(|(name, v)| (name, vec![v.len()], v));
        let bytes = tensors::write(META_KEY, &self.meta, list)?;
        Ok(fsio::write_atomic(path, &bytes)?)
    }

    /// Whether `bytes` start a file that [`Self::save`] wrote, rather than some
    /// other safetensors file.
    #[must_use]
    pub fn recognises(bytes: &[u8]) -> bool {
        tensors::has(bytes, META_KEY)
    }

    /// Reads a model that [`Self::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read or is not such a model.
    pub fn load(path: &Path) -> Result<Self> {
        tensors::load(path, "a language model", Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (meta, file) = tensors::open(bytes, META_KEY)?;
        let get = |name: &str| tensors::numbers(&file, name);
        let model = Self {
            meta,
            embedding: get("embedding")?,
            w_x: get("w_x")?,
            w_h: get("w_h")?,
            bias: get("bias")?,
            threshold: get("threshold")?,
            scales: get("scales")?,
            head_w: get("head_w")?,
            head_b: get("head_b")?,
        };
        model.check()?;
        Ok(model)
    }
}
