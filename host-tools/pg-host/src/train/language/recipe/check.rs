//! The range of every value of a recipe.
use super::fields::LanguageRecipe;
use crate::model::GateTest;
use crate::train::recipe::Mode;
use crate::train::recipe::range::{bits, positive, whole};
use anyhow::{Result, ensure};

impl LanguageRecipe {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first key that is out of range, and the range.
    pub(super) fn check(&self) -> Result<()> {
        let (m, g, t) = (&self.model, &self.gate, &self.training);
        whole("text.vocabulary", self.text.vocabulary, 2, 16_384)?;
        whole("model.embedding", m.embedding, 1, 4096)?;
        whole("model.hidden", m.hidden, 1, 512)?;
        bits(m.activation_bits, m.msb_bits, m.weight_bits)?;
        positive("model.range", m.range.into())?;
        let low = match g.test {
            GateTest::Within => 0.0,
            GateTest::Above => f32::MIN,
        };
        ensure!(
            g.threshold >= low && g.threshold.is_finite(),
            "gate.threshold = {}: use a number, 0 or more with gate.test = \"within\"",
            g.threshold
        );
        for (name, v) in [("gate.target", g.target), ("gate.sigma", g.sigma)] {
            ensure!(v.is_finite(), "{name} = {v}: use a number");
        }
        positive("gate.alpha", g.alpha.into())?;
        let units = g.group.units().unwrap_or(1);
        ensure!(
            m.hidden.is_multiple_of(units),
            "gate.group covers {units} units: use a model.hidden that is a multiple of it, not {}",
            m.hidden
        );
        for (name, v) in [
            ("pressure.temporal", self.pressure.temporal),
            ("pressure.temporal_float", self.pressure.temporal_float),
        ] {
            ensure!(v >= 0.0 && v.is_finite(), "{name} = {v}: use 0 or more");
        }
        whole("training.batch", t.batch, 1, 4096)?;
        whole("training.unroll", t.unroll, 1, 4096)?;
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
        ] {
            positive(name, v)?;
        }
        for (name, v) in [
            (
                "training.threshold_learning_rate",
                t.threshold_learning_rate,
            ),
            ("training.scale_learning_rate", t.scale_learning_rate),
        ] {
            ensure!(v >= 0.0 && v.is_finite(), "{name} = {v}: use 0 or more");
        }
        for (name, v) in [
            ("training.embedding_dropout", t.embedding_dropout),
            ("training.output_dropout", t.output_dropout),
        ] {
            ensure!(
                (0.0..1.0).contains(&v),
                "{name} = {v}: use 0 or more, below 1"
            );
        }
        whole("validation.every", self.validation.every, 1, 1_000_000)
    }
}
