//! The end of an epoch and of a run.
use super::{Trainer, host};
use crate::network::model::{ImageMeta, ImageMetrics, ImageModel};
use crate::train::image::batches::Batches;
use crate::train::image::burn_op::network;
use crate::train::image::progress::Progress;
use crate::train::image::tally::{Record, Tally};
use crate::train::network::decisions;
use crate::train::options::Backend;
use crate::train::tally::append;
use anyhow::{Context, Result};

impl Trainer<'_> {
    /// End of an epoch: evaluation and log.
    pub(super) fn epoch(&mut self, epoch: usize, progress: &Progress) -> Result<()> {
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
        let batches = Batches::new(&self.set.test, self.recipe, &self.recipe.input_codes())?;
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
