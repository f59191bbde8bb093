//! One training step.
use super::{Trainer, host};
use crate::train::image::burn_op::{Call, network};
use crate::train::network::decisions;
use crate::train::options::Backend;
use anyhow::{Context, Result, ensure};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

impl Trainer<'_> {
    /// What a pass over `images` needs.
    pub(super) fn call(&self, images: Vec<f32>, training: bool) -> Call {
        Call {
            plan: Arc::clone(&self.plan),
            workspace: self.workspace.clone(),
            images: Arc::new(images),
            tracked: Arc::new(self.tracked.clone()),
            training,
        }
    }

    /// One step; the loss.
    pub(super) fn update(&mut self) -> Result<f64> {
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
    pub(super) fn cross_entropy(&self, logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
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
}
