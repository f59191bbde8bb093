//! The start of a run.
use super::run_state::Trainer;
use crate::train::checkpoint::Checkpoint;
use crate::train::corpus::{Corpus, Reservoir};
use crate::train::features::Norm;
use crate::train::lstm::Workspace;
use crate::train::network::{initial, shapes, tensors};
use crate::train::optimiser::Optimiser;
use crate::train::options::TrainOptions;
use crate::train::progress::Progress;
use crate::train::recipe::Recipe;
use crate::train::tally::Tally;
use anyhow::{Result, ensure};
use std::time::Instant;

impl<'a> Trainer<'a> {
    /// Starts a run, or continues the one whose checkpoint is in the output
    /// directory.
    ///
    /// # Errors
    /// When there is a checkpoint and `resume` is off, or it is of another run.
    pub fn start(
        options: &'a TrainOptions,
        recipe: &'a Recipe,
        corpus: &'a Corpus,
    ) -> Result<Self> {
        let path = options.checkpoint_path();
        let found = Checkpoint::load(&path)?;
        if found.is_some() {
            options.ensure_resume()?;
        }
        let (found, source) = match (&options.float_from, found) {
            (Some(from), None) => {
                let classes = corpus.labels().len();
                (Some(Self::float_part(from, recipe, classes)?), from.clone())
            }
            (_, found) => (found, path),
        };
        if let Some(found) = &found {
            let same = found.meta.recipe == recipe.to_toml()?
                && found.meta.labels == corpus.labels()
                && found.meta.clips == corpus.clips();
            ensure!(
                same,
                "{} is from another recipe or other data; resume with the same ones, or choose another output directory",
                source.display()
            );
        }
        let plain = options.backend.device()?;
        let device = plain.clone().autodiff();
        let shapes = shapes(recipe, corpus.labels().len());
        let first = initial(recipe, corpus.labels().len());
        let mut trainer = Self {
            options,
            recipe,
            corpus,
            reservoir: Reservoir::new(corpus),
            norm: Norm::default(),
            shapes,
            values: tensors(&first, &shapes, &device),
            average: first,
            device,
            plain,
            workspace: Workspace::default(),
            optimiser: Optimiser::new(recipe),
            state: None,
            step: 0,
            tally: Tally::default(),
            best: None,
            before: 0.0,
            started: Instant::now(),
            saved: Instant::now(),
        };
        if let Some(found) = found {
            trainer.restore(found);
        }
        trainer.fill()?;
        Ok(trainer)
    }

    /// Makes the examples that should exist at the current step.
    fn fill(&mut self) -> Result<()> {
        let due = Reservoir::due(self.recipe, self.step);
        let total = due.min(self.recipe.augmentation.reservoir as u64);
        let progress = Progress::new(total, "features", self.options.quiet);
        loop {
            let missing = self.reservoir.advance(self.corpus, due, 500);
            progress.set(total.saturating_sub(missing));
            if missing == 0 {
                break;
            }
            ensure!(
                !self.stopping(),
                "stopped while making features; start again"
            );
        }
        progress.finish();
        if self.norm.mean.is_empty() {
            self.norm = self.reservoir.norm(self.recipe.features.bands);
        }
        Ok(())
    }
}
