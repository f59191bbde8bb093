//! Keeping a run, and going on from what was kept.
use super::Trainer;
use crate::train::checkpoint::{ensure_float_part, float_part};
use crate::train::language::checkpoint::{Checkpoint, Meta};
use crate::train::language::recipe::LanguageRecipe;
use crate::train::language::values::Values;
use anyhow::{Result, ensure};
use std::path::Path;
use std::time::Instant;

impl Trainer<'_> {
    /// The end of the floating-point part of the run in `from`, whose recipe
    /// may differ in what only the quantised epochs read: no step before them
    /// depends on it.
    pub(super) fn float_part(&self, from: &Path) -> Result<Checkpoint> {
        let mut found = float_part(from, Checkpoint::load)?;
        let of = LanguageRecipe::parse(&found.meta.recipe)?;
        let same = self.recipe.with_float_epochs_of(&of) == *self.recipe;
        ensure_float_part(from, same, self.recipe.mode)?;
        found.meta.recipe = self.recipe.to_toml()?;
        // Thresholds are still as they start.
        found.values.threshold.clone_from(&self.values.threshold);
        Ok(found)
    }

    /// Goes on from `c`, a checkpoint of the same recipe and text.
    pub(super) fn restore(&mut self, c: Checkpoint) -> Result<()> {
        ensure!(
            c.meta.recipe == self.recipe.to_toml()?,
            "it is from another recipe"
        );
        ensure!(
            c.meta.vocabulary == self.corpus.vocabulary.words()
                && c.meta.words == self.corpus.train.words.len(),
            "it is from another text"
        );
        let lengths = |v: &Values| v.list().map(|(_, v)| v.len());
        ensure!(
            lengths(&c.values) == lengths(&self.values),
            "it is from another version of the network"
        );
        self.values = c.values;
        self.optimiser = c.optimiser;
        self.state = c.state;
        self.step = c.meta.step;
        self.tally = c.meta.tally;
        let best = c.meta.best.zip(c.best);
        self.best = best.map(|((epoch, metrics), values)| (epoch, metrics, values));
        self.test = c.meta.test;
        self.before = c.meta.seconds;
        Ok(())
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
        Ok(Checkpoint {
            meta: Meta {
                recipe: self.recipe.to_toml()?,
                vocabulary: self.corpus.vocabulary.words().to_vec(),
                words: self.corpus.train.words.len(),
                step: self.step,
                seconds: self.seconds(),
                tally: self.tally,
                best: (self.best.as_ref()).map(|(epoch, metrics, _)| (*epoch, *metrics)),
                test: self.test,
            },
            values: self.values.clone(),
            best: self.best.as_ref().map(|b| b.2.clone()),
            optimiser: self.optimiser.clone(),
            state: self.state.clone(),
        })
    }
}
