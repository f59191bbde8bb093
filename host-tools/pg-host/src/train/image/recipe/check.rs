//! The range of every value of a recipe.
use super::fields::ImageRecipe;
use crate::train::recipe::range::{bits, positive, unit, whole};
use anyhow::{Result, ensure};

impl ImageRecipe {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first key that is out of range, and the range.
    pub(super) fn check(&self) -> Result<()> {
        let (m, g, t) = (&self.model, &self.gate, &self.training);
        whole("input.size", self.input.size, 8, 1024)?;
        self.network(10)?;
        positive("input.scale", self.input.scale.into())?;
        for step in self.input.step {
            positive("input.step", step.into())?;
        }
        bits(m.activation_bits, m.msb_bits, m.weight_bits)?;
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
        let [low, high] = self.augmentation.area;
        ensure!(
            0.0 < low && low <= high && high <= 1.0,
            "augmentation.area = [{low}, {high}]: use two shares above 0, at most 1, the smaller first"
        );
        whole("evaluation.every", self.evaluation.every, 1, 1_000_000)
    }
}
