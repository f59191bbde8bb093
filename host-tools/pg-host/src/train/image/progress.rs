//! The progress of a run in words.
use super::tally::Record;
use crate::network::model::ImageMetrics;
use crate::train::progress::Steps;

/// Share of a step's loss in the smoothed one.
const SHARE: f64 = 0.05;

/// Progress of a run.
pub struct Progress {
    steps: Steps,
}

impl Progress {
    /// Of `total` steps, `step` are done.
    pub fn new(total: u64, step: u64, quiet: bool) -> Self {
        Self {
            steps: Steps::new(total, step, quiet),
        }
    }

    /// Moves to `position` after a step of this mean loss.
    pub fn step(&mut self, position: u64, loss: f64) {
        self.steps
            .step(position, loss, SHARE, |loss| format!("loss {loss:.3}"));
    }

    /// Reports an epoch.
    pub fn epoch(&self, r: &Record) {
        let test = (r.test.as_ref()).map_or(String::new(), |t| format!("  test {}", summary(t)));
        self.steps.say(|| {
            format!(
                "epoch {:>3}  rate {:.4}  loss {:.3}  train {:.1} %{test}  {:.0} s",
                r.epoch,
                r.learning_rate,
                r.train.loss,
                100.0 * r.train.accuracy,
                r.seconds
            )
        });
    }

    /// Removes the bar and says what a step took.
    pub fn finish(&mut self) {
        self.steps.finish();
    }
}

/// Accuracy, and the cost where something is quantised.
pub fn summary(m: &ImageMetrics) -> String {
    let accuracy = format!("{:.2} %", 100.0 * m.accuracy);
    if m.layers.is_empty() {
        return accuracy;
    }
    format!(
        "{accuracy}  Sp {:.1} %  B_avg {:.2}  MACs {:.1} %",
        100.0 * m.sparsity,
        m.bits,
        100.0 * m.executed
    )
}
