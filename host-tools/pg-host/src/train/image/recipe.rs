//! The recipe of an image network: everything that decides what is trained.
use super::plan::{Arithmetic, ThresholdUnit};
use crate::model::ModelKind;
use crate::network::model::InputCodes;
use crate::network::{GatedLayers, Network, resnet20, shiftnet20, shufflenet_v2_05x};
use crate::train::recipe::overridden;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// The built-in recipes by name.
pub const BUILT_IN: [(&str, &str); 3] = [
    (
        "cifar10-resnet20",
        include_str!("../../../../../models/cifar10-resnet20/recipe.toml"),
    ),
    (
        "cifar10-shiftnet20",
        include_str!("../../../../../models/cifar10-shiftnet20/recipe.toml"),
    ),
    (
        "imagenet-shufflenetv2-0.5x",
        include_str!("../../../../../models/imagenet-shufflenetv2-0.5x/recipe.toml"),
    ),
];

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

impl ImageRecipe {
    /// Reads a recipe from TOML and checks every value.
    ///
    /// # Errors
    /// Names the key that is unknown, missing, of a wrong type or out of range.
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text).context(
            "start from a built-in recipe: pg-host train cifar10-resnet20 --print-recipe",
        )?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML.
    ///
    /// # Errors
    /// None in practice: every field has a TOML form.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("cannot write the recipe as TOML")
    }

    /// The recipe with single values replaced, each given as `key=value`.
    ///
    /// # Errors
    /// Names the override that does not fit.
    pub fn with_overrides<S: AsRef<str>>(&self, overrides: &[S]) -> Result<Self> {
        let recipe: Self = overridden(self, overrides)?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The network for this many classes, with its gates.
    ///
    /// # Errors
    /// When there is none of that name, or it does not fit the input.
    pub fn network(&self, classes: usize) -> Result<Network> {
        let mut network = match self.network.as_str() {
            "resnet20" => resnet20(classes),
            "shiftnet20" => shiftnet20(classes),
            "shufflenet-v2-0.5x" => shufflenet_v2_05x(classes, self.input.size),
            other => bail!(
                "network = {other:?}: use \"resnet20\", \"shiftnet20\" or \"shufflenet-v2-0.5x\""
            ),
        };
        network.input = [self.input.size, self.input.size, 3];
        if self.kind() == ModelKind::Gated {
            network = network.gated(self.gate.layers);
        }
        network
            .shapes()
            .context("input.size does not fit the network")?;
        Ok(network)
    }

    /// What an exporter needs to know of the arithmetic.
    pub fn kind(&self) -> ModelKind {
        match self.mode {
            Mode::Float => ModelKind::Float,
            Mode::Uniform | Mode::Pact => ModelKind::Uniform,
            Mode::FixedThreshold | Mode::Pg => ModelKind::Gated,
        }
    }

    /// How the layers compute.
    pub fn arithmetic(&self) -> Arithmetic {
        let (m, g) = (&self.model, &self.gate);
        Arithmetic {
            kind: self.kind(),
            activation_bits: m.activation_bits,
            msb_bits: if self.kind() == ModelKind::Gated {
                m.msb_bits
            } else {
                m.activation_bits
            },
            weight_bits: m.weight_bits,
            lsq: self.mode == Mode::Uniform,
            alpha: g.alpha,
            sparse_backprop: g.sparse_backprop,
            unit: g.unit,
            block: g.block,
            group: g.group,
            input_scale: self.input.scale,
        }
    }

    /// Pixels to codes.
    pub fn input_codes(&self) -> InputCodes {
        InputCodes {
            mean: self.input.mean.to_vec(),
            step: self.input.step.to_vec(),
            scale: self.input.scale,
        }
    }

    /// Share of the first learning rate after `progress` of the run, 0 to 1.
    pub fn rate(&self, progress: f64) -> f64 {
        let t = &self.training;
        match t.schedule {
            Schedule::Steps => {
                let passed = t.milestones.iter().filter(|m| progress >= **m).count();
                0.1f64.powi(passed as i32)
            }
            Schedule::Linear => 1.0 - progress,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        }
    }

    /// Checks every value.
    fn check(&self) -> Result<()> {
        let (m, g, t) = (&self.model, &self.gate, &self.training);
        let whole = |name: &str, v: usize, low: usize, high: usize| {
            ensure!(
                (low..=high).contains(&v),
                "{name} = {v}: use {low} to {high}"
            );
            Ok(())
        };
        let positive = |name: &str, v: f64| {
            ensure!(
                v > 0.0 && v.is_finite(),
                "{name} = {v}: use a number above 0"
            );
            Ok(())
        };
        let unit = |name: &str, v: f64| {
            ensure!(
                (0.0..=1.0).contains(&v),
                "{name} = {v}: use a number from 0 to 1"
            );
            Ok(())
        };
        whole("input.size", self.input.size, 8, 1024)?;
        self.network(10)?;
        positive("input.scale", self.input.scale.into())?;
        for step in self.input.step {
            positive("input.step", step.into())?;
        }
        whole("model.activation_bits", m.activation_bits.into(), 2, 8)?;
        whole(
            "model.msb_bits",
            m.msb_bits.into(),
            1,
            m.activation_bits.into(),
        )?;
        ensure!(
            matches!(m.weight_bits, 4 | 8),
            "model.weight_bits = {}: use 4 or 8",
            m.weight_bits
        );
        positive("model.clip", m.clip.into())?;
        for (name, v) in [
            ("gate.threshold", g.threshold),
            ("gate.target", g.target),
            ("gate.sigma", g.sigma),
        ] {
            ensure!(v.is_finite(), "{name} = {v}: use a number");
        }
        whole("gate.block", g.block, 1, 4096)?;
        ensure!(
            matches!(g.group, 1 | 4 | 8 | 16),
            "gate.group = {}: use 1, 4, 8 or 16",
            g.group
        );
        positive("gate.alpha", g.alpha.into())?;
        whole("training.batch", t.batch, 2, 65_536)?;
        whole("training.epochs", t.epochs, 1, 100_000)?;
        for (name, v) in [
            ("training.learning_rate", t.learning_rate),
            (
                "training.threshold_learning_rate",
                t.threshold_learning_rate,
            ),
            ("training.clip_learning_rate", t.clip_learning_rate),
        ] {
            positive(name, v)?;
        }
        for milestone in &t.milestones {
            unit("training.milestones", *milestone)?;
        }
        unit("training.momentum", t.momentum)?;
        unit("training.weight_decay", t.weight_decay)?;
        unit("training.norm_momentum", t.norm_momentum.into())?;
        unit("training.label_smoothing", t.label_smoothing.into())?;
        whole("augmentation.pad", self.augmentation.pad, 0, 1024)?;
        whole("evaluation.every", self.evaluation.every, 1, 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_recipes_are_valid_and_survive_a_round_trip() {
        for (name, text) in BUILT_IN {
            let recipe = ImageRecipe::parse(text).unwrap();
            assert_eq!(recipe.name, name);
            assert_eq!(
                ImageRecipe::parse(&recipe.to_toml().unwrap()).unwrap(),
                recipe
            );
        }
    }

    #[test]
    fn errors_name_the_key() {
        let text = BUILT_IN[0].1;
        let error = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            format!(
                "{:#}",
                ImageRecipe::parse(&text.replacen(from, to, 1)).unwrap_err()
            )
        };
        for (from, to, named) in [
            ("target = 1.0", "tarket = 1.0", "tarket"),
            ("seed = 1", "", "seed"),
            ("msb_bits = 3", "msb_bits = 9", "model.msb_bits"),
            ("group = 1 ", "group = 3 ", "gate.group"),
            ("network = \"resnet20\"", "network = \"resnet9\"", "resnet9"),
            ("[0.5, 0.75]", "[0.5, 75]", "training.milestones"),
        ] {
            assert!(error(from, to).contains(named), "{}", error(from, to));
        }
        let recipe = ImageRecipe::parse(text).unwrap();
        let changed = recipe.with_overrides(&["mode=uniform", "training.epochs=3"]);
        assert_eq!(changed.unwrap().training.epochs, 3);
        assert!(recipe.with_overrides(&["training.epoch=3"]).is_err());
    }

    #[test]
    fn milestones_move_with_the_length_of_the_run() {
        let recipe = ImageRecipe::parse(BUILT_IN[0].1).unwrap();
        let rate = |progress| (recipe.rate(progress) * 1000.0).round();
        assert_eq!((rate(0.499), rate(0.5), rate(0.75)), (1000.0, 100.0, 10.0));
    }
}
