//! The table in words.

use super::{Row, Table};
use crate::model::ModelKind;
use std::fmt;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |v: f64| format!("{:.1} %", 100.0 * v);
        writeln!(
            f,
            "| model | published PPW | Sp | B_avg | PPW | below uniform 8 | Sp | B_avg | \
             cost of uniform 8 over its own | MACs executed | by | seed | epochs | hours | run |"
        )?;
        writeln!(f, "|{}", "---|".repeat(15))?;
        // Runs are compared with the one of the same seed, if there is one.
        let reference = |row: &Row| {
            let eights = self
                .rows
                .iter()
                .filter(|r| r.kind == ModelKind::Uniform && r.bits[0] == 8);
            eights.min_by_key(|r| r.seed != row.seed)
        };
        for r in &self.rows {
            let [p, sp, b] = r.published.map_or_else(Default::default, |p| {
                let sparsity = if p.sparsity > 0.0 {
                    share(p.sparsity)
                } else {
                    String::new()
                };
                [
                    format!("{:.1}", p.perplexity),
                    sparsity,
                    format!("{:.1}", p.average_bits),
                ]
            });
            let [below, cost] = reference(r).map_or_else(Default::default, |u| {
                let below = 1.0 - r.test.perplexity / u.test.perplexity;
                [share(below), format!("{:.2}x", u.test.bits / r.test.bits)]
            });
            let sparsity = match r.kind {
                ModelKind::Gated => share(r.test.sparsity),
                _ => String::new(),
            };
            writeln!(
                f,
                "| {} | {p} | {sp} | {b} | {:.2} | {below} | {sparsity} | {:.2} | {cost} | {} | {} | \
                 {} | {} | {:.2} | {} |",
                r.model,
                r.test.perplexity,
                r.test.bits,
                share(r.test.executed),
                if r.by_runtime { "runtime" } else { "trainer" },
                r.seed,
                r.epochs,
                r.seconds / 3600.0,
                r.run
            )?;
        }
        writeln!(
            f,
            "\nPPW: perplexity per word on the test text. B_avg and MACs are the LSTM's."
        )?;
        for r in &self.rows {
            writeln!(f, "{}: `{}`", r.run, r.command)?;
        }
        for run in &self.unfinished {
            writeln!(f, "{run}: not complete")?;
        }
        Ok(())
    }
}
