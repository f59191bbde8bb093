//! The recipe of a language model: everything that decides what is trained.
mod check;
mod fields;

pub use fields::{Gate, LanguageRecipe, Model, Text, Training, Validation};

use crate::model::ModelKind;
use crate::train::lstm::{Arithmetic, LstmSpec};
use crate::train::recipe::{Pressure, overridden};
use anyhow::{Context, Result};

/// The built-in recipe by name.
pub const BUILT_IN: (&str, &str) = (
    "ptb-lstm300",
    include_str!("../../../../../../models/ptb-lstm300/recipe.toml"),
);

impl LanguageRecipe {
    /// Reads a recipe from TOML and checks every value.
    ///
    /// # Errors
    /// Names the key that is unknown, missing, of a wrong type or out of range.
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text)
            .context("start from the built-in recipe: pg-host train ptb-lstm300 --print-recipe")?;
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

    /// What an exporter needs to know of the arithmetic.
    pub fn kind(&self) -> ModelKind {
        self.mode.kind()
    }

    /// This recipe with the float epochs of `other`: everything that only the
    /// quantised epochs read stays.
    pub fn with_float_epochs_of(&self, other: &Self) -> Self {
        let (p, t) = (&self.pressure, &self.training);
        Self {
            mode: self.mode,
            gate: self.gate.clone(),
            model: Model {
                embedding: other.model.embedding,
                hidden: other.model.hidden,
                ..self.model.clone()
            },
            pressure: Pressure {
                temporal: p.temporal,
                ..other.pressure.clone()
            },
            training: Training {
                quantised_epochs: t.quantised_epochs,
                quantised_learning_rate: t.quantised_learning_rate,
                threshold_learning_rate: t.threshold_learning_rate,
                scale_learning_rate: t.scale_learning_rate,
                ..other.training.clone()
            },
            ..other.clone()
        }
    }

    /// The layer during the float epochs (`quantised = false`) or after them.
    pub fn spec(&self, quantised: bool) -> LstmSpec {
        let (m, g) = (&self.model, &self.gate);
        LstmSpec {
            inputs: m.embedding,
            hidden: m.hidden,
            arithmetic: if quantised {
                self.mode.arithmetic()
            } else {
                Arithmetic::Float
            },
            activation_bits: m.activation_bits,
            msb_bits: m.msb_bits,
            weight_bits: m.weight_bits,
            digits: m.digits,
            test: g.test,
            alpha: g.alpha,
            sparse_backprop: g.sparse_backprop,
            group: g.group,
            temporal: if quantised {
                self.pressure.temporal
            } else {
                self.pressure.temporal_float
            },
            learn_input_scale: true,
            input_gradient: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_recipe_is_valid_and_survives_a_round_trip() {
        let recipe = LanguageRecipe::parse(BUILT_IN.1).unwrap();
        assert_eq!(recipe.name, BUILT_IN.0);
        let text = recipe.to_toml().unwrap();
        assert_eq!(LanguageRecipe::parse(&text).unwrap(), recipe);
    }

    #[test]
    fn errors_name_the_key() {
        let recipe = LanguageRecipe::parse(BUILT_IN.1).unwrap();
        let error = |set: &str| format!("{:#}", recipe.with_overrides(&[set]).unwrap_err());
        for (set, named) in [
            ("model.hiden=3", "hiden"),
            ("model.hidden=0", "model.hidden"),
            ("model.msb_bits=5", "model.msb_bits"),
            ("model.digits=sliced", "sliced"),
            ("gate.test=below", "below"),
            ("gate.threshold=-1", "gate.threshold"),
            ("training.output_dropout=1", "training.output_dropout"),
            ("training.unroll=0", "training.unroll"),
            ("text.vocabulary=1", "text.vocabulary"),
        ] {
            assert!(error(set).contains(named), "{}", error(set));
        }
        let above = ["gate.test=above", "gate.threshold=-1"];
        assert!(recipe.with_overrides(&above).is_ok());
    }

    #[test]
    fn the_float_epochs_are_shared_by_recipes_that_quantise_differently() {
        let recipe = LanguageRecipe::parse(BUILT_IN.1).unwrap();
        let with = |set: &str| recipe.with_overrides(&[set]).unwrap();
        for set in ["mode=uniform", "model.msb_bits=3", "gate.test=above"] {
            let other = with(set);
            assert_eq!(other.with_float_epochs_of(&recipe), other, "{set}");
        }
        for set in ["model.hidden=200", "seed=2", "training.output_dropout=0.4"] {
            let other = with(set);
            assert_ne!(other.with_float_epochs_of(&recipe), other, "{set}");
        }
    }
}
