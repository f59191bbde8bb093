//! Recorded results, and the check against them.

use super::report::{BenchReport, CaseReport, CoreReport};
use crate::emulator::firmware_folder;
use crate::fsio;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A case may need this much more than its record: 3 %.
const TOLERANCE: f64 = 1.03;

/// Folder of the comparisons with llvm-mca.
const MCA: &str = "mca";

/// The folder of the records of this checkout.
///
/// # Errors
///
/// Outside a checkout.
pub fn folder() -> Result<PathBuf> {
    Ok(firmware_folder()?.join("bench/records"))
}

/// Writes a report's results, one file per core and case, and removes those
/// of cases that these cores no longer have. Comparisons with llvm-mca are
/// written where the report has them.
///
/// # Errors
///
/// If a file cannot be written.
pub fn write(folder: &Path, report: &BenchReport) -> Result<()> {
    create(folder)?;
    write_json(&folder.join("inputs.json"), &report.inputs)?;
    for core in &report.cores {
        let folder = folder.join(&core.core);
        create(&folder)?;
        for stale in stale(&folder, core)? {
            std::fs::remove_file(&stale)
                .with_context(|| format!("cannot remove {}", stale.display()))?;
        }
        for case in &core.cases {
            let case = CaseReport {
                functions: Vec::new(),
                ..case.clone()
            };
            write_json(&path(&folder, &case.case), &case)?;
        }
    }
    if report.cores.iter().any(|c| !c.loops.is_empty()) {
        create(&folder.join(MCA))?;
    }
    for core in report.cores.iter().filter(|c| !c.loops.is_empty()) {
        write_json(&path(&folder.join(MCA), &core.core), &core.loops)?;
    }
    Ok(())
}

/// Compares a report with the records.
///
/// # Errors
///
/// One error that names every case that needs more than 3 % more instructions
/// than its record, has no record, or is recorded but no longer there.
pub fn check(folder: &Path, report: &BenchReport) -> Result<()> {
    let mut failures = Vec::new();
    for core in &report.cores {
        let folder = folder.join(&core.core);
        for case in &core.cases {
            let name = format!("{} {}", core.core, case.case);
            match read(&path(&folder, &case.case))? {
                None => failures.push(format!(
                    "{name} has no record yet; `pg-host bench --record` writes it"
                )),
                Some(record) => failures.extend(slower(&name, case, &record)),
            }
        }
        for stale in stale(&folder, core)? {
            failures.push(format!("{} is of a case that is gone", stale.display()));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!(
        "the benches differ from firmware/bench/records:\n  {}\n\
         if that is meant, record them again: `pg-host bench --record`",
        failures.join("\n  ")
    )
}

/// What is wrong with a case compared to its record, if anything.
fn slower(name: &str, case: &CaseReport, record: &CaseReport) -> Option<String> {
    let ratio = case.per_step / record.per_step;
    // Also when it is not a number.
    if ratio <= TOLERANCE {
        return None;
    }
    Some(format!(
        "{name} needs {:.1} instructions a step, {:+.1} % more than the {:.1} of its record",
        case.per_step,
        100.0 * (ratio - 1.0),
        record.per_step
    ))
}

/// Records of cases that a core did not run.
fn stale(folder: &Path, core: &CoreReport) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut stale = Vec::new();
    for entry in entries {
        let found = entry.context("reading the records")?.path();
        if !core.cases.iter().any(|c| path(folder, &c.case) == found) {
            stale.push(found);
        }
    }
    stale.sort();
    Ok(stale)
}

fn path(folder: &Path, case: &str) -> PathBuf {
    folder.join(format!("{case}.json"))
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("writing JSON")? + "\n";
    Ok(fsio::write_atomic(path, text.as_bytes())?)
}

/// A record; `None` if there is none.
fn read(path: &Path) -> Result<Option<CaseReport>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    serde_json::from_str(&text).map(Some).with_context(|| {
        format!(
            "{} is no record; `pg-host bench --record` writes it anew",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests;
