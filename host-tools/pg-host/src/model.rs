//! A trained model before export: real-valued parameters and what is known
//! about them. No training framework here.

use crate::{fsio, tensors};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::slice::from_ref;

/// How the recurrent layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Floating point; cannot be exported.
    Float,
    /// Quantised, no gate.
    Uniform,
    /// Prediction pass, gate, update pass.
    Gated,
}

/// How the outputs of all frames become one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readout {
    /// Mean of the logits.
    Mean,
    /// Mean weighted by a learned score, the head's last output.
    Attention,
}

impl Readout {
    /// Outputs of the head for this many classes: one each, and the score if
    /// there is one.
    #[must_use]
    pub fn head_outputs(self, classes: usize) -> usize {
        classes + usize::from(self == Self::Attention)
    }
}

/// Rows whose gates open together: all of a group if any of them would open.
///
/// The four gates of a unit are neighbours in an image, so a group is a run of
/// its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateGroup {
    /// Every row by itself.
    #[default]
    Row,
    /// The four gates of a unit.
    Unit,
    /// Of two units.
    TwoUnits,
    /// Of four units.
    FourUnits,
}

impl GateGroup {
    /// Units that a group covers; `None` where rows open one by one.
    #[must_use]
    pub const fn units(self) -> Option<usize> {
        match self {
            Self::Row => None,
            Self::Unit => Some(1),
            Self::TwoUnits => Some(2),
            Self::FourUnits => Some(4),
        }
    }

    /// Rows in a group.
    #[must_use]
    pub const fn rows(self) -> usize {
        match self.units() {
            None => 1,
            Some(units) => 4 * units,
        }
    }
}

/// The test that a row's prediction has to pass for its update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateTest {
    /// `|z_hb| < t`: what a sigmoid or tanh saturates needs no more precision.
    #[default]
    Within,
    /// `z_hb > t`: the published test of layers before a ReLU.
    Above,
}

/// How a signed code is cut into its digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// The digit is the nearest: codes around zero have a digit of zero. What
    /// the runtime computes.
    #[default]
    Rounded,
    /// The digit is the upper bits: small negative codes have a digit of -1.
    Truncated,
}

/// Accuracy and cost measured by the trainer's own forward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainedMetrics {
    /// Share of clips classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Mean over the labels of the share classified correctly; what selects an
    /// epoch, because a validation split seldom has as many clips of each.
    #[serde(default)]
    pub balanced: f64,
    /// Share of gate rows closed, Sp.
    pub sparsity: f64,
    /// Share of columns whose digit changed.
    pub changed: f64,
    /// Steps by which digits changed, per column: a digit that moves by two
    /// counts twice, as it does in the cost of the prediction pass.
    #[serde(default)]
    pub entries: f64,
    /// Multiply-accumulates executed over those of a dense pass.
    pub executed: f64,
}

/// What is known about a trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelMeta {
    /// Name of the recipe.
    pub recipe: String,
    /// The recipe, complete, as TOML.
    pub recipe_toml: String,
    /// Labels, one per class.
    pub labels: Vec<String>,
    /// How the recurrent layer computes.
    pub kind: ModelKind,
    /// Mel bands, the inputs per frame.
    pub inputs: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Bits of an activation code, B.
    pub activation_bits: u8,
    /// Bits of the prediction digit, `B_hb`; equal to B without a gate.
    pub msb_bits: u8,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Rows whose gates open together.
    #[serde(default)]
    pub gate_group: GateGroup,
    /// Read-out over time.
    pub readout: Readout,
    /// Frames of the read-out's window.
    pub window: usize,
    /// Lower edge of the mel filter bank, Hz.
    pub low_hz: f64,
    /// Upper edge of the mel filter bank, Hz.
    pub high_hz: f64,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch that validation selected, from 1.
    pub epoch: usize,
    /// The selected epoch on the validation split.
    pub valid: TrainedMetrics,
    /// The selected epoch on the test split, computed once, after selection.
    pub test: Option<TrainedMetrics>,
    /// The command that made it.
    pub command: String,
    /// Seconds of training, summed over resumed runs.
    pub seconds: f64,
}

