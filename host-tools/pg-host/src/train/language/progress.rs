//! The progress of a run in words.
use super::tally::Record;
use crate::language::model::LanguageMetrics;
use crate::train::progress::Steps;

/// Share of a step's loss in the smoothed one.
const SHARE: f64 = 0.02;

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
        self.steps.step(position, loss, SHARE, |loss| {
            format!("perplexity {:.1}", loss.exp())
        });
    }

    /// Reports an epoch.
    pub fn epoch(&self, r: &Record) {
        let text = |name: &str, m: &Option<LanguageMetrics>| {
            (m.as_ref()).map_or(String::new(), |m| format!("  {name} {}", summary(m)))
        };
        self.steps.say(|| {
            format!(
                "epoch {:>3} {:<7} train {:.1}{}{}  {:.0} s{}",
                r.epoch,
                r.part,
                r.train.perplexity,
                text("valid", &r.valid),
                text("test", &r.test),
                r.seconds,
                if r.best { "  best so far" } else { "" }
            )
        });
    }

    /// Removes the bar and says what a step took.
    pub fn finish(&mut self) {
        self.steps.finish();
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
