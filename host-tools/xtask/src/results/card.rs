//! The words around the numbers.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write;

const BEGIN: &str = "<!-- results:begin -->";
const END: &str = "<!-- results:end -->";

fn number(v: &Value, path: &str) -> Result<f64> {
    v.pointer(path)
        .and_then(Value::as_f64)
        .with_context(|| format!("no {path} in the results"))
}

/// Mean over runs of a figure, and the figures.
fn figures(runs: &[&Value], path: &str) -> Result<(f64, Vec<f64>)> {
    let values = (runs.iter())
        .map(|r| number(r, path))
        .collect::<Result<Vec<_>>>()?;
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    Ok((mean, values))
}

/// The table of variants and the table of boards.
pub fn table(results: &Value) -> Result<String> {
    let runs = results["runs"].as_array().context("no runs")?;
    let mut out = String::from(
        "Keyword spotting, 11 labels, test split of the Speech Commands subset, accuracy of the \
         exported image by the runtime (float: by the trainer); means over the seeds named.\n\n\
         | model | seeds | test accuracy | by seed | Sp | columns applied | MACs executed | B_avg | \
         image, bytes |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        let name = run["variant"].as_str().unwrap_or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let of: Vec<&Value> = runs.iter().filter(|r| r["variant"] == name).collect();
        let float = of.iter().all(|r| r["test"].is_null());
        let path = if float {
            "/trainer/test/accuracy"
        } else {
            "/test/accuracy"
        };
        let (mean, each) = figures(&of, path)?;
        let each: Vec<String> = each.iter().map(|a| format!("{:.2}", 100.0 * a)).collect();
        write!(
            out,
            "| {} | {} | **{:.2} %** | {} |",
            of[0]["title"].as_str().unwrap_or(name),
            of.len(),
            100.0 * mean,
            each.join(", ")
        )?;
        if float {
            writeln!(out, " | | | | |")?;
            continue;
        }
        let sparsity = figures(&of, "/test/sparsity")?.0;
        let gated = if sparsity > 0.0 {
            format!("{:.1} %", 100.0 * sparsity)
        } else {
            String::from("no gate")
        };
        writeln!(
            out,
            " {gated} | {:.1} % | {:.1} % | {:.2} | {:.0} |",
            100.0 * figures(&of, "/test/columns_applied")?.0,
            100.0 * figures(&of, "/test/executed_macs")?.0,
            figures(&of, "/test/average_bits")?.0,
            figures(&of, "/image/image_bytes")?.0,
        )?;
    }
    out.push_str(
        "\nThe shipped image on emulated boards, each identical to the host in every byte:\n\n\
         | board | core | frames compared | emulated instructions per frame: front-end | engine | \
         code flash | image | static RAM | peak stack |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for b in results["boards"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            b["board"].as_str().unwrap_or("?"),
            b["core"].as_str().unwrap_or("?"),
            b["frames"],
            b["frontend_instructions"],
            b["engine_instructions"],
            b["firmware"]["flash"],
            b["image_bytes"],
            b["firmware"]["ram"],
            b["peak_stack"],
        )?;
    }
    Ok(out)
}

/// The model card.
pub fn card(results: &Value, table: &str) -> Result<String> {
    let runs = results["runs"].as_array().context("no runs")?;
    let shipped = (runs.iter())
        .find(|r| r["variant"] == "pg" && r["seed"] == results["shipped"]["seed"])
        .context("the shipped run is not among the results")?;
    let image = &shipped["image"];
    let detector = &results["shipped"]["detector"];
    let open = &results["all_gates_open"];
    let mut out = String::new();
    write!(
        out,
        "# Model card: `kws`, a precision-gated keyword spotter

*Written by `cargo xtask results`; do not edit. Figures in full: [`results.json`](results.json).*

**What it does.** From 16 kHz audio it says every 20 ms how likely each of nine words (yes,
no, up, down, left, right, on, off, go), another word, or silence is. One LSTM layer on 40
log-mel bands, a dense head with a score, attention pooling over the last second.

| | |
|---|---|
| parameters | {} |
| image | {} bytes, {} with one copy of the weights |
| arena | {} bytes, of which state {} |
| activations | B = 8 bits, prediction digit B_hb = 4 bits, rounded split; gate *within*, one learned threshold per row |
| weights | 8 bits, one scale per row |
| recipe | [`recipe.toml`](recipe.toml); the shipped image is seed {} |
| trained with | `{}` |
| epoch selected | {}, by mean recall over the labels of the validation split |
| training time | {:.0} s |

## Data

Speech Commands v0.02 (P. Warden, arXiv:1804.03209), CC BY 4.0: a subset of 10,447 clips with
speaker-disjoint splits: train 8,354, valid 993, test 1,100 (100 per label). Silence is in the
test split only; for training and validation it is cut from the set's noise files at random
levels. Seeds: 1, 2, 3. The validation split alone selects the epoch. The pack that ships
(`pack/`) is a smaller part of the same splits, and what the demo trains on: its figures are
lower than these.

## Results

{table}
With every gate open the shipped weights reach {:.2} % on the test split.

What gating rows in groups does to accuracy, sparsity and cycles: [`granularity.md`](granularity.md).

Each run's command and wall time are in `results.json`. To repeat them:

    cargo xtask results --data DIR      # DIR holds manifest.csv and the clips

## Detector

On a composed stream of test clips over background noise (`pg-host detect`, seed 1): {} of {}
keywords detected by the right name, {} by another, {} missed, {} repeated; {:.1} false alarms
per hour of such dense speech: a clip every 2 s, one in eleven of them an unknown word.

## Limits

English words by volunteers close to a microphone. Not tested on far-field speech, on children's
voices apart, or on other microphones. Not for uses where a missed or false word can hurt somebody.

## Licence

The model is under the project's licence (MIT or Apache-2.0); the clips are CC BY 4.0, see
`pack/ATTRIBUTION.txt`.
",
        image["parameters"],
        image["image_bytes"],
        image["one_copy_bytes"],
        image["arena_bytes"],
        image["state_bytes"],
        results["shipped"]["seed"],
        shipped["command"].as_str().unwrap_or("?"),
        shipped["epoch"],
        number(shipped, "/seconds")?,
        100.0 * number(open, "/accuracy")?,
        detector["hits"],
        detector["keywords"],
        detector["confusions"],
        detector["misses"],
        detector["repeats"],
        number(detector, "/false_alarms_per_hour")?,
    )?;
    Ok(out)
}

/// Puts the table between the README's markers.
pub fn insert(readme: &str, table: &str) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .context("README has no begin marker")?;
    let (_, after) = rest.split_once(END).context("README has no end marker")?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_what_was_there() {
        let once = insert(&format!("a\n{BEGIN}\nold\n{END}\nb\n"), "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(insert(&once, "new\n").unwrap(), once);
        assert!(insert("no markers", "").is_err());
    }
}
