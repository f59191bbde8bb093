//! Keeping a run, and going on from what was kept.
use super::run_state::{Trainer, host};
use crate::train::checkpoint::{Checkpoint, Meta, ensure_float_part, float_part};
use crate::train::network::{ROLES, Role, initial, tensors};
use crate::train::recipe::Recipe;
use anyhow::Result;
use std::path::Path;
use std::time::Instant;

impl Trainer<'_> {
    /// The end of the floating-point part of the run in `from`, whose recipe
    /// may differ in what only the quantised epochs read: no step before them
    /// depends on it.
    pub(super) fn float_part(from: &Path, recipe: &Recipe, classes: usize) -> Result<Checkpoint> {
        let mut found = float_part(from, Checkpoint::load)?;
        let of = Recipe::parse(&found.meta.recipe)?;
        let same = recipe.with_float_epochs_of(&of) == *recipe;
        ensure_float_part(from, same, recipe.mode)?;
        found.meta.recipe = recipe.to_toml()?;
        // Thresholds and scales are still as they start.
        for (k, value) in initial(recipe, classes).into_iter().enumerate() {
            if matches!(ROLES[k], Role::Threshold | Role::Scale) {
                found.average[k].clone_from(&value);
                found.values[k] = value;
                found.moments[k] = None;
            }
        }
        Ok(found)
    }

    /// Goes on from `c`, a checkpoint of the same recipe and data.
    pub(super) fn restore(&mut self, c: Checkpoint) {
        self.values = tensors(&c.values, &self.shapes, &self.device);
        self.average = c.average;
        self.optimiser.restore(c.moments, &self.shapes, &self.plain);
        self.state = c.state;
        self.norm = c.norm;
        self.step = c.meta.step;
        self.tally = c.meta.tally;
        self.best = c
            .meta
            .best
            .zip(c.best)
            .map(|((epoch, metrics), values)| (epoch, metrics, values));
        self.before = c.meta.seconds;
    }

    /// Replaces the checkpoint.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        self.snapshot()?.save(&self.options.checkpoint_path())?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Keeps the end of the floating-point part, for [`float_from`](crate::train::TrainOptions::float_from).
    pub(super) fn keep_float_part(&self) -> Result<()> {
        self.snapshot()?.save(&self.options.float_path())
    }

    /// Everything the run needs to go on from here.
    fn snapshot(&self) -> Result<Checkpoint> {
        let moments = self.optimiser.moments();
        Ok(Checkpoint {
            meta: Meta {
                recipe: self.recipe.to_toml()?,
                labels: self.corpus.labels().to_vec(),
                clips: self.corpus.clips(),
                step: self.step,
                seconds: self.seconds(),
                tally: self.tally,
                best: self
                    .best
                    .as_ref()
                    .map(|(epoch, metrics, _)| (*epoch, *metrics)),
                times: moments.iter().map(|m| m.as_ref().map(|m| m.0)).collect(),
            },
            values: self.values.iter().map(|v| host(v.clone())).collect(),
            average: self.average.clone(),
            best: self.best.as_ref().map(|(_, _, values)| values.clone()),
            moments,
            state: self.state.clone(),
            norm: self.norm.clone(),
        })
    }
}
