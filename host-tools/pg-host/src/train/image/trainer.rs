//! The training loop of an image network.
use super::batches::Batches;
use super::burn_op::{Call, network};
use super::checkpoint::{Checkpoint, Meta};
use super::optimiser::{Optimiser, initial, tensor};
use super::plan::Plan;
use super::progress::Progress;
use super::recipe::ImageRecipe;
use super::tally::{Record, Tally, append};
use super::tape::Workspace;
use crate::data::images::ImageSet;
use crate::network::model::{ImageMeta, ImageMetrics, ImageModel};
use crate::train::network::decisions;
use crate::train::options::{Backend, TrainOptions};
use anyhow::{Context, Result, ensure};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
            batches: Batches::new(&set.train, recipe, &recipe.input_codes()),
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
        let path = trainer.checkpoint_path();
        if let Some(found) = Checkpoint::load(&path)? {
            ensure!(
                options.resume,
                "{} holds an unfinished run; continue it with --resume, or choose another output \
                 directory, or remove it",
                path.display()
            );
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

    fn restore(&mut self, c: Checkpoint) -> Result<()> {
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

    /// Where the unfinished run is kept.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.options.out_dir.join("checkpoint.safetensors")
    }

    fn checkpoint(&mut self) -> Result<()> {
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
        checkpoint.save(&self.checkpoint_path())
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
            let enough = self.options.stop_after.is_some_and(|n| self.step >= n);
            if self.options.stop.load(Ordering::Relaxed) || enough {
                self.checkpoint()?;
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

    /// What a pass over `images` needs.
    fn call(&self, images: Vec<f32>, training: bool) -> Call {
        Call {
            plan: Arc::clone(&self.plan),
            workspace: self.workspace.clone(),
            images: Arc::new(images),
            tracked: Arc::new(self.tracked.clone()),
            training,
        }
    }

    /// One step; the loss.
    fn update(&mut self) -> Result<f64> {
        let (images, labels) = self.batches.training(self.step)?;
        let fused = self.options.backend == Backend::Cpu;
        let call = self.call(images, true);
        let leaf = Tensor::<2>::from_inner(self.values.clone()).require_grad();
        let out = network(leaf.clone(), call, fused);
        let logits = host(&out.logits.clone().inner())?;
        let entropy = self.cross_entropy(out.logits, &labels);
        let value = f64::from(entropy.clone().into_scalar::<f32>());
        ensure!(
            value.is_finite(),
            "the loss is no longer finite at step {}: lower training.learning_rate and train again",
            self.step
        );
        let gate = &self.recipe.gate;
        let distance =
            (leaf.clone() - gate.target) * Tensor::from_inner(self.optimiser.threshold.clone());
        let loss = entropy + (distance.clone() * distance).sum() * gate.sigma;
        let mut gradients = loss.backward();
        let gradient = (leaf.grad_remove(&mut gradients))
            .context("the network has no gradient; report this as a fault of pg-host")?;
        let share = self.recipe.rate(self.step as f64 / self.total() as f64);
        self.values = self.optimiser.step(share, self.values.clone(), gradient);
        let follow = self.recipe.training.norm_momentum;
        for (t, b) in self.tracked.iter_mut().zip(&out.batch) {
            *t += follow * (b - *t);
        }
        let decided = decisions(&logits, self.set.labels.len());
        self.tally.add(value, &decided, &labels, &out.counts);
        self.step += 1;
        Ok(value)
    }

    /// Cross entropy with label smoothing.
    fn cross_entropy(&self, logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
        let (n, classes) = (labels.len(), self.set.labels.len());
        let smoothing = self.recipe.training.label_smoothing;
        let mut target = vec![smoothing / classes as f32; n * classes];
        for (row, label) in labels.iter().enumerate() {
            target[row * classes + label] += 1.0 - smoothing;
        }
        let target = TensorData::new(target, [n, classes]);
        let target = Tensor::<2>::from_data(target, &logits.device());
        -(log_softmax(logits, 1) * target).sum() / n as f32
    }

    /// End of an epoch: evaluation and log.
    fn epoch(&mut self, epoch: usize, progress: &Progress) -> Result<()> {
        let last = self.step == self.total();
        let due = epoch.is_multiple_of(self.recipe.evaluation.every) || last;
        if due {
            self.test = Some((epoch, self.evaluate()?));
        }
        let record = Record {
            epoch,
            step: self.step,
            learning_rate: self.recipe.training.learning_rate
                * self
                    .recipe
                    .rate((self.step - 1) as f64 / self.total() as f64),
            train: self.tally.metrics(&self.plan)?,
            test: (self.test.clone()).filter(|_| due).map(|t| t.1),
            seed: self.recipe.seed,
            command: self.options.command.clone(),
            seconds: self.seconds(),
        };
        append(&self.options.out_dir.join("log.jsonl"), &record)?;
        progress.epoch(&record);
        self.tally = Tally::default();
        Ok(())
    }

    /// Accuracy and cost on the held-out split.
    fn evaluate(&self) -> Result<ImageMetrics> {
        let batches = Batches::new(&self.set.test, self.recipe, &self.recipe.input_codes());
        let fused = self.options.backend == Backend::Cpu;
        let mut tally = Tally::default();
        let n = self.recipe.training.batch;
        for first in (0..self.set.test.len()).step_by(n) {
            let (images, labels) = batches.plain(first, n)?;
            let out = network(self.values.clone(), self.call(images, false), fused);
            let logits = host(&out.logits)?;
            let loss = self.cross_entropy(out.logits, &labels);
            let decided = decisions(&logits, self.set.labels.len());
            let loss = f64::from(loss.into_scalar::<f32>());
            tally.add(loss, &decided, &labels, &out.counts);
        }
        tally.metrics(&self.plan)
    }

    /// The model as it is at the end of the run.
    ///
    /// # Errors
    /// When the run is not complete, or the model is not consistent.
    pub fn finish(&self) -> Result<ImageModel> {
        let (epoch, test) = self.test.clone().context("no epoch was evaluated")?;
        let (r, a) = (self.recipe, &self.plan.arithmetic);
        let trained = host(&self.values)?;
        let values = self.plan.export(&trained, &self.tracked);
        let model = ImageModel {
            meta: ImageMeta {
                recipe: r.name.clone(),
                recipe_toml: r.to_toml()?,
                labels: self.set.labels.clone(),
                network: self.plan.network.clone(),
                kind: a.kind,
                activation_bits: a.activation_bits,
                msb_bits: a.msb_bits,
                weight_bits: a.weight_bits,
                gate_block: a.block,
                gate_group: a.group,
                input: r.input_codes(),
                seed: r.seed,
                epoch,
                test,
                command: self.options.command.clone(),
                seconds: self.seconds(),
            },
            values,
        };
        model.check()?;
        Ok(model)
    }
}

/// Values of a tensor.
fn host(tensor: &Tensor<2>) -> Result<Vec<f32>> {
    (tensor.clone().into_data().try_to_vec::<f32>())
        .map_err(|e| anyhow::anyhow!("the device failed: {e:?}"))
}
