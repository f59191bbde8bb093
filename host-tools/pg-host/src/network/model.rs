//! A trained image network before export: real-valued parameters and what is
//! known about them, as one safetensors file.
use super::{Network, Parameter, Role};
use crate::model::ModelKind;
use crate::quantise::requant;
use crate::{fsio, tensors};
use anyhow::{Context, Result, ensure};
use pg_runtime::pixels::PixelNorm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Pixels to the codes of map 0.
///
/// `code = clamp(round((pixel - mean[c]) / step[c]), -127, 127)` in the runtime's
/// fixed point, the pixel in 0 to 255 and channels in the order red, green,
/// blue; the real value that the network computes with is `scale * code`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputCodes {
    /// Pixel of code 0, per channel.
    pub mean: Vec<f32>,
    /// Pixels per code, per channel.
    pub step: Vec<f32>,
    /// Value of one code.
    pub scale: f32,
}

impl InputCodes {
    /// The runtime's normalisation, a norm for each channel.
    ///
    /// # Errors
    /// If a mean lies outside 0 to 255, or a step is out of range.
    pub fn norms(&self) -> Result<Vec<PixelNorm>> {
        let channels = self.mean.iter().zip(&self.step);
        let norm = |(&mean, &step): (&f32, &f32)| {
            ensure!(
                (0.0..=255.0).contains(&mean) && step > 0.0,
                "pixels: a mean is 0 to 255 and a step above 0, not {mean} and {step}"
            );
            let factor = 1.0 / (PIXEL * f64::from(step));
            Ok(PixelNorm {
                offset: (f64::from(mean) * PIXEL).round() as i16,
                requant: requant(factor, 128.0 / factor).context("steps of pixels")?,
                reserved: 0,
            })
        };
        channels.map(norm).collect()
    }
}

/// Units of a pixel while the runtime normalises it.
const PIXEL: f64 = 128.0;

/// What a gate did over a split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateMetrics {
    /// Name of the node.
    pub name: String,
    /// Share of outputs closed, Sp.
    pub sparsity: f64,
    /// Multiply-accumulates of the layer, dense, per image.
    pub macs: u64,
}

/// Accuracy and cost measured by the trainer's own forward pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageMetrics {
    /// Mean loss.
    pub loss: f64,
    /// Share of images classified correctly, 0 to 1.
    pub accuracy: f64,
    /// Share of outputs closed, over gated layers, weighted by their
    /// multiply-accumulates.
    pub sparsity: f64,
    /// Average bits of an activation, `B_hb + (1 - Sp) (B - B_hb)`; B without gates.
    pub bits: f64,
    /// Multiply-accumulates executed over those of a dense pass: digits that
    /// are zero are skipped, update passes run for open outputs. The update's
    /// digits are taken as independent of the gate.
    pub executed: f64,
    /// Every gated layer, in order.
    pub layers: Vec<GateMetrics>,
}

/// What is known about a trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageMeta {
    /// Name of the recipe.
    pub recipe: String,
    /// The recipe, complete, as TOML.
    pub recipe_toml: String,
    /// Labels, one per class.
    pub labels: Vec<String>,
    /// The layers; `gated` is set where there is a gate.
    pub network: Network,
    /// How its convolutions compute.
    pub kind: ModelKind,
    /// Bits of an activation code, B, where a quantiser does not say otherwise.
    pub activation_bits: u8,
    /// Bits of the prediction digit, `B_hb`; equal to B without a gate. Where a
    /// layer reads codes of other bits, the rest digit keeps `B - B_hb` bits.
    pub msb_bits: u8,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Output channels that share a threshold.
    pub gate_block: usize,
    /// Output channels that open together: open if any would.
    pub gate_group: usize,
    /// Pixels to codes.
    pub input: InputCodes,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch that is kept, from 1.
    pub epoch: usize,
    /// That epoch on the held-out split.
    pub test: ImageMetrics,
    /// The command that made it.
    pub command: String,
    /// Seconds of training, summed over resumed runs.
    pub seconds: f64,
}

impl ImageMeta {
    /// Pixels around the input that pictures are scaled to, and that are cut off
    /// outside training: the recipe's `augmentation.pad`, 0 if it has none.
    ///
    /// # Errors
    /// If the recipe is not valid.
    pub fn margin(&self) -> Result<usize> {
        #[derive(Deserialize)]
        struct Recipe {
            #[serde(default)]
            augmentation: Augmentation,
        }
        #[derive(Default, Deserialize)]
        struct Augmentation {
            pad: usize,
        }
        let recipe: Recipe = toml::from_str(&self.recipe_toml).context("the model's recipe")?;
        Ok(recipe.augmentation.pad)
    }
}

/// A trained image network.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageModel {
    /// What is known about it.
    pub meta: ImageMeta,
    /// Parameters by name; see [`super`] for names and shapes.
    pub values: BTreeMap<String, Vec<f32>>,
}

/// The key of the file's metadata; a keyword model has another.
const META_KEY: &str = "pg-image";

impl ImageModel {
    /// A parameter.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn get(&self, name: &str) -> Result<&[f32]> {
        (self.values.get(name).map(Vec::as_slice))
            .with_context(|| format!("the model has no tensor {name}"))
    }

    /// Names, shapes and roles, in order.
    ///
    /// # Errors
    /// When the description is not consistent.
    pub fn parameters(&self) -> Result<Vec<Parameter>> {
        self.meta.network.parameters(self.meta.gate_block)
    }

    /// Checks every length against the description, and every number.
    ///
    /// # Errors
    /// The name of the first tensor that does not fit.
    pub fn check(&self) -> Result<()> {
        let parameters = self.parameters()?;
        for p in &parameters {
            let values = self.get(&p.name)?;
            tensors::check(&p.name, values, p.len())?;
            let positive = matches!(p.role, Role::Gamma | Role::Clip | Role::Variance);
            ensure!(
                !positive || values.iter().all(|v| *v > 0.0),
                "tensor {} has to be positive",
                p.name
            );
        }
        ensure!(
            parameters.len() == self.values.len(),
            "the model has tensors that its network does not know"
        );
        Ok(())
    }

    /// Writes the model as safetensors, its metadata inside.
    ///
    /// # Errors
    /// If the model is inconsistent or the file cannot be written; an earlier
    /// file is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.check()?;
        let parameters = self.parameters()?;
        let list = (parameters.iter())
            .map(|p| Ok((p.name.as_str(), p.shape.clone(), self.get(&p.name)?)))
            .collect::<Result<Vec<_>>>()?;
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
        tensors::load(path, "an image network", Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (meta, file) = tensors::open(bytes, META_KEY)?;
        let mut values = BTreeMap::new();
        for name in file.names() {
            values.insert(name.to_owned(), tensors::numbers(&file, name)?);
        }
        let model = Self { meta, values };
        model.check()?;
        Ok(model)
    }
}
