//! The progress bar; where there is no terminal, a line now and then.
use super::tally::Record;
use crate::network::model::ImageMetrics;
use crate::train::progress::{bar, say};
use indicatif::ProgressBar;
use std::time::{Duration, Instant};

/// Time between lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// Progress of a run.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    total: u64,
    smooth: Option<f64>,
    lines: Instant,
}

impl Progress {
    /// A bar of `total` steps that stands at `step`; invisible if `quiet`,
    /// replaced by lines without a terminal.
    pub fn new(total: u64, step: u64, quiet: bool) -> Self {
        let bar = bar(total, "training", quiet);
        bar.set_position(step);
        bar.reset_eta();
        Self {
            bar,
            quiet,
            total,
            smooth: None,
            lines: Instant::now(),
        }
    }

    /// Moves to `position` after a step.
    pub fn step(&mut self, position: u64, loss: f64) {
        let smooth = self.smooth.map_or(loss, |s| s + 0.05 * (loss - s));
        self.smooth = Some(smooth);
        self.bar.set_message(format!("loss {smooth:.3}"));
        self.bar.set_position(position);
        if self.bar.is_hidden() && !self.quiet && self.lines.elapsed() >= BETWEEN_LINES {
            eprintln!("step {position} of {}  loss {smooth:.3}", self.total);
            self.lines = Instant::now();
        }
    }

    /// Reports an epoch.
    pub fn epoch(&self, r: &Record) {
        if self.quiet {
            return;
        }
        let test = (r.test.as_ref()).map_or(String::new(), |t| format!("  test {}", summary(t)));
        let line = format!(
            "epoch {:>3}  rate {:.4}  loss {:.3}  train {:.1} %{test}  {:.0} s",
            r.epoch,
            r.learning_rate,
            r.train.loss,
            100.0 * r.train.accuracy,
            r.seconds
        );
        say(&self.bar, &line);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
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
