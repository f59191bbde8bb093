//! What is counted over an epoch, and the log of epochs.
use super::lstm::Stats;
use crate::fsio;
use crate::model::TrainedMetrics;
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Sums over the steps of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of the steps' losses.
    pub loss: f64,
    /// Steps.
    pub steps: u64,
    /// Clips.
    pub clips: u64,
    /// Of these, classified correctly.
    pub correct: u64,
    /// Gate outputs, open outputs, columns, changed columns.
    pub gates: [u64; 4],
    /// Steps by which digits changed.
    #[serde(default)]
    pub entries: u64,
}

impl Tally {
    /// Adds the counts of one pass.
    pub fn gates(&mut self, s: &Stats) {
        for (sum, v) in self
            .gates
            .iter_mut()
            .zip([s.outputs, s.open, s.columns, s.changed])
        {
            *sum += v;
        }
        self.entries += s.entries;
    }

    /// The counts as a result.
    pub fn metrics(&self) -> TrainedMetrics {
        let [outputs, open, columns, changed] = self.gates;
        let stats = Stats {
            outputs,
            open,
            columns,
            changed,
            entries: self.entries,
        };
        let accuracy = rounded(self.correct as f64 / self.clips.max(1) as f64);
        TrainedMetrics {
            accuracy,
            // Training batches are drawn by label.
            balanced: accuracy,
            sparsity: rounded(stats.sparsity()),
            changed: rounded(stats.changed_share()),
            entries: rounded(stats.entries_share()),
            executed: if open == outputs {
                1.0
            } else {
                rounded(stats.executed_share())
            },
        }
    }

    /// Mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.steps.max(1) as f64
    }
}

/// A share to six decimals: JSON keeps these exactly, so that a resumed run
/// compares the same numbers.
pub fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

/// One line of `log.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Epoch, from 1.
    pub epoch: usize,
    /// `float` or the recipe's mode.
    pub part: String,
    /// Steps done so far.
    pub step: u64,
    /// Mean training loss.
    pub loss: f64,
    /// Accuracy and cost on the training batches.
    pub train: TrainedMetrics,
    /// On the validation split, with the averaged weights.
    pub valid: Option<TrainedMetrics>,
    /// Whether this is the best so far.
    pub best: bool,
    /// Seed of the run.
    pub seed: u64,
    /// The command that started it.
    pub command: String,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// A line of a log of epochs.
pub(in crate::train) trait Line: Serialize + DeserializeOwned {
    /// Its epoch, from 1.
    fn epoch(&self) -> usize;
}

impl Line for Record {
    fn epoch(&self) -> usize {
        self.epoch
    }
}

/// Appends `record` to the log at `path`, dropping what a killed run wrote
/// after its last checkpoint.
///
/// # Errors
/// When the log cannot be read or written.
pub(in crate::train) fn append<L: Line>(path: &Path, record: &L) -> Result<()> {
    let old = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e).with_context(|| format!("cannot read the log {}", path.display())),
    };
    let mut text = String::new();
    for line in old.lines() {
        if serde_json::from_str::<L>(line).is_ok_and(|l| l.epoch() < record.epoch()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&serde_json::to_string(record)?);
    text.push('\n');
    Ok(fsio::write_atomic(path, text.as_bytes())?)
}
