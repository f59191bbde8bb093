//! The end of an epoch: validation, selection, log.
use super::run_state::{Trainer, host};
use crate::model::TrainedMetrics;
use crate::train::corpus::Examples;
use crate::train::features::FRAMES;
use crate::train::network::{Batch, Values, decisions, tensors};
use crate::train::progress::Progress;
use crate::train::tally::{Record, Tally, append, rounded};
use anyhow::Result;

impl Trainer<'_> {
    /// End of an epoch: validation, selection, log.
    pub(super) fn epoch(
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
                .is_none_or(|(_, b, _)| r.balanced > b.balanced)
        });
        let best = eligible && (better || (self.best.is_none() && last));
        if best {
            self.best = Some((epoch, result.unwrap_or_default(), self.average.clone()));
        }
        let record = Record {
            epoch,
            part: if quantised {
                self.recipe.mode.name()
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
        let mut per_label = vec![[0u64; 2]; network.classes];
        let clips = (examples.features.chunks(100 * clip)).zip(examples.labels.chunks(100));
        for (features, labels) in clips {
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
            for (decided, label) in decided.iter().zip(labels) {
                let [clips, correct] = &mut per_label[*label];
                *clips += 1;
                *correct += u64::from(decided == label);
            }
        }
        tally.clips = per_label.iter().map(|l| l[0]).sum();
        tally.correct = per_label.iter().map(|l| l[1]).sum();
        let seen = per_label.iter().filter(|l| l[0] > 0);
        let recalls: Vec<f64> = seen.map(|l| l[1] as f64 / l[0] as f64).collect();
        TrainedMetrics {
            balanced: rounded(recalls.iter().sum::<f64>() / recalls.len().max(1) as f64),
            ..tally.metrics()
        }
    }
}
