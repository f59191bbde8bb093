//! The training loop.
use super::checkpoint::{Checkpoint, Meta};
use super::corpus::{Corpus, Examples, Fresh, Reservoir};
use super::features::{FRAMES, Norm};
use super::lstm::Workspace;
use super::network::{Batch, Network, ROLES, Role, Values, decisions, initial, shapes, tensors};
use super::optimiser::{Optimiser, average, learning_rate};
use super::progress::Progress;
use super::random::{Purpose, stream};
use super::recipe::{Mode, Recipe};
use super::tally::{Record, Tally, append};
use super::{Backend, TrainOptions};
use crate::model::{ModelMeta, TrainedMetrics, TrainedModel};
use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Hidden and cell states, `[B, H]` each.
type State = (Vec<f32>, Vec<f32>);

/// A run in progress.
pub struct Trainer<'a> {
    options: &'a TrainOptions,
    recipe: &'a Recipe,
    corpus: &'a Corpus,
    reservoir: Reservoir,
    norm: Norm,
    shapes: [[usize; 2]; 8],
    /// Device with differentiation, and without.
    device: Device,
    plain: Device,
    workspace: Workspace,
    values: Vec<Tensor<2>>,
    average: Values,
    optimiser: Optimiser,
    state: Option<State>,
    step: u64,
    tally: Tally,
    best: Option<(usize, TrainedMetrics, Values)>,
    /// Seconds before this process.
    before: f64,
    started: Instant,
    saved: Instant,
}

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
        let path = checkpoint_path(options);
        let found = Checkpoint::load(&path)?;
        ensure!(
            options.resume || found.is_none(),
            "{} holds an unfinished run; continue it with --resume, or choose another output directory, or remove it",
            path.display()
        );
        if let Some(found) = &found {
            let same = found.meta.recipe == recipe.to_toml()?
                && found.meta.labels == corpus.labels()
                && found.meta.clips == corpus.clips();
            ensure!(
                same,
                "{} is from another recipe or other data; resume with the same ones, or choose another output directory",
                path.display()
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

    fn restore(&mut self, c: Checkpoint) {
        self.values = tensors(&c.values, &self.shapes, &self.device);
        self.average = c.average;
        self.optimiser
            .restore(c.moments, &self.shapes, &self.plain);
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

    fn stopping(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    fn steps_of(&self, quantised: bool) -> u64 {
        let t = &self.recipe.training;
        (if quantised {
            t.quantised_epochs
        } else {
            t.float_epochs
        } * t.steps_per_epoch) as u64
    }

    fn total(&self) -> u64 {
        self.steps_of(false) + self.steps_of(true)
    }

    /// Whether `step` belongs to the quantised part, and its number there.
    fn part(&self, step: u64) -> (bool, u64) {
        let float = self.steps_of(false);
        (
            step >= float,
            if step >= float { step - float } else { step },
        )
    }

    fn network(&self, quantised: bool, device: &Device) -> Network<'a> {
        Network {
            recipe: self.recipe,
            spec: self.recipe.spec(quantised),
            classes: self.corpus.labels().len(),
            fused: self.options.backend == Backend::Cpu,
            workspace: self.workspace.clone(),
            device: device.clone(),
        }
    }

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
            let enough = self.options.stop_after.is_some_and(|n| self.step >= n);
            if self.stopping() || enough {
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

    /// One step, while the examples that fall due with it are made.
    fn step(&mut self, quantised: bool, step: u64) -> Result<f64> {
        let (x, labels) = self.reservoir.batch(self.recipe, &self.norm, self.step);
        let batch = Batch {
            x,
            labels,
            state: self.starting_state(),
        };
        let range = self.reservoir.made()..Reservoir::due(self.recipe, self.step + 1);
        let corpus = self.corpus;
        let (loss, fresh) = rayon::join(
            || self.update(quantised, step, &batch),
            || Fresh::make(corpus, range),
        );
        self.reservoir.insert(fresh);
        self.step += 1;
        loss
    }

    /// For a share of the clips, the last state of some clip of the batch before.
    fn starting_state(&self) -> Option<State> {
        let (share, h) = (self.recipe.training.carried_state, self.recipe.model.hidden);
        let (hidden, cell) = self.state.as_ref().filter(|_| share > 0.0)?;
        let batch = self.recipe.training.batch;
        let mut rng = stream(self.recipe.seed, Purpose::Carry, self.step);
        let (mut h0, mut c0) = (vec![0.0; batch * h], vec![0.0; batch * h]);
        for clip in 0..batch {
            let from = rng.random_range(0..batch) * h;
            if rng.random_bool(share) {
                h0[clip * h..(clip + 1) * h].copy_from_slice(&hidden[from..from + h]);
                c0[clip * h..(clip + 1) * h].copy_from_slice(&cell[from..from + h]);
            }
        }
        Some((h0, c0))
    }

    /// Forward, backward, and the optimiser's step.
    fn update(&mut self, quantised: bool, step: u64, batch: &Batch) -> Result<f64> {
        let network = self.network(quantised, &self.device);
        let leaves: Vec<Tensor<2>> = self
            .values
            .iter()
            .map(|v| v.clone().detach().require_grad())
            .collect();
        let forward = network.forward(&leaves, batch, Some(self.step));
        let logits = host(forward.logits.clone());
        self.tally.gates(&forward.layer.stats);
        self.state = Some(forward.layer.state.clone());
        let learned = quantised && self.recipe.mode == Mode::Pg;
        let loss = network.loss(forward, &leaves, &batch.labels, learned);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        ensure!(
            value.is_finite(),
            "the loss is no longer finite at step {}: lower training.learning_rate and train again",
            self.step
        );
        let mut gradients = loss.backward();
        let mut gradients: Vec<Option<Tensor<2>>> = leaves
            .iter()
            .map(|p| p.grad_remove(&mut gradients))
            .collect();
        self.clip(&mut gradients);
        let steps = self.steps_of(quantised);
        for (k, gradient) in gradients.into_iter().enumerate() {
            let Some(gradient) = gradient.filter(|_| self.trained(k, learned)) else {
                continue;
            };
            let rate = learning_rate(self.recipe, ROLES[k], quantised, step, steps);
            let value = self
                .optimiser
                .step(k, rate, leaves[k].clone().inner(), gradient);
            let value = if ROLES[k] == Role::Threshold {
                value.clamp_min(0.0)
            } else {
                value
            };
            self.values[k] = Tensor::from_inner(value);
        }
        let t = &self.recipe.training;
        let decay = if quantised { t.quantised_ema } else { t.ema };
        let values: Values = self.values.iter().map(|v| host(v.clone())).collect();
        average(&mut self.average, &values, decay, step);
        let decided = decisions(&logits, network.classes);
        self.tally.loss += value;
        self.tally.steps += 1;
        self.tally.clips += batch.labels.len() as u64;
        self.tally.correct += decided
            .iter()
            .zip(&batch.labels)
            .filter(|(a, b)| a == b)
            .count() as u64;
        Ok(value)
    }

    /// Whether parameter `k` is trained, `learned` saying so of thresholds.
    fn trained(&self, k: usize, learned: bool) -> bool {
        match ROLES[k] {
            Role::Threshold => learned,
            // The input scale is parameter 4, the activation scale 5.
            Role::Scale => k == 5 || self.recipe.model.learn_input_scale,
            Role::Matrix | Role::Bias => true,
        }
    }

    /// Scales the gradients of weights and biases down to the largest norm.
    fn clip(&self, gradients: &mut [Option<Tensor<2>>]) {
        let weights = |k: usize| matches!(ROLES[k], Role::Matrix | Role::Bias);
        let squares = gradients
            .iter()
            .enumerate()
            .filter(|(k, _)| weights(*k))
            .filter_map(|(_, g)| g.as_ref())
            .map(|g| (g.clone() * g.clone()).sum())
            .reduce(|a, b| a + b);
        let Some(squares) = squares else { return };
        let norm = squares.into_scalar::<f32>().sqrt();
        let limit = self.recipe.training.clip_norm;
        if norm > limit {
            for (k, gradient) in gradients.iter_mut().enumerate() {
                if weights(k) {
                    *gradient = gradient.take().map(|g| g * (limit / norm));
                }
            }
        }
    }

    /// End of an epoch: validation, selection, log.
    fn epoch(
        &mut self,
        epoch: usize,
        quantised: bool,
        valid: &Examples,
        progress: &Progress,
    ) -> Result<()> {
        let last = self.step == self.total();
        let due = epoch.is_multiple_of(self.recipe.validation.every) || last;
        let average = std::mem::take(&mut self.average);
        let result =
            (due && !valid.labels.is_empty()).then(|| self.evaluate(&average, quantised, valid));
        self.average = average;
        // Only what will be exported competes.
        let eligible = quantised || self.recipe.training.quantised_epochs == 0;
        let better = result.is_some_and(|r| {
            self.best
                .as_ref()
                .is_none_or(|(_, b, _)| r.accuracy > b.accuracy)
        });
        let best = eligible && (better || (self.best.is_none() && last));
        if best {
            self.best = Some((epoch, result.unwrap_or_default(), self.average.clone()));
        }
        let record = Record {
            epoch,
            part: if quantised {
                mode_name(self.recipe.mode)
            } else {
                "float"
            }
            .into(),
            step: self.step,
            loss: self.tally.mean_loss(),
            train: self.tally.metrics(),
            valid: result,
            best,
            seed: self.recipe.seed,
            command: self.options.command.clone(),
            seconds: self.seconds(),
        };
        append(&self.options.out_dir.join("log.jsonl"), &record)?;
        progress.epoch(&record);
        self.tally = Tally::default();
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Accuracy and cost of `values` on `examples`, every clip from the zero state.
    pub fn evaluate(
        &self,
        values: &Values,
        quantised: bool,
        examples: &Examples,
    ) -> TrainedMetrics {
        let network = self.network(quantised, &self.plain);
        let values = tensors(values, &self.shapes, &self.plain);
        let clip = FRAMES * self.recipe.features.bands;
        let mut tally = Tally::default();
        for (features, labels) in examples
            .features
            .chunks(100 * clip)
            .zip(examples.labels.chunks(100))
        {
            let mut x = vec![0.0; features.len()];
            self.norm.apply(features, &mut x);
            let batch = Batch {
                x,
                labels: labels.to_vec(),
                state: None,
            };
            let forward = network.forward(&values, &batch, None);
            tally.gates(&forward.layer.stats);
            let decided = decisions(&host(forward.logits), network.classes);
            tally.clips += labels.len() as u64;
            tally.correct += decided.iter().zip(labels).filter(|(a, b)| a == b).count() as u64;
        }
        tally.metrics()
    }

    fn checkpoint(&mut self) -> Result<()> {
        let moments = self.optimiser.moments();
        let checkpoint = Checkpoint {
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
        };
        checkpoint.save(&checkpoint_path(self.options))?;
        self.saved = Instant::now();
        Ok(())
    }

    /// The selected model; `test` is evaluated here, once.
    ///
    /// # Errors
    /// When no epoch was finished, or the model is not consistent.
    pub fn finish(self, test: &Examples) -> Result<TrainedModel> {
        let (epoch, valid, values) = self
            .best
            .as_ref()
            .context("no epoch was finished, so there is no model")?;
        let quantised = self.recipe.training.quantised_epochs > 0;
        let test = (!test.labels.is_empty()).then(|| self.evaluate(values, quantised, test));
        let r = self.recipe;
        let rows = 4 * r.model.hidden;
        let gated = r.spec(quantised).gated();
        let shared = &values[3];
        let threshold = (0..if gated { rows } else { 0 })
            .map(|row| shared[row * shared.len() / rows])
            .collect();
        let model = TrainedModel {
            meta: ModelMeta {
                recipe: r.name.clone(),
                recipe_toml: r.to_toml()?,
                labels: self.corpus.labels().to_vec(),
                kind: r.kind(),
                inputs: r.features.bands,
                hidden: r.model.hidden,
                activation_bits: r.model.activation_bits,
                msb_bits: if gated {
                    r.model.msb_bits
                } else {
                    r.model.activation_bits
                },
                weight_bits: r.model.weight_bits,
                readout: r.model.readout,
                window: r.model.window,
                low_hz: r.features.low_hz,
                high_hz: r.features.high_hz,
                seed: r.seed,
                epoch: *epoch,
                valid: *valid,
                test,
                command: self.options.command.clone(),
                seconds: self.seconds(),
            },
            w_x: values[0].clone(),
            w_h: values[1].clone(),
            bias: values[2].clone(),
            threshold,
            scale_x: values[4][0].exp(),
            scale_h: values[5][0].exp(),
            head_w: values[6].clone(),
            head_b: values[7].clone(),
            band_mean: self.norm.mean.clone(),
            band_std: self.norm.std.clone(),
        };
        model.check()?;
        Ok(model)
    }
}

/// Where the unfinished run is kept.
pub fn checkpoint_path(options: &TrainOptions) -> PathBuf {
    options.out_dir.join("checkpoint.safetensors")
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Float => "float",
        Mode::Uniform => "uniform",
        Mode::FixedThreshold => "fixed-threshold",
        Mode::Pg => "pg",
    }
}

/// Values of a tensor; empty if the device fails, which the next use reports.
fn host(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap_or_default()
}
