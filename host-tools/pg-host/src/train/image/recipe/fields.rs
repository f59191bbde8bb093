//! The keys of a recipe, section by section.
use crate::network::GatedLayers;
use crate::train::image::plan::ThresholdUnit;
use serde::{Deserialize, Serialize};

/// What the convolutions compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Floating point throughout.
    Float,
    /// Quantised, one pass; ranges trained by LSQ.
    Uniform,
    /// Quantised, one pass; ranges trained by PACT.
    Pact,
    /// Gated by thresholds that are not trained.
    FixedThreshold,
    /// Gated by learned thresholds.
    Pg,
}

/// The input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Rows and columns.
    pub size: usize,
    /// Pixel of code 0, per channel.
    pub mean: [f32; 3],
    /// Pixels per code, per channel.
    pub step: [f32; 3],
    /// Value of one code.
    pub scale: f32,
}

/// Precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Bits of an activation code, 2 to 8.
    pub activation_bits: u8,
    /// Bits of the prediction digit, 1 to `activation_bits`.
    pub msb_bits: u8,
    /// Bits of a weight, 4 or 8.
    pub weight_bits: u8,
    /// Range of a quantiser at the start.
    pub clip: f32,
}

/// The gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Layers that have one.
    pub layers: GatedLayers,
    /// What a threshold is measured in.
    pub unit: ThresholdUnit,
    /// Threshold at the start.
    pub threshold: f32,
    /// Threshold that the pressure draws towards.
    pub target: f32,
    /// Weight of that pressure.
    pub sigma: f32,
    /// Output channels that share a threshold.
    pub block: usize,
    /// Output channels that open together.
    pub group: usize,
    /// Slope of the surrogate gradient.
    pub alpha: f32,
    /// Let the gate's gradient pass only where it is open.
    pub sparse_backprop: bool,
}

/// How the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// A tenth at every milestone.
    Steps,
    /// Linearly to zero.
    Linear,
    /// Half a cosine to zero.
    Cosine,
}

/// Optimisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Images per step.
    pub batch: usize,
    /// Passes over the training split.
    pub epochs: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Shares of the run at which [`Schedule::Steps`] divides it.
    pub milestones: Vec<f64>,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay of weights and ranges.
    pub weight_decay: f64,
    /// Learning rate of thresholds at the start.
    pub threshold_learning_rate: f64,
    /// Learning rate of ranges at the start.
    pub clip_learning_rate: f64,
    /// Share of a batch's statistics in the running ones.
    pub norm_momentum: f32,
    /// Label smoothing, 0 to 1.
    pub label_smoothing: f32,
}

/// Augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Pixels around the image before the crop.
    pub pad: usize,
    /// Flip left to right.
    pub flip: bool,
    /// Smallest and largest share of the image's area in a crop.
    pub area: [f32; 2],
}

/// Evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Epochs between evaluations.
    pub every: usize,
}

/// A recipe of an image network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecipe {
    /// Name, used in reports.
    pub name: String,
    /// The network.
    pub network: String,
    /// Seed of everything random.
    pub seed: u64,
    /// What the convolutions compute.
    pub mode: Mode,
    /// The input.
    pub input: Input,
    /// Precision.
    pub model: Model,
    /// The gate.
    pub gate: Gate,
    /// Optimisation.
    pub training: Training,
    /// Augmentation.
    pub augmentation: Augmentation,
    /// Evaluation.
    pub evaluation: Evaluation,
}
