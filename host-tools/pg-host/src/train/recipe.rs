//! The recipe: everything that decides what is trained, as TOML.
use super::lstm::{Arithmetic, LstmSpec};
use crate::model::{ModelKind, Readout};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The built-in keyword-spotting recipe.
pub const KWS: &str = include_str!("../../../../models/kws/recipe.toml");

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

impl Recipe {
    /// The built-in recipe `kws`.
    ///
    /// # Errors
    /// None in a released build; the text is part of the program and tested.
    pub fn kws() -> Result<Self> {
        Self::parse(KWS).context("the built-in recipe kws is damaged; reinstall pg-host")
    }

    /// `kws`, or the recipe in the file `name`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a valid recipe.
    pub fn named(name: &str) -> Result<Self> {
        if name == "kws" {
            return Self::kws();
        }
        let path = Path::new(name);
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read the recipe {name}; give the path of a TOML file, or kws for the built-in one")
        })?;
        Self::parse(&text).with_context(|| format!("{name} is not a valid recipe"))
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

    /// The recipe with single values replaced, each given as `key=value` with
    /// a dotted key (`gate.threshold=0.3`).
    ///
    /// # Errors
    /// Names the override that does not fit.
    pub fn with_overrides<S: AsRef<str>>(&self, overrides: &[S]) -> Result<Self> {
        let mut table = toml::Table::try_from(self).context("cannot represent the recipe")?;
        for item in overrides {
            let item = item.as_ref();
            let (key, value) = item
                .split_once('=')
                .with_context(|| format!("write the override {item:?} as key=value"))?;
            set(&mut table, key.trim(), value.trim())
                .with_context(|| format!("the recipe has no place for {item:?}"))?;
        }
        let recipe: Self = table
            .try_into()
            .context("an override does not fit the recipe")?;
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

    fn check(&self) -> Result<()> {
        let (m, g, t, a) = (&self.model, &self.gate, &self.training, &self.augmentation);
        let unit = |name: &str, v: f64| {
            ensure!(
                (0.0..=1.0).contains(&v),
                "{name} = {v}: use a number from 0 to 1"
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
        let whole = |name: &str, v: usize, low: usize, high: usize| {
            ensure!(
                (low..=high).contains(&v),
                "{name} = {v}: use {low} to {high}"
            );
            Ok(())
        };
        whole("features.bands", self.features.bands, 1, 40)?;
        whole("model.hidden", m.hidden, 1, 512)?;
        whole("model.window", m.window, 1, 1024)?;
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
        positive("model.input_range", m.input_range.into())?;
        positive("model.activation_range", m.activation_range.into())?;
        ensure!(
            g.threshold >= 0.0,
            "gate.threshold = {}: use 0 or more",
            g.threshold
        );
        positive("gate.alpha", g.alpha.into())?;
        whole("training.batch", t.batch, 1, 4096)?;
        whole("training.steps_per_epoch", t.steps_per_epoch, 1, 1_000_000)?;
        ensure!(
            t.float_epochs + t.quantised_epochs > 0,
            "training.float_epochs and training.quantised_epochs are both 0: nothing to train"
        );
        ensure!(
            self.mode == Mode::Float || t.quantised_epochs > 0,
            "training.quantised_epochs = 0: only mode = \"float\" can do without"
        );
        for (name, v) in [
            ("training.learning_rate", t.learning_rate),
            (
                "training.quantised_learning_rate",
                t.quantised_learning_rate,
            ),
            ("training.clip_norm", t.clip_norm.into()),
            ("training.unknown_weight", t.unknown_weight),
            ("augmentation.silence_rms", a.silence_rms[0].into()),
        ] {
            positive(name, v)?;
        }
        for (name, v) in [
            ("training.ema", t.ema.into()),
            ("training.quantised_ema", t.quantised_ema.into()),
            ("training.label_smoothing", t.label_smoothing.into()),
            ("training.dropout", t.dropout.into()),
            ("training.carried_state", t.carried_state),
            ("augmentation.noise_probability", a.noise_probability),
            ("augmentation.speed", f64::from(a.speed) * 2.0),
            ("augmentation.warp", a.warp * 2.0),
        ] {
            unit(name, v)?;
        }
        whole("augmentation.prefill", a.prefill, t.batch, a.reservoir)?;
        for (name, [low, high]) in [
            ("augmentation.gain_db", a.gain_db),
            ("augmentation.snr_db", a.snr_db),
            ("augmentation.silence_rms", a.silence_rms),
        ] {
            ensure!(
                low <= high,
                "{name} = [{low}, {high}]: give the smaller number first"
            );
        }
        whole("validation.every", self.validation.every, 1, 1_000_000)
    }

    /// Arithmetic after the float epochs.
    pub fn arithmetic(&self) -> Arithmetic {
        match self.mode {
            Mode::Float => Arithmetic::Float,
            Mode::Uniform => Arithmetic::Uniform,
            Mode::FixedThreshold | Mode::Pg => Arithmetic::Gated,
        }
    }

    /// What an exporter needs to know of the arithmetic.
    pub fn kind(&self) -> ModelKind {
        match self.arithmetic() {
            Arithmetic::Float => ModelKind::Float,
            Arithmetic::Uniform => ModelKind::Uniform,
            Arithmetic::Gated => ModelKind::Gated,
        }
    }

    /// The layer during the float epochs (`quantised = false`) or after them.
    pub fn spec(&self, quantised: bool) -> LstmSpec {
        let arithmetic = if quantised {
            self.arithmetic()
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
            temporal: if quantised {
                self.pressure.temporal
            } else {
                self.pressure.temporal_float
            },
            learn_input_scale: self.model.learn_input_scale,
        }
    }
}

/// Replaces the value at a dotted `key`, which must exist.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<()> {
    if let Some((head, rest)) = key.split_once('.') {
        let inner = table.get_mut(head).and_then(toml::Value::as_table_mut);
        return set(
            inner.with_context(|| format!("no section {head}"))?,
            rest,
            value,
        );
    }
    let old = table.get(key).with_context(|| format!("no key {key}"))?;
    // A bare word is a string: mode=uniform needs no quotes.
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let new = match (old, parsed) {
        (toml::Value::Float(_), toml::Value::Integer(i)) => toml::Value::Float(i as f64),
        (_, new) => new,
    };
    table.insert(key.into(), new);
    Ok(())
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
        assert!(error(KWS.replace("msb_bits = 3", "msb_bits = 9")).contains("model.msb_bits"));
        assert!(error(KWS.replace("seed = 1", "")).contains("seed"));
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
