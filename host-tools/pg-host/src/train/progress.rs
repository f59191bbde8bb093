//! The progress bar, and a line per epoch where there is no terminal.
use super::tally::Record;
use crate::model::TrainedMetrics;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Progress of one phase.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// A bar of `total` units called `what`; invisible if `quiet` or without a terminal.
    pub fn new(total: u64, what: &'static str, quiet: bool) -> Self {
        Self {
            bar: bar(total, what, quiet),
            quiet,
        }
    }

    /// Moves to `position`.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Moves to `position` after a training step.
    pub fn step(&self, position: u64, loss: f64, so_far: &TrainedMetrics) {
        self.bar.set_position(position);
        // Formatting costs more than the bar's own rate limit saves.
        if position.is_multiple_of(5) {
            self.bar
                .set_message(format!("loss {loss:.3}  {}", summary(so_far)));
        }
    }

    /// Reports an epoch.
    pub fn epoch(&self, r: &Record) {
        if self.quiet {
            return;
        }
        let valid = r
            .valid
            .map_or(String::new(), |v| format!("  valid {}", summary(&v)));
        let mark = if r.best { "  best so far" } else { "" };
        let line = format!(
            "epoch {:>3} {:<7} loss {:.3}  train {:.1} %{valid}  {:.0} s{mark}",
            r.epoch,
            r.part,
            r.loss,
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

/// Time between lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// Progress of a run of one phase, with its loss; where there is no terminal, a
/// line now and then.
pub(in crate::train) struct Steps {
    bar: ProgressBar,
    quiet: bool,
    total: u64,
    smooth: Option<f64>,
    lines: Instant,
    last: Instant,
    durations: Vec<Duration>,
}

impl Steps {
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
            last: Instant::now(),
            durations: Vec::new(),
        }
    }

    /// Moves to `position` after a step, whose loss enters the smoothed one with
    /// weight `share`; `text` puts that in words.
    pub fn step(&mut self, position: u64, loss: f64, share: f64, text: impl Fn(f64) -> String) {
        self.durations.push(self.last.elapsed());
        self.last = Instant::now();
        let smooth = self.smooth.map_or(loss, |s| s + share * (loss - s));
        self.smooth = Some(smooth);
        let text = text(smooth);
        self.bar.set_position(position);
        if self.bar.is_hidden() && !self.quiet && self.lines.elapsed() >= BETWEEN_LINES {
            eprintln!("step {position} of {}  {text}", self.total);
            self.lines = Instant::now();
        }
        self.bar.set_message(text);
    }

    /// A line, unless quiet.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if !self.quiet {
            say(&self.bar, &line());
        }
    }

    /// Removes the bar and says what a step took: the median, which neither the
    /// first steps nor evaluations between steps move.
    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
        self.durations.sort_unstable();
        if let Some(median) = self.durations.get(self.durations.len() / 2) {
            let (steps, median) = (self.durations.len(), 1e3 * median.as_secs_f64());
            self.say(|| format!("{steps} steps, median {median:.1} ms"));
        }
    }
}

/// A bar of `total` units called `what`; invisible if `quiet`.
fn bar(total: u64, what: &'static str, quiet: bool) -> ProgressBar {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(total)
    };
    let template = "{prefix:>10} {bar:30} {pos}/{len} {eta:>4} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}

/// A line above the bar, or where there is no terminal for one.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        eprintln!("{line}");
    } else {
        bar.println(line);
    }
}

/// Accuracy as a mean over labels, and the cost where there is a gate.
fn summary(m: &TrainedMetrics) -> String {
    let accuracy = 100.0 * m.balanced;
    if m.executed >= 1.0 && m.sparsity == 0.0 {
        return format!("{accuracy:.1} %");
    }
    format!(
        "{accuracy:.1} %  Sp {:.1} %  steps {:.1} %  MACs {:.1} %",
        100.0 * m.sparsity,
        100.0 * m.entries,
        100.0 * m.executed
    )
}
