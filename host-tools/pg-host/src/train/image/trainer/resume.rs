//! Keeping a run, and going on from what was kept.
use super::{Trainer, host};
use crate::train::image::checkpoint::{Checkpoint, Meta};
use crate::train::image::optimiser::tensor;
use anyhow::{Result, ensure};
use std::time::Instant;

impl Trainer<'_> {
    /// Goes on from `c`, a checkpoint of the same recipe and data.
    pub(super) fn restore(&mut self, c: Checkpoint) -> Result<()> {
        ensure!(
            c.meta.recipe == self.recipe.to_toml()?,
            "it is from another recipe"
        );
        ensure!(
            c.meta.labels == self.set.labels && c.meta.images == self.set.train.len(),
            "it is from other data"
        );
        let lengths = [c.values.len(), c.velocity.len(), c.tracked.len()];
        ensure!(
            lengths == [self.plan.trained, self.plan.trained, self.plan.tracked],
            "it is from another version of the network"
        );
        self.values = tensor(c.values, &self.plain);
        self.optimiser.velocity = tensor(c.velocity, &self.plain);
        self.tracked = c.tracked;
        self.step = c.meta.step;
        self.tally = c.meta.tally;
        self.test = c.meta.test;
        self.before = c.meta.seconds;
        Ok(())
    }

    /// Replaces the checkpoint.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let checkpoint = Checkpoint {
            meta: Meta {
                recipe: self.recipe.to_toml()?,
                labels: self.set.labels.clone(),
                images: self.set.train.len(),
                step: self.step,
                seconds: self.seconds(),
                tally: self.tally.clone(),
                test: self.test.clone(),
            },
            values: host(&self.values)?,
            velocity: host(&self.optimiser.velocity)?,
            tracked: self.tracked.clone(),
        };
        self.saved = Instant::now();
        checkpoint.save(&self.options.checkpoint_path())
    }
}
