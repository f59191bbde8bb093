//! What is counted over an epoch, and the log of epochs.
use super::kernels::conv::Counts;
use super::plan::Plan;
use crate::model::ModelKind;
use crate::network::model::{GateMetrics, ImageMetrics};
use crate::train::tally::{Line, rounded};
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Sums over the steps of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of the images' losses.
    pub loss: f64,
    /// Images.
    pub images: u64,
    /// Of these, classified correctly.
    pub correct: u64,
    /// Per node: open outputs, prediction digits and update digits not zero.
    pub counts: Vec<[u64; 3]>,
}

impl Tally {
    /// Adds a batch.
    pub fn add(&mut self, loss: f64, decided: &[usize], labels: &[usize], counts: &[Counts]) {
        self.loss += loss * labels.len() as f64;
        self.images += labels.len() as u64;
        let right = decided.iter().zip(labels).filter(|(a, b)| a == b);
        self.correct += right.count() as u64;
        self.counts.resize(counts.len(), [0; 3]);
        for (sums, c) in self.counts.iter_mut().zip(counts) {
            let [high, low] = c.digits;
            for (sum, v) in sums.iter_mut().zip([c.open, high, low]) {
                *sum += v;
            }
        }
    }

    /// The counts as a result.
    ///
    /// # Errors
    /// When the network is not consistent.
    pub fn metrics(&self, plan: &Plan) -> Result<ImageMetrics> {
        let macs = plan.network.macs()?;
        let images = self.images.max(1) as f64;
        let a = &plan.arithmetic;
        let (mut layers, mut gated, mut closed) = (Vec::new(), 0.0, 0.0);
        let (mut all, mut executed) = (0.0, 0.0);
        for (k, node) in plan.network.nodes.iter().enumerate() {
            let cost = macs[k] as f64;
            all += cost;
            let conv = plan.convs[k].as_ref().filter(|c| !c.depthwise);
            let (Some(step), Some([open, high, low])) = (conv, self.counts.get(k)) else {
                executed += cost;
                continue;
            };
            let share = |count: u64, shape: [usize; 3]| {
                count as f64 / (images * shape.iter().product::<usize>() as f64)
            };
            let open = share(*open, step.geometry.output);
            let [high, low] = [*high, *low].map(|n| share(n, step.geometry.input));
            executed += cost * (high + if step.gated { open * low } else { 0.0 });
            if step.gated {
                gated += cost;
                closed += cost * (1.0 - open);
                layers.push(GateMetrics {
                    name: node.name.clone(),
                    sparsity: rounded(1.0 - open),
                    macs: macs[k],
                });
            }
        }
        let sparsity = if gated > 0.0 { closed / gated } else { 0.0 };
        let (bits, high) = (f64::from(a.activation_bits), f64::from(a.msb_bits));
        Ok(ImageMetrics {
            loss: rounded(self.loss / images),
            accuracy: rounded(self.correct as f64 / images),
            sparsity: rounded(sparsity),
            bits: match a.kind {
                ModelKind::Float => 32.0,
                ModelKind::Uniform => bits,
                ModelKind::Gated => rounded(high + (1.0 - sparsity) * (bits - high)),
            },
            executed: rounded(executed / f64::max(all, 1.0)),
            layers,
        })
    }
}

/// One line of `log.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Steps done so far.
    pub step: u64,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// On the training batches.
    pub train: ImageMetrics,
    /// On the held-out split.
    pub test: Option<ImageMetrics>,
    /// Seed of the run.
    pub seed: u64,
    /// The command that started it.
    pub command: String,
    /// Seconds of training so far.
    pub seconds: f64,
}

impl Line for Record {
    fn epoch(&self) -> usize {
        self.epoch
    }
}
