//! The training loop of an image network.
mod evaluate;
mod resume;
mod update;

use crate::data::images::ImageSet;
use crate::network::model::ImageMetrics;
use crate::train::image::batches::Batches;
use crate::train::image::checkpoint::Checkpoint;
use crate::train::image::optimiser::{Optimiser, initial, tensor};
use crate::train::image::plan::Plan;
use crate::train::image::progress::Progress;
use crate::train::image::recipe::ImageRecipe;
use crate::train::image::tally::Tally;
use crate::train::image::tape::Workspace;
use crate::train::options::TrainOptions;
use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;
use std::time::Instant;

/// A run in progress.
pub struct Trainer<'a> {
    options: &'a TrainOptions,
    recipe: &'a ImageRecipe,
    set: &'a ImageSet,
    batches: Batches<'a>,
    plan: Arc<Plan>,
    /// Without differentiation.
    plain: Device,
    workspace: Workspace,
    values: Tensor<2>,
    tracked: Vec<f32>,
    optimiser: Optimiser,
    step: u64,
    tally: Tally,
    test: Option<(usize, ImageMetrics)>,
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
        recipe: &'a ImageRecipe,
        set: &'a ImageSet,
    ) -> Result<Self> {
        ensure!(
            options.float_from.is_none(),
            "--float-from is for recipes with float epochs, which image networks do not have"
        );
        ensure!(
            set.train.len() >= recipe.training.batch && !set.test.is_empty(),
            "training.batch = {}, but there are {} images to train on and {} to test on",
            recipe.training.batch,
            set.train.len(),
            set.test.len()
        );
        let plan = Plan::new(recipe.network(set.labels.len())?, recipe.arithmetic())?;
        let plain = options.backend.device()?;
        let (values, tracked) = initial(&plan, recipe);
        let mut trainer = Self {
            options,
            recipe,
            set,
            batches: Batches::new(&set.train, recipe, &recipe.input_codes())?,
            workspace: Workspace::default(),
            values: tensor(values, &plain),
            tracked,
            optimiser: Optimiser::new(&plan, recipe, &plain),
            plain,
            plan: Arc::new(plan),
            step: 0,
            tally: Tally::default(),
            test: None,
            before: 0.0,
            started: Instant::now(),
            saved: Instant::now(),
        };
        let path = options.checkpoint_path();
        if let Some(found) = Checkpoint::load(&path)? {
            options.ensure_resume()?;
            trainer.restore(found).with_context(|| {
                format!(
                    "{} cannot be continued; resume with the recipe and the data it was started \
                     with, or choose another output directory",
                    path.display()
                )
            })?;
        }
        Ok(trainer)
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn total(&self) -> u64 {
        self.batches.per_epoch() * self.recipe.training.epochs as u64
    }

    /// Trains until the end, or until asked to stop; `Ok(false)` in that case,
    /// with a checkpoint written.
    ///
    /// # Errors
    /// When the loss is no longer finite, or a file cannot be written.
    pub fn run(&mut self) -> Result<bool> {
        let total = self.total();
        let mut progress = Progress::new(total, self.step, self.options.quiet);
        while self.step < total {
            if self.options.stops_at(self.step) {
                self.checkpoint()?;
                progress.finish();
                return Ok(false);
            }
            let loss = self.update()?;
            progress.step(self.step, loss);
            if self.step.is_multiple_of(self.batches.per_epoch()) {
                self.epoch((self.step / self.batches.per_epoch()) as usize, &progress)?;
                self.checkpoint()?;
            } else if self.saved.elapsed().as_secs() >= self.options.checkpoint_seconds {
                self.checkpoint()?;
            }
        }
        progress.finish();
        Ok(true)
    }
}

/// Values of a tensor.
pub(super) fn host(tensor: &Tensor<2>) -> Result<Vec<f32>> {
    (tensor.clone().into_data().try_to_vec::<f32>())
        .map_err(|e| anyhow::anyhow!("the device failed: {e:?}"))
}
