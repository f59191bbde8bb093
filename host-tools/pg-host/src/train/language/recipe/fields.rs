//! The keys of a recipe, section by section.
use crate::model::{GateGroup, GateTest, SplitKind};
use crate::train::recipe::{Granularity, Mode, Pressure};
use serde::{Deserialize, Serialize};

/// The text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Words of the vocabulary, at most.
    pub vocabulary: usize,
}

/// Shape and precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Numbers that a word is looked up as, E.
    pub embedding: usize,
    /// LSTM units, H.
    pub hidden: usize,
    /// Bits of an activation code, 2 to 8.
    pub activation_bits: u8,
    /// Bits of the prediction digit, 1 to `activation_bits`.
    pub msb_bits: u8,
    /// Bits of a weight, 4 or 8.
    pub weight_bits: u8,
    /// How codes are cut into digits.
    pub digits: SplitKind,
    /// Ranges of codes at the start, over those of least error.
    pub range: f32,
}

/// The gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Which predictions get the update pass.
    pub test: GateTest,
    /// Threshold at the start, in units of the pre-activation.
    pub threshold: f32,
    /// Threshold that the pressure draws towards.
    pub target: f32,
    /// Weight of that pressure.
    pub sigma: f32,
    /// Rows that share a threshold.
    pub granularity: Granularity,
    /// Rows that open together.
    pub group: GateGroup,
    /// Slope of the surrogate gradient.
    pub alpha: f32,
    /// Let the gate's gradient pass only where it is open.
    pub sparse_backprop: bool,
}

/// Optimisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Streams that the text is cut into.
    pub batch: usize,
    /// Words between updates.
    pub unroll: usize,
    /// Epochs in floating point, before quantisation.
    pub float_epochs: usize,
    /// Epochs with the recipe's arithmetic.
    pub quantised_epochs: usize,
    /// Peak learning rate of the float epochs.
    pub learning_rate: f64,
    /// Peak learning rate afterwards.
    pub quantised_learning_rate: f64,
    /// Peak learning rate of the thresholds.
    pub threshold_learning_rate: f64,
    /// Peak learning rate of the logarithms of the scales.
    pub scale_learning_rate: f64,
    /// Largest norm of the gradient of weights and biases.
    pub clip_norm: f32,
    /// Share of the embeddings' numbers dropped.
    pub embedding_dropout: f32,
    /// Share of the hidden state dropped before the projection.
    pub output_dropout: f32,
}

/// Validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Epochs between validations.
    pub every: usize,
}

/// A recipe of a language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageRecipe {
    /// Name, used in reports.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// What the recurrent layer computes.
    pub mode: Mode,
    /// The text.
    pub text: Text,
    /// Shape and precision.
    pub model: Model,
    /// The gate.
    pub gate: Gate,
    /// Pressures.
    pub pressure: Pressure,
    /// Optimisation.
    pub training: Training,
    /// Validation.
    pub validation: Validation,
}
