//! The recipe of an image network: everything that decides what is trained.
mod check;
mod fields;

pub use fields::{
    Augmentation, Evaluation, Gate, ImageRecipe, Input, Mode, Model, Schedule, Training,
};

use super::plan::Arithmetic;
use crate::model::ModelKind;
use crate::network::model::InputCodes;
use crate::network::{Network, resnet20, shiftnet20, shufflenet_v2_05x};
use crate::train::recipe::overridden;
use anyhow::{Context, Result, bail};

/// The built-in recipes by name.
pub const BUILT_IN: [(&str, &str); 3] = [
    (
        "cifar10-resnet20",
        include_str!("../../../../../../models/cifar10-resnet20/recipe.toml"),
    ),
    (
        "cifar10-shiftnet20",
        include_str!("../../../../../../models/cifar10-shiftnet20/recipe.toml"),
    ),
    (
        "imagenet-shufflenetv2-0.5x",
        include_str!("../../../../../../models/imagenet-shufflenetv2-0.5x/recipe.toml"),
    ),
];

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
