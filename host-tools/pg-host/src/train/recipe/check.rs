//! The range of every value of a recipe.
use super::fields::Recipe;
use super::range::{bits, epochs, positive, unit, units, whole};
use anyhow::{Result, ensure};

impl Recipe {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first key that is out of range, and the range.
    pub(super) fn check(&self) -> Result<()> {
        let (m, g, t, a) = (&self.model, &self.gate, &self.training, &self.augmentation);
        whole("features.bands", self.features.bands, 1, 40)?;
        whole("model.hidden", m.hidden, 1, 512)?;
        whole("model.window", m.window, 1, 1024)?;
        bits(m.activation_bits, m.msb_bits, m.weight_bits)?;
        positive("model.input_range", m.input_range.into())?;
        positive("model.activation_range", m.activation_range.into())?;
        ensure!(
            g.threshold >= 0.0,
            "gate.threshold = {}: use 0 or more",
            g.threshold
        );
        positive("gate.alpha", g.alpha.into())?;
        units(m.hidden, g.group)?;
        whole("training.batch", t.batch, 1, 4096)?;
        whole("training.steps_per_epoch", t.steps_per_epoch, 1, 1_000_000)?;
        epochs(self.mode, t.float_epochs, t.quantised_epochs)?;
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
}
