//! The recipe: everything that decides what is trained, as TOML.
mod check;
mod fields;
mod overrides;
pub(in crate::train) mod range;

pub use fields::{
    Augmentation, Features, Gate, Granularity, Mode, Model, Pressure, Recipe, Training, Validation,
};

pub(in crate::train) use overrides::overridden;

use super::lstm::{Arithmetic, LstmSpec};
use crate::model::{GateTest, ModelKind, SplitKind};
use anyhow::{Context, Result};

/// The built-in keyword-spotting recipe.
pub const KWS: &str = include_str!("../../../../../models/kws/recipe.toml");

impl Recipe {
    /// The built-in recipe `kws`.
    ///
    /// # Errors
    /// None in a released build; the text is part of the program and tested.
    pub fn kws() -> Result<Self> {
        Self::parse(KWS).context("the built-in recipe kws is damaged; reinstall pg-host")
    }

    /// Reads a recipe from TOML and checks every value.
    ///
    /// # Errors
    /// Names the key that is unknown, missing, of a wrong type or out of range.
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text)
            .context("start from the built-in recipe: pg-host train kws --print-recipe")?;
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

    /// What an exporter needs to know of the arithmetic.
    pub fn kind(&self) -> ModelKind {
        self.mode.kind()
    }

    /// This recipe with the float epochs of `other`: everything that only the
    /// quantised epochs read stays.
    pub fn with_float_epochs_of(&self, other: &Self) -> Self {
        let (m, p, t) = (&self.model, &self.pressure, &self.training);
        Self {
            mode: self.mode,
            gate: self.gate.clone(),
            model: Model {
                activation_bits: m.activation_bits,
                msb_bits: m.msb_bits,
                weight_bits: m.weight_bits,
                input_range: m.input_range,
                learn_input_scale: m.learn_input_scale,
                activation_range: m.activation_range,
                ..other.model.clone()
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
                quantised_warmup_steps: t.quantised_warmup_steps,
                quantised_ema: t.quantised_ema,
                ..other.training.clone()
            },
            ..other.clone()
        }
    }

    /// The layer during the float epochs (`quantised = false`) or after them.
    pub fn spec(&self, quantised: bool) -> LstmSpec {
        let arithmetic = if quantised {
            self.mode.arithmetic()
        } else {
            Arithmetic::Float
        };
        LstmSpec {
            inputs: self.features.bands,
            hidden: self.model.hidden,
            arithmetic,
            activation_bits: self.model.activation_bits,
            msb_bits: self.model.msb_bits,
            weight_bits: self.model.weight_bits,
            alpha: self.gate.alpha,
            sparse_backprop: self.gate.sparse_backprop,
            group: self.gate.group,
            temporal: if quantised {
                self.pressure.temporal
            } else {
                self.pressure.temporal_float
            },
            learn_input_scale: self.model.learn_input_scale,
            digits: SplitKind::Rounded,
            test: GateTest::Within,
            input_gradient: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_recipe_is_valid_and_survives_a_round_trip() {
        let recipe = Recipe::kws().unwrap();
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn errors_name_the_key() {
        let error = |text: String| format!("{:#}", Recipe::parse(&text).unwrap_err());
        assert!(error(KWS.replace("hidden = 128", "hiden = 128")).contains("hiden"));
        assert!(error(KWS.replace("hidden = 128", "hidden = 0")).contains("model.hidden"));
        assert!(error(KWS.replace("msb_bits = 4", "msb_bits = 9")).contains("model.msb_bits"));
        assert!(error(KWS.replace("seed = 1", "")).contains("seed"));
        let ragged = KWS
            .replace("hidden = 128", "hidden = 126")
            .replace("group = \"row\"", "group = \"four-units\"");
        assert!(error(ragged).contains("gate.group"));
        assert!(error(format!("{KWS}\nextra = 1")).contains("extra"));
    }

    #[test]
    fn overrides_replace_single_values() {
        let recipe = Recipe::kws().unwrap();
        let changed = recipe
            .with_overrides(&["mode=uniform", "gate.threshold=1", "seed=7"])
            .unwrap();
        assert_eq!(
            (changed.mode, changed.gate.threshold, changed.seed),
            (Mode::Uniform, 1.0, 7)
        );
        for wrong in ["gate.treshold=1", "nonsense", "model.hidden=0", "mode=fast"] {
            assert!(recipe.with_overrides(&[wrong]).is_err(), "{wrong}");
        }
    }
}
