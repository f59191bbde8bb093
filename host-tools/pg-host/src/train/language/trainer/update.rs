//! One training step, and the change from floating point to quantised.
use super::Trainer;
use crate::train::language::batches::whole;
use crate::train::language::network::Dropout;
use crate::train::language::optimiser::{Optimiser, Rates};
use crate::train::language::scales::fitted;
use anyhow::{Result, ensure};

/// Steps' worth of text that scales are fitted to.
const FITTED_STEPS: usize = 4;

impl Trainer<'_> {
    /// One step, number `step` of its part; the mean loss of a word.
    pub(super) fn update(&mut self, quantised: bool, step: u64) -> Result<f64> {
        let (batch, goes_on) = self.batches.training(self.step);
        let t = &self.recipe.training;
        let drop = Dropout {
            seed: self.recipe.seed,
            step: self.step,
            embedding: t.embedding_dropout,
            output: t.output_dropout,
        };
        let state = self.state.as_ref().filter(|_| goes_on);
        let network = &mut self.network;
        network.spec = self.recipe.spec(quantised);
        let said = network.forward(&self.values, &batch, state, Some(&drop));
        let loss = said.loss / said.words.max(1) as f64;
        ensure!(
            loss.is_finite(),
            "the loss is no longer finite at step {}: lower training.learning_rate and train again",
            self.step
        );
        self.state = Some(network.state());
        network.backward(&self.values, &batch);
        let rates = Rates::at(self.recipe, quantised, step, self.steps_of(quantised));
        let gradients = &self.network.gradients;
        let optimiser = &mut self.optimiser;
        optimiser.step(
            self.recipe,
            quantised,
            rates,
            step + 1,
            &mut self.values,
            gradients,
        );
        self.tally.add(&said);
        self.step += 1;
        Ok(loss)
    }

    /// From floating point to the recipe's arithmetic: scales are fitted, the
    /// optimiser starts afresh.
    pub(super) fn switch(&mut self) {
        self.optimiser = Optimiser::default();
        let spec = self.recipe.spec(true);
        if !spec.quantised() {
            return;
        }
        let t = &self.recipe.training;
        let (words, end) = (&self.corpus.train.words, self.corpus.vocabulary.end());
        let count = (FITTED_STEPS * t.batch * t.unroll).min(words.len());
        let batches = whole(&words[..count], end, t.batch, FITTED_STEPS * t.unroll);
        if let Some(batch) = batches.first() {
            let scales = fitted(&spec, &self.values, batch);
            self.values.log_scale = scales.map(|s| (s * self.recipe.model.range).ln()).to_vec();
        }
    }
}
