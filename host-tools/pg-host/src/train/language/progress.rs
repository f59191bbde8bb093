//! The progress bar; where there is no terminal, a line now and then.
use super::tally::Record;
use crate::language::model::LanguageMetrics;
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

    /// Moves to `position` after a step of this mean loss.
    pub fn step(&mut self, position: u64, loss: f64) {
        let smooth = self.smooth.map_or(loss, |s| s + 0.02 * (loss - s));
        self.smooth = Some(smooth);
        let perplexity = smooth.exp();
        self.bar.set_message(format!("perplexity {perplexity:.1}"));
        self.bar.set_position(position);
        if self.bar.is_hidden() && !self.quiet && self.lines.elapsed() >= BETWEEN_LINES {
            eprintln!(
                "step {position} of {}  perplexity {perplexity:.1}",
                self.total
            );
            self.lines = Instant::now();
        }
    }

    /// Reports an epoch.
    pub fn epoch(&self, r: &Record) {
        if self.quiet {
            return;
        }
        let text = |name: &str, m: &Option<LanguageMetrics>| {
            (m.as_ref()).map_or(String::new(), |m| format!("  {name} {}", summary(m)))
        };
        let line = format!(
            "epoch {:>3} {:<7} train {:.1}{}{}  {:.0} s{}",
            r.epoch,
            r.part,
            r.train.perplexity,
            text("valid", &r.valid),
            text("test", &r.test),
            r.seconds,
            if r.best { "  best so far" } else { "" }
        );
        say(&self.bar, &line);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Perplexity, and the cost where something is quantised.
pub fn summary(m: &LanguageMetrics) -> String {
    let perplexity = format!("{:.2}", m.perplexity);
    if m.executed >= 1.0 && m.sparsity == 0.0 {
        return perplexity;
    }
    format!(
        "{perplexity}  Sp {:.1} %  B_avg {:.2}  MACs {:.1} %",
        100.0 * m.sparsity,
        m.bits,
        100.0 * m.executed
    )
}
