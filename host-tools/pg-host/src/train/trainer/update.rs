//! One training step.
use super::run_state::{State, Trainer, host};
use crate::train::corpus::{Fresh, Reservoir};
use crate::train::network::{Batch, ROLES, Role, Values, decisions};
use crate::train::optimiser::{average, learning_rate};
use crate::train::random::{Purpose, stream};
use crate::train::recipe::Mode;
use anyhow::{Result, ensure};
use burn::tensor::Tensor;
use rand::RngExt;

impl Trainer<'_> {
    /// One step, while the examples that fall due with it are made.
    pub(super) fn step(&mut self, quantised: bool, step: u64) -> Result<f64> {
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

    /// Milliseconds of one step of the quantised part.
    #[cfg(test)]
    pub fn timed_step(&mut self) -> f64 {
        let started = std::time::Instant::now();
        let loss = self.step(true, self.step);
        assert!(loss.is_ok_and(f64::is_finite));
        started.elapsed().as_secs_f64() * 1e3
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
}
