//! Results, as JSON and as a table.

use super::inputs::InputReport;
use super::mca::Loop;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A run of the benches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchReport {
    /// What was computed on.
    pub inputs: InputReport,
    /// Results by core.
    pub cores: Vec<CoreReport>,
}

/// Results of one core.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoreReport {
    /// Core.
    pub core: String,
    /// In words.
    pub description: String,
    /// What ran it.
    pub emulator: String,
    /// Models, the one to quote first.
    pub models: Vec<String>,
    /// Results by case.
    pub cases: Vec<CaseReport>,
    /// The hottest loops against llvm-mca, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loops: Vec<Loop>,
}

/// Result of one case on one core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// Case.
    pub case: String,
    /// Steps measured together.
    pub steps: u64,
    /// Multiply-accumulates of a dense step; 0 where that says nothing.
    pub macs: u64,
    /// Digest of the outputs.
    pub check: String,
    /// Emulated instructions, all steps.
    pub instructions: u64,
    /// Emulated instructions per step.
    pub per_step: f64,
    /// Emulated instructions by class, all steps.
    pub classes: BTreeMap<String, u64>,
    /// Modelled cycles, by model.
    pub cycles: BTreeMap<String, Cycles>,
    /// Where they are spent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionShare>,
}

/// Cycles by one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cycles {
    /// All steps.
    pub total: u64,
    /// Per step.
    pub per_step: f64,
    /// Per multiply-accumulate of the dense step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mac: Option<f64>,
}

impl Cycles {
    /// Of a case.
    #[must_use]
    pub fn new(total: u64, steps: u64, macs: u64) -> Self {
        let per_step = total as f64 / steps.max(1) as f64;
        Self {
            total,
            per_step: rounded(per_step),
            per_mac: (macs > 0).then(|| rounded(per_step / macs as f64)),
        }
    }
}

/// A function's share of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionShare {
    /// Name.
    pub function: String,
    /// Emulated instructions per step.
    pub instructions: f64,
    /// Cycles per step by the first model; instructions without one.
    pub cycles: f64,
}

/// Four digits after the point: records are compared by eye.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = &self.inputs;
        writeln!(
            f,
            "image {}, {} frames of {} clips",
            inputs.image,
            inputs.frames,
            inputs.clips.len()
        )?;
        for layer in &inputs.layers {
            writeln!(
                f,
                "  {:<8} {:>7} MACs dense: {:5.1} % executed, {:5.1} % of columns applied, \
                 {:5.1} % of outputs open",
                layer.kind,
                layer.macs,
                100.0 * layer.macs_executed,
                100.0 * layer.columns_applied,
                100.0 * layer.open
            )?;
        }
        for core in &self.cores {
            write!(f, "\n{core}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}), {}", self.core, self.description, self.emulator)?;
        write!(f, "  {:<20} {:>13}", "case, per step:", "instructions")?;
        for model in &self.models {
            write!(f, "  {:>16} {:>6}", format!("{model} cyc"), "c/MAC")?;
        }
        writeln!(f, "  instructions by class, %")?;
        for case in &self.cases {
            write!(f, "  {:<20} {:>13.1}", case.case, case.per_step)?;
            for model in &self.models {
                let Some(cycles) = case.cycles.get(model) else {
                    continue;
                };
                let per_mac = cycles.per_mac.map_or("-".into(), |c| format!("{c:.3}"));
                write!(f, "  {:>16.1} {per_mac:>6}", cycles.per_step)?;
            }
            write!(f, " ")?;
            for (class, count) in &case.classes {
                let share = 100.0 * *count as f64 / case.instructions.max(1) as f64;
                if share >= 0.5 {
                    write!(f, " {class} {share:.0}")?;
                }
            }
            writeln!(f)?;
            for function in &case.functions {
                writeln!(
                    f,
                    "      {:>12.1} {:>12.1}  {}",
                    function.instructions, function.cycles, function.function
                )?;
            }
        }
        if !self.loops.is_empty() {
            writeln!(
                f,
                "  cycles of an iteration by llvm-mca, the branch not taken:"
            )?;
        }
        for l in &self.loops {
            writeln!(f, "{l}")?;
        }
        Ok(())
    }
}
