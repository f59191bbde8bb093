//! What the granularity of gating does to accuracy, sparsity and speed: the
//! same quantised epochs with rows that open alone, by units, and by several
//! units, each at more than one threshold, so that groups can be compared at
//! equal cycles.

use super::train::Run;
use super::{evaluate, write};
use crate::setup;
use crate::shell::{build_host, build_host_without_training, json, pg_host};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Quantised epochs of every run.
const EPOCHS: u32 = 5;
const SEED: u64 = 1;
/// Cores whose steps are timed, with the cycle model that is shown.
const CORES: [(&str, &str, &str); 3] = [
    ("cortex-m4", "cortex-m4", "Cortex-M4"),
    ("cortex-m0plus", "cortex-m0plus", "Cortex-M0+"),
    ("rv32imac", "rv32-two-stage", "RV32"),
];
/// Groups and the threshold that each starts at and is drawn to. The larger
/// the group, the smaller the threshold that opens as many rows.
const RUNS: [(&str, &str); 9] = [
    ("row", "0.25"),
    ("row", "0.30"),
    ("unit", "0.25"),
    ("unit", "0.12"),
    ("unit", "0.06"),
    ("two-units", "0.12"),
    ("two-units", "0.03"),
    ("four-units", "0.12"),
    ("four-units", "0.02"),
];

/// Trains what is missing under `out`, evaluates and times every run, and
/// writes `models/kws/granularity.json` and its table.
pub fn run(data: &Path, out: &Path, train: bool) -> Result<()> {
    setup::all()?;
    if train {
        build_host()?;
    } else {
        build_host_without_training()?;
    }
    let mut runs = Vec::new();
    for (group, threshold) in RUNS {
        runs.extend(one(group, threshold, data, out, train)?);
    }
    let results = json!({
        "command": "cargo xtask results --granularity --data DIR",
        "data": "Speech Commands v0.02 subset, 11 labels; see models/kws/README.md",
        "quantised_epochs": EPOCHS,
        "seed": SEED,
        "runs": runs,
    });
    write(
        Path::new("models/kws/granularity.json"),
        format!("{results:#}\n"),
    )?;
    write(Path::new("models/kws/granularity.md"), table(&results)?)
}

/// One run, `None` if it is not there and must not be trained.
fn one(
    group: &str,
    threshold: &str,
    data: &Path,
    out: &Path,
    train: bool,
) -> Result<Option<Value>> {
    let set = [
        format!("gate.group={group}"),
        format!("gate.threshold={threshold}"),
        format!("gate.target={threshold}"),
        format!("training.quantised_epochs={EPOCHS}"),
    ];
    let run = Run {
        out: out.join(format!("granularity/{group}-{threshold}")),
        seed: SEED,
        set: &set,
        shares: Some(out.join(format!("pg-seed{SEED}"))),
    };
    let Some(model) = run.model(data, train)? else {
        return Ok(None);
    };
    let image = run.export(&model)?;
    let mut bench = pg_host(["bench", "--json", "--image"]);
    bench.arg(&image);
    for (core, ..) in CORES {
        bench.args(["--core", core]);
    }
    let report = json(&mut bench)?;
    let cycles = CORES
        .iter()
        .map(|&(core, model, _)| Ok((core.to_owned(), step(&report, core, model)?.into())))
        .collect::<Result<serde_json::Map<_, Value>>>()?;
    let meta = json(pg_host(["inspect", "--json"]).arg(&model))?;
    Ok(Some(json!({
        "group": group,
        "threshold": threshold,
        "command": meta["command"],
        "seconds": meta["seconds"],
        "valid": evaluate(&image, data, "valid")?,
        "test": evaluate(&image, data, "test")?,
        "step_cycles": cycles,
    })))
}

/// Modelled cycles of the LSTM's step in a bench report.
fn step(report: &Value, core: &str, model: &str) -> Result<f64> {
    let find = |list: &Value, key: &str, name: &str| -> Option<Value> {
        let mut items = list.as_array()?.iter();
        items.find(|item| item[key] == name).cloned()
    };
    find(&report["cores"], "core", core)
        .and_then(|core| find(&core["cases"], "case", "lstm"))
        .and_then(|case| case["cycles"][model]["per_step"].as_f64())
        .with_context(|| format!("no LSTM step of {core} in the bench"))
}

/// The table in words that a reader of the model card needs.
fn table(results: &Value) -> Result<String> {
    let mut out = format!(
        "# Granularity of gating\n\n*Written by `cargo xtask results --granularity`; do not edit. \
         Figures in full: [`granularity.json`](granularity.json).*\n\n\
         The recipe's float epochs, then {EPOCHS} quantised epochs, seed {SEED}, one run each. Rows of a \
         group open together: all if any of them would. Accuracy and rates are those of the exported \
         image by the runtime; cycles of one LSTM step are modelled, on emulated cores, over the \
         frames of the shipped test clips.\n\n\
         | group | threshold | validation | test | rows open | columns applied | MACs executed |"
    );
    for (.., title) in CORES {
        write!(out, " {title}, kc |")?;
    }
    out.push('\n');
    out += &"|---".repeat(7 + CORES.len());
    out += "|\n";
    for run in results["runs"].as_array().context("no runs")? {
        let percent = |split: &str, key: &str| -> Result<f64> {
            let value = run[split][key].as_f64();
            Ok(100.0 * value.with_context(|| format!("no {split} {key}"))?)
        };
        write!(
            out,
            "| {} | {} | {:.2} % | {:.2} % | {:.1} % | {:.1} % | {:.1} % |",
            run["group"].as_str().unwrap_or("?"),
            run["threshold"].as_str().unwrap_or("?"),
            percent("valid", "accuracy")?,
            percent("test", "accuracy")?,
            100.0 - percent("test", "sparsity")?,
            percent("test", "columns_applied")?,
            percent("test", "executed_macs")?,
        )?;
        for (core, ..) in CORES {
            let cycles = run["step_cycles"][core].as_f64().context("no cycles")?;
            write!(out, " {:.1} |", cycles / 1000.0)?;
        }
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table_for_each_run() {
        let split = json!({ "accuracy": 0.9, "sparsity": 0.8, "columns_applied": 0.1, "executed_macs": 0.3 });
        let run = json!({
            "group": "unit", "threshold": "0.06", "valid": split, "test": split,
            "step_cycles": { "cortex-m4": 50_000.0, "cortex-m0plus": 60_000.0, "rv32imac": 70_000.0 },
        });
        let text = table(&json!({ "runs": [run] })).unwrap();
        assert!(
            text.contains("| unit | 0.06 | 90.00 % | 90.00 % | 20.0 % | 10.0 % | 30.0 % | 50.0 |")
        );
        assert!(table(&json!({ "runs": [{ "group": "unit" }] })).is_err());
    }

    #[test]
    fn the_step_is_found_in_a_report() {
        let case = json!({ "case": "lstm", "cycles": { "m": { "per_step": 5.0 } } });
        let report = json!({ "cores": [{ "core": "c", "cases": [case] }] });
        assert_eq!(step(&report, "c", "m").unwrap(), 5.0);
        assert!(step(&report, "other", "m").is_err());
    }
}
