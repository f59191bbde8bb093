//! The README's table of LSTM steps, from the benches' JSON.

use anyhow::{Context, Result};
use serde_json::Value;

/// Where the table goes in the README.
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Cycles per multiply-accumulate of what the field uses today, for the same
/// LSTM step, 40 inputs and 128 hidden units, by the same cycle models: on Arm
/// the s8 LSTM of the vendor's kernel library; on RV32, where there is none, a
/// dense product by an int8 loop.
const BASELINES: [(&str, &str, f64); 3] = [
    ("cortex-m0plus", "s8 library, 10.5", 10.5),
    ("cortex-m4", "s8 library, 3.56", 3.56),
    ("rv32imac", "int8 loop, 3.98", 3.98),
];

/// Cases of the same weights on the same frames, after the product itself.
const CASES: [(&str, &str); 6] = [
    ("lstm-dense-open", "dense, open"),
    ("lstm-nonzero-open", "non-zero, open"),
    ("lstm-nonzero-gated", "non-zero, gated"),
    ("lstm-delta-open", "delta, open"),
    ("lstm-delta-gated", "**delta, gated**"),
    ("lstm-all-changed", "all digits changed"),
];

/// The README with its table replaced.
pub fn insert(readme: &str, report: &Value) -> Result<String> {
    let (before, rest) = (readme.split_once(BEGIN)).context("README has no bench marker")?;
    let (_, after) = (rest.split_once(END)).context("README has no end of the bench table")?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(report)?))
}

fn table(report: &Value) -> Result<String> {
    let rates = &report["inputs"]["layers"][0];
    let percent = |key: &str| 100.0 * rates[key].as_f64().unwrap_or(0.0);
    let mut out = format!(
        "Modelled kilocycles of one LSTM step, shipped image, {} frames of {} test clips: {:.1} % of \
         the columns applied, {:.1} % of the rows open.\n\n| core (cycle model) |",
        report["inputs"]["frames"],
        report["inputs"]["clips"].as_array().map_or(0, Vec::len),
        percent("columns_applied"),
        percent("open")
    );
    for (_, title) in CASES {
        out += &format!(" {title} |");
    }
    out += " over own dense | baseline, c/MAC | over baseline |\n|";
    out += &"---|".repeat(CASES.len() + 4);
    out += "\n";
    for core in report["cores"].as_array().context("no cores")? {
        for model in core["models"].as_array().into_iter().flatten() {
            let model = model.as_str().context("a model without a name")?;
            out += &row(core, model)?;
        }
    }
    Ok(out)
}

fn row(core: &Value, model: &str) -> Result<String> {
    let cycles = |case: &str| -> Result<(f64, f64)> {
        let cases = core["cases"].as_array().into_iter().flatten();
        let found = { cases }.find(|c| c["case"] == case);
        let found = found.with_context(|| format!("no case {case}"))?;
        let cycles = &found["cycles"][model];
        let number = |key: &str| cycles[key].as_f64().context("cycles");
        Ok((number("per_step")?, number("per_mac")?))
    };
    let mut line = format!("| {} ({model}) |", core["core"].as_str().unwrap_or("?"));
    for (case, _) in CASES {
        line += &format!(" {:.1} |", cycles(case)?.0 / 1000.0);
    }
    let (product, per_mac) = cycles("lstm")?;
    line += &format!(" {:.1}x |", cycles("lstm-dense-open")?.0 / product);
    let baseline = BASELINES.iter().find(|(name, ..)| core["core"] == *name);
    line += &match baseline {
        Some((_, words, baseline)) => format!(" {words} | {:.1}x |\n", baseline / per_mac),
        None => " | |\n".to_owned(),
    };
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_names_every_model_and_replaces_what_was_there() {
        let cases: Vec<Value> = ["lstm"]
            .into_iter()
            .chain(CASES.map(|(case, _)| case))
            .map(|case| {
                let cycles = json!({ "per_step": 20_000.0, "per_mac": 0.5 });
                json!({ "case": case, "cycles": { "m": cycles } })
            })
            .collect();
        let report = json!({
            "inputs": { "frames": 10, "clips": ["a"], "layers": [{ "columns_applied": 0.1, "open": 0.2 }] },
            "cores": [{ "core": "cortex-m4", "models": ["m"], "cases": cases }],
        });
        let readme = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = insert(&readme, &report).unwrap();
        assert!(once.contains("| cortex-m4 (m) | 20.0 |") && once.contains("| 7.1x |"));
        assert!(!once.contains("old") && once.ends_with("b\n"));
        assert_eq!(insert(&once, &report).unwrap(), once);
        assert!(insert("no marker", &report).is_err());
    }
}
