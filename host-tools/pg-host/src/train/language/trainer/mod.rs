//! The training loop of a language model.
mod evaluate;
mod resume;
mod update;

use super::batches::Batches;
use super::checkpoint::Checkpoint;
use super::network::{Network, State};
use super::optimiser::Optimiser;
use super::progress::Progress;
use super::recipe::LanguageRecipe;
use super::tally::Tally;
use super::values::Values;
use crate::language::Corpus;
use crate::language::model::LanguageMetrics;
use crate::train::options::{Backend, TrainOptions};
use anyhow::{Context, Result, ensure};
use std::time::Instant;

/// A run in progress.
pub struct Trainer<'a> {
    options: &'a TrainOptions,
    recipe: &'a LanguageRecipe,
    corpus: &'a Corpus,
    batches: Batches<'a>,
    network: Network,
    values: Values,
    optimiser: Optimiser,
    /// After the last step.
    state: Option<State>,
    step: u64,
    tally: Tally,
    /// Epoch, validation result and values of the selected epoch.
    best: Option<(usize, LanguageMetrics, Values)>,
    /// Of the selected epoch, at the end.
    test: Option<LanguageMetrics>,
    before: f64,
    started: Instant,
    saved: Instant,
}

impl<'a> Trainer<'a> {
    /// Starts a run, or continues the one whose checkpoint is in the output
    /// directory.
    ///
    /// # Errors
    /// When there is a checkpoint and `resume` is off, or it is of another run,
    /// or the data do not fit the recipe.
    pub fn start(
        options: &'a TrainOptions,
        recipe: &'a LanguageRecipe,
        corpus: &'a Corpus,
    ) -> Result<Self> {
        ensure!(
            options.backend == Backend::Cpu,
            "language models are trained on the processor: use --device cpu"
        );
        let t = &recipe.training;
        let mut trainer = Self {
            options,
            recipe,
            corpus,
            batches: Batches::new(&corpus.train.words, recipe.seed, t.batch, t.unroll)?,
            network: Network::new(recipe.spec(false)),
            values: Values::initial(recipe, corpus.vocabulary.len()),
            optimiser: Optimiser::default(),
            state: None,
            step: 0,
            tally: Tally::default(),
            best: None,
            test: None,
            before: 0.0,
            started: Instant::now(),
            saved: Instant::now(),
        };
        let path = options.checkpoint_path();
        let found = match (Checkpoint::load(&path)?, &options.float_from) {
            (Some(found), _) => {
                options.ensure_resume()?;
                Some((found, path))
            }
            (None, Some(from)) => Some((trainer.float_part(from)?, from.clone())),
            (None, None) => None,
        };
        if let Some((found, source)) = found {
            trainer.restore(found).with_context(|| {
                format!(
                    "{} cannot be continued; resume with the recipe and the text it was started \
                     with, or choose another output directory",
                    source.display()
                )
            })?;
        }
        Ok(trainer)
    }

    /// Seconds spent, over all resumed runs.
    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Steps of the floating-point or the quantised part.
    fn steps_of(&self, quantised: bool) -> u64 {
        let t = &self.recipe.training;
        let epochs = if quantised {
            t.quantised_epochs
        } else {
            t.float_epochs
        };
        epochs as u64 * self.batches.per_epoch()
    }

    fn total(&self) -> u64 {
        self.steps_of(false) + self.steps_of(true)
    }

    /// Whether the next step belongs to the quantised part, and its number there.
    fn part(&self) -> (bool, u64) {
        let float = self.steps_of(false);
        match self.step.checked_sub(float) {
            Some(step) => (true, step),
            None => (false, self.step),
        }
    }

    /// Trains until the end, or until asked to stop; `Ok(false)` in that case,
    /// with a checkpoint written.
    ///
    /// # Errors
    /// When the loss is no longer finite, or a file cannot be written.
    pub fn run(&mut self) -> Result<bool> {
        let (total, per_epoch) = (self.total(), self.batches.per_epoch());
        let mut progress = Progress::new(total, self.step, self.options.quiet);
        while self.step < total {
            if self.options.stops_at(self.step) {
                self.checkpoint()?;
                progress.finish();
                return Ok(false);
            }
            let (quantised, step) = self.part();
            if quantised && step == 0 {
                self.switch();
            }
            let loss = self.update(quantised, step)?;
            progress.step(self.step, loss);
            if self.step.is_multiple_of(per_epoch) {
                self.epoch((self.step / per_epoch) as usize, quantised, &progress)?;
                self.checkpoint()?;
                if self.step == self.steps_of(false) && self.step < total {
                    self.keep_float_part()?;
                }
            } else if self.saved.elapsed().as_secs() >= self.options.checkpoint_seconds {
                self.checkpoint()?;
            }
        }
        progress.finish();
        Ok(true)
    }
}
