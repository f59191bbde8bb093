//! The keys of a recipe, section by section.
use crate::model::{GateGroup, ModelKind, Readout};
use crate::train::lstm::Arithmetic;
use serde::{Deserialize, Serialize};

/// What the recurrent layer computes once it is quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Floating point throughout.
    Float,
    /// Quantised, one pass at full precision.
    Uniform,
    /// Gated by thresholds that are not trained.
    FixedThreshold,
    /// Gated by learned thresholds.
    Pg,
}

impl Mode {
    /// The mode as recipes and logs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Uniform => "uniform",
            Self::FixedThreshold => "fixed-threshold",
            Self::Pg => "pg",
        }
    }

    /// Arithmetic after the float epochs.
    #[must_use]
    pub(in crate::train) fn arithmetic(self) -> Arithmetic {
        match self {
            Self::Float => Arithmetic::Float,
            Self::Uniform => Arithmetic::Uniform,
            Self::FixedThreshold | Self::Pg => Arithmetic::Gated,
        }
    }

    /// What an exporter needs to know of the arithmetic.
    #[must_use]
    pub fn kind(self) -> ModelKind {
        match self {
            Self::Float => ModelKind::Float,
            Self::Uniform => ModelKind::Uniform,
            Self::FixedThreshold | Self::Pg => ModelKind::Gated,
        }
    }
}

/// Rows that share a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// One threshold per row.
    Row,
    /// One per gate (i, f, g, o).
    Gate,
    /// One for the layer.
    Layer,
}

/// Front-end settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Mel bands, 1 to 40.
    pub bands: usize,
    /// Lower edge of the filter bank, Hz.
    pub low_hz: f64,
    /// Upper edge, Hz, at most 8000.
    pub high_hz: f64,
}

/// Shape and precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// LSTM units, 1 to 512.
    pub hidden: usize,
    /// Read-out over time.
    pub readout: Readout,
    /// Frames of the read-out's window.
    pub window: usize,
    /// Bits of an activation code, 2 to 8.
    pub activation_bits: u8,
    /// Bits of the prediction digit, 1 to `activation_bits`.
    pub msb_bits: u8,
    /// Bits of a weight, 4 or 8.
    pub weight_bits: u8,
    /// Normalised input that maps to the largest code.
    pub input_range: f32,
    /// Train the input scale from there on.
    pub learn_input_scale: bool,
    /// Hidden value that maps to the largest code at the start.
    pub activation_range: f32,
}

/// The gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Threshold at the start, in units of the pre-activation.
    pub threshold: f32,
    /// Threshold that the pressure draws towards.
    pub target: f32,
    /// Weight of that pressure.
    pub sigma: f32,
    /// Rows that share a threshold.
    pub granularity: Granularity,
    /// Rows that open together. Recipes older than this key have none.
    #[serde(default)]
    pub group: GateGroup,
    /// Slope of the surrogate gradient.
    pub alpha: f32,
    /// Let the gate's gradient pass only where it is open.
    pub sparse_backprop: bool,
}

/// Optional pressures on the cost of inference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressure {
    /// Weight of the mean absolute change of the hidden state between frames.
    pub temporal: f32,
    /// The same during the float epochs.
    pub temporal_float: f32,
}

/// Optimisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Clips per step.
    pub batch: usize,
    /// Steps per epoch: batches are drawn by label, so an epoch is a unit of
    /// reporting and validation, whatever the number of clips.
    pub steps_per_epoch: usize,
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
    /// Steps of linear warm-up at the start of the float epochs.
    pub warmup_steps: usize,
    /// The same for the quantised epochs.
    pub quantised_warmup_steps: usize,
    /// Decoupled weight decay of the matrices.
    pub weight_decay: f32,
    /// Largest norm of the weights' gradient.
    pub clip_norm: f32,
    /// Decay of the weight average.
    pub ema: f32,
    /// The same for the quantised epochs.
    pub quantised_ema: f32,
    /// Label smoothing, 0 to 1.
    pub label_smoothing: f32,
    /// Share of hidden values dropped before the head.
    pub dropout: f32,
    /// Share of clips starting from another clip's last state.
    pub carried_state: f64,
    /// Relative frequency of the label `unknown`.
    pub unknown_weight: f64,
    /// Draw `unknown` uniformly over words.
    pub uniform_words: bool,
}

/// Augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Newly augmented clips per step.
    pub fresh_per_step: usize,
    /// Augmented clips kept.
    pub reservoir: usize,
    /// Augmented clips made before the first step.
    pub prefill: usize,
    /// Largest shift, milliseconds.
    pub shift_ms: f32,
    /// Largest relative change of speed.
    pub speed: f32,
    /// Largest relative stretch of the mel axis.
    pub warp: f64,
    /// Range of the gain, dB.
    pub gain_db: [f32; 2],
    /// Share of clips with background noise.
    pub noise_probability: f64,
    /// Range of the signal-to-noise ratio, dB.
    pub snr_db: [f32; 2],
    /// RMS of the white noise added to every clip, sample units.
    pub hiss: f32,
    /// Range of the level of synthesised silence, RMS in sample units.
    pub silence_rms: [f32; 2],
    /// Masks over time per clip.
    pub time_masks: usize,
    /// Longest of them, frames.
    pub time_mask_frames: usize,
    /// Masks over bands per clip.
    pub band_masks: usize,
    /// Widest of them, bands.
    pub band_mask_bands: usize,
}

/// Validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Silent clips synthesised for a validation split that has none.
    pub silence_clips: usize,
    /// Epochs between validations.
    pub every: usize,
}

/// A recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name, used in reports.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// What the recurrent layer computes.
    pub mode: Mode,
    /// Front-end settings.
    pub features: Features,
    /// Shape and precision.
    pub model: Model,
    /// The gate.
    pub gate: Gate,
    /// Pressures.
    pub pressure: Pressure,
    /// Optimisation.
    pub training: Training,
    /// Augmentation.
    pub augmentation: Augmentation,
    /// Validation.
    pub validation: Validation,
}