/// A trained keyword-spotting LSTM. Matrices are row-major; gate rows are in
/// the order i, f, g, o.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// What is known about it.
    pub meta: ModelMeta,
    /// Input weights `[4H, I]`, per unit of the normalised input.
    pub w_x: Vec<f32>,
    /// Recurrent weights `[4H, H]`.
    pub w_h: Vec<f32>,
    /// Bias `[4H]`.
    pub bias: Vec<f32>,
    /// Gate thresholds `[4H]` in units of the preactivation; empty without a gate.
    pub threshold: Vec<f32>,
    /// Input scale: one input code, in normalised units.
    pub scale_x: f32,
    /// Activation scale: one hidden code.
    pub scale_h: f32,
    /// Head weights `[outputs, H]`; outputs are the classes, then the score if
    /// the read-out has one.
    pub head_w: Vec<f32>,
    /// Head bias `[outputs]`.
    pub head_b: Vec<f32>,
    /// Mean of every band, log2 units: `x = (logmel - mean) / std`.
    pub band_mean: Vec<f32>,
    /// Standard deviation of every band, log2 units.
    pub band_std: Vec<f32>,
}

const META_KEY: &str = "pg";

impl TrainedModel {
    /// Outputs of the head: the classes, and the score if there is one.
    #[must_use]
    pub fn head_outputs(&self) -> usize {
        self.meta.readout.head_outputs(self.meta.labels.len())
    }

    /// Trainable numbers that the model computes with: weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.w_x.len() + self.w_h.len() + self.bias.len() + self.head_w.len() + self.head_b.len()
    }

    /// Checks every length against the metadata, and every number for being finite.
    ///
    /// # Errors
    ///
    /// The name of the first tensor that does not fit.
    pub fn check(&self) -> Result<()> {
        let (i, h, outputs) = (self.meta.inputs, self.meta.hidden, self.head_outputs());
        let thresholds = if self.meta.kind == ModelKind::Gated {
            4 * h
        } else {
            0
        };
        let lengths = [4 * h * i, 4 * h * h, 4 * h, thresholds, 1, 1];
        let rest = [outputs * h, outputs, i, i];
        for ((name, values), expected) in self.tensors().iter().zip(lengths.iter().chain(&rest)) {
            tensors::check(name, values, *expected)?;
        }
        Ok(())
    }

    fn tensors(&self) -> [(&'static str, &[f32]); 10] {
        [
            ("w_x", &self.w_x),
            ("w_h", &self.w_h),
            ("bias", &self.bias),
            ("threshold", &self.threshold),
            ("scale_x", from_ref(&self.scale_x)),
            ("scale_h", from_ref(&self.scale_h)),
            ("head_w", &self.head_w),
            ("head_b", &self.head_b),
            ("band_mean", &self.band_mean),
            ("band_std", &self.band_std),
        ]
    }

    /// Writes the model as safetensors, its metadata inside.
    ///
    /// # Errors
    ///
    /// If the model is inconsistent or the file cannot be written; an earlier
    /// file is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.check()?;
        let list = self.tensors();
        let list = { list }.map(|(name, values)| (name, vec![values.len()], values));
        let bytes = tensors::write(META_KEY, &self.meta, list)?;
        Ok(fsio::write_atomic(path, &bytes)?)
    }

    /// Reads a model that [`Self::save`] wrote.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not such a model.
    pub fn load(path: &Path) -> Result<Self> {
        tensors::load(path, "a model", Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (meta, file) = tensors::open(bytes, META_KEY)?;
        let get = |name: &str| tensors::numbers(&file, name);
        let one = |name: &str| -> Result<f32> {
            get(name)?
                .first()
                .copied()
                .with_context(|| format!("tensor {name} is empty"))
        };
        let model = Self {
            meta,
            w_x: get("w_x")?,
            w_h: get("w_h")?,
            bias: get("bias")?,
            threshold: get("threshold")?,
            scale_x: one("scale_x")?,
            scale_h: one("scale_h")?,
            head_w: get("head_w")?,
            head_b: get("head_b")?,
            band_mean: get("band_mean")?,
            band_std: get("band_std")?,
        };
        model.check()?;
        Ok(model)
    }
}
