//! The range of every value of a recipe.
use super::fields::LanguageRecipe;
use crate::model::GateTest;
use crate::train::recipe::range::{bits, epochs, positive, units, whole};
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
        units(m.hidden, g.group)?;
        for (name, v) in [
            ("pressure.temporal", self.pressure.temporal),
            ("pressure.temporal_float", self.pressure.temporal_float),
        ] {
            ensure!(v >= 0.0 && v.is_finite(), "{name} = {v}: use 0 or more");
        }
        whole("training.batch", t.batch, 1, 4096)?;
        whole("training.unroll", t.unroll, 1, 4096)?;
        epochs(self.mode, t.float_epochs, t.quantised_epochs)?;
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
