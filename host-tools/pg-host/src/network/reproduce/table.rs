//! The table in words.

use super::{Method, Published, Row, Table};
use std::fmt;

impl Table {
    /// The uniform network of 8 bits with the same training as a run.
    fn eight(&self, run: &Row) -> Option<&Row> {
        self.rows.iter().find(|r| {
            let same = (&r.network, r.epochs, r.seed) == (&run.network, run.epochs, run.seed);
            same && r.method == Method::Uniform && r.bits == [8, 8]
        })
    }
}

/// B, or B and `B_hb`; nothing in floating point.
fn bits([b, hb]: [u8; 2]) -> String {
    match (b, hb) {
        (32, _) => String::new(),
        (b, hb) if b == hb => format!("{b}"),
        (b, hb) => format!("{b}/{hb}"),
    }
}

fn gated(method: Method, text: String) -> String {
    if matches!(method, Method::Gated | Method::FixedThreshold) {
        text
    } else {
        String::new()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| network | method | B/B_hb | published accuracy | Sp | B_avg | accuracy | above \
             uniform 8 | Sp | B_avg | MACs executed | by | epochs | seed | hours | run |"
        )?;
        writeln!(f, "|{}", "---|".repeat(16))?;
        let same = |p: &Published, r: &Row| {
            (p.network, p.method, p.bits) == (r.network.as_str(), r.method, r.bits)
        };
        let rest = |p: &&Published| !self.rows.iter().any(|r| same(p, r));
        for r in &self.rows {
            let published = self.published.iter().find(|p| same(p, r));
            let [accuracy, sparsity, average] = columns(published);
            let above = (self.eight(r).filter(|eight| eight.run != r.run))
                .map_or(String::new(), |eight| {
                    format!("{:+.2}", r.accuracy - eight.accuracy)
                });
            writeln!(
                f,
                "| {} | {} | {} | {accuracy} | {sparsity} | {average} | {:.2} % | {above} | {} | \
                 {:.2} | {:.1} % | {} | {} | {} | {:.2} | {} |",
                r.network,
                r.method.name(),
                bits(r.bits),
                r.accuracy,
                gated(r.method, format!("{:.1} %", r.sparsity)),
                r.average_bits,
                r.executed,
                if r.by_runtime { "runtime" } else { "trainer" },
                r.epochs,
                r.seed,
                r.seconds / 3600.0,
                r.run
            )?;
        }
        for p in self.published.iter().filter(rest) {
            let [accuracy, sparsity, average] = columns(Some(p));
            writeln!(
                f,
                "| {} | {} | {} | {accuracy} | {sparsity} | {average} | |{}",
                p.network,
                p.method.name(),
                bits(p.bits),
                " |".repeat(9)
            )?;
        }
        writeln!(
            f,
            "\nSp and B_avg are those of the gated layers; MACs executed are the network's. Published \
             rows are as noted down for this project; ShuffleNetV2's are of ImageNet."
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

/// Accuracy, Sp and B_avg as published.
fn columns(published: Option<&Published>) -> [String; 3] {
    published.map_or_else(Default::default, |p| {
        [
            format!("{:.1} %", p.accuracy),
            gated(p.method, format!("{:.1} %", p.sparsity)),
            format!("{:.1}", p.average_bits),
        ]
    })
}
