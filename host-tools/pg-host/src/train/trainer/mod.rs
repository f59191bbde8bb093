//! The training loop.
mod evaluate;
mod finish;
mod resume;
mod run_state;
mod start;
mod update;

pub use run_state::Trainer;

use super::corpus::Examples;
use super::network::tensors;
use super::optimiser::Optimiser;
use super::progress::Progress;
use anyhow::Result;

impl Trainer<'_> {
    /// Trains until the end, or until asked to stop; `Ok(false)` in that case,
    /// with a checkpoint written.
    ///
    /// # Errors
    /// When the loss is no longer finite, or a file cannot be written.
    pub fn run(&mut self, valid: &Examples) -> Result<bool> {
        let total = self.total();
        let progress = Progress::new(total, "training", self.options.quiet);
        progress.set(self.step);
        while self.step < total {
            if self.options.stops_at(self.step) {
                self.checkpoint()?;
                return Ok(false);
            }
            let (quantised, step) = self.part(self.step);
            if quantised && step == 0 && self.step > 0 {
                self.switch();
            }
            let loss = self.step(quantised, step)?;
            progress.step(self.step, loss, &self.tally.metrics());
            let per_epoch = self.recipe.training.steps_per_epoch as u64;
            if self.step.is_multiple_of(per_epoch) {
                self.epoch(
                    (self.step / per_epoch) as usize,
                    quantised,
                    valid,
                    &progress,
                )?;
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

    /// From floating point to the recipe's arithmetic: the averaged weights go
    /// on, the optimiser starts afresh.
    fn switch(&mut self) {
        self.values = tensors(&self.average, &self.shapes, &self.device);
        self.optimiser = Optimiser::new(self.recipe);
        self.state = None;
    }
}
