//! What is counted over an epoch, and the log of epochs.
use super::network::Said;
use crate::language::model::LanguageMetrics;
use crate::train::lstm::{LstmSpec, Stats};
use crate::train::tally::{Line, rounded};
use serde::{Deserialize, Serialize};

/// Sums over passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of the words' losses.
    pub loss: f64,
    /// Words.
    pub words: u64,
    /// Gate outputs, open outputs, columns, changed columns, steps by which
    /// digits changed.
    pub gates: [u64; 5],
}

impl Tally {
    /// Adds a pass.
    pub fn add(&mut self, said: &Said) {
        self.loss += said.loss;
        self.words += said.words as u64;
        let s = &said.stats;
        let counts = [s.outputs, s.open, s.columns, s.changed, s.entries];
        for (sum, v) in self.gates.iter_mut().zip(counts) {
            *sum += v;
        }
    }

    /// The counts as a result of an LSTM with the arithmetic of `spec`.
    pub fn metrics(&self, spec: &LstmSpec) -> LanguageMetrics {
        let [outputs, open, columns, changed, entries] = self.gates;
        let stats = Stats {
            outputs,
            open,
            columns,
            changed,
            entries,
        };
        let loss = self.loss / self.words.max(1) as f64;
        let (bits, high) = (f64::from(spec.activation_bits), f64::from(spec.msb_bits));
        LanguageMetrics {
            loss: rounded(loss),
            perplexity: rounded(loss.exp()),
            sparsity: rounded(stats.sparsity()),
            bits: match (spec.quantised(), spec.gated()) {
                (false, _) => 32.0,
                (_, false) => bits,
                _ => rounded(high + (1.0 - stats.sparsity()) * (bits - high)),
            },
            columns: rounded(stats.changed_share()),
            executed: if spec.gated() {
                rounded(stats.executed_share())
            } else {
                1.0
            },
        }
    }
}

/// One line of `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Epoch, from 1.
    pub epoch: usize,
    /// `float` or the recipe's mode.
    pub part: String,
    /// Steps done so far.
    pub step: u64,
    /// On the training text, with dropout.
    pub train: LanguageMetrics,
    /// On the validation text.
    pub valid: Option<LanguageMetrics>,
    /// On the test text: in the last line, of the epoch that is kept.
    pub test: Option<LanguageMetrics>,
    /// Whether this is the best so far.
    pub best: bool,
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
