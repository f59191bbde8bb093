//! A run over cores.

use super::analysis::Decoded;
use super::core::Core;
use super::emulate::emulate;
use super::inputs::Inputs;
use super::mca;
use super::models::{self, Model};
use super::places::Places;
use super::plugin;
use super::profile::Case;
use super::program::Program;
use super::report::{BenchReport, CaseReport, CoreReport, Cycles, FunctionShare, rounded};
use crate::emulator::firmware_folder;
use anyhow::{Context, Result, ensure};

/// Functions listed per case.
const FUNCTIONS: usize = 24;

/// What a run reports beyond its results.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// List the functions that a case spends its time in.
    pub functions: bool,
    /// Compare the hottest loops with llvm-mca.
    pub mca: bool,
}

/// Builds and runs the benches of `cores`; `progress` is told what begins.
///
/// # Errors
///
/// If something cannot be built or run, or two cores, or the host, computed
/// different outputs.
pub fn run(
    cores: &[Core],
    inputs: &Inputs,
    options: Options,
    progress: &dyn Fn(&str),
) -> Result<BenchReport> {
    let mut report = BenchReport {
        inputs: inputs.report.clone(),
        cores: Vec::new(),
    };
    for core in cores {
        progress(&format!("{}: building", core.name));
        report
            .cores
            .push(core_report(core, inputs, options, progress)?);
    }
    agree(&report, inputs)?;
    Ok(report)
}

fn core_report(
    core: &Core,
    inputs: &Inputs,
    options: Options,
    progress: &dyn Fn(&str),
) -> Result<CoreReport> {
    let models: Vec<&dyn Model> = (core.models.iter())
        .map(|name| models::find(name))
        .collect::<Result<_>>()?;
    let emulator = plugin::version(&core.qemu)?;
    let firmware = firmware_folder()?;
    let root = firmware.parent().context("firmware/ has no parent")?;
    let library = plugin::build(&core.qemu, root)?;
    let path = core.build()?;
    let (elf, program) = Program::read(&path)?;
    progress(&format!("{}: running", core.name));
    let results = emulate(core, &elf, &program, &library, inputs)?;
    let places = options.functions.then(|| Places::read(&path)).transpose()?;
    let (mut cases, mut loops) = (Vec::new(), Vec::new());
    for (case, region) in &results {
        let decoded = Decoded::new(&program, region)?;
        let mut report = case_report(&models, case, &decoded);
        if let Some(places) = &places {
            let place = |address| places.function(&program, address);
            report.functions = functions(&models, case, &decoded, place);
        }
        cases.push(report);
        if options.mca {
            loops.extend(mca::compare(core, &path, &program, &case.name, &decoded)?);
        }
    }
    Ok(CoreReport {
        core: core.name.clone(),
        description: core.description.clone(),
        emulator,
        models: core.models.clone(),
        cases,
        loops,
    })
}

fn case_report(models: &[&dyn Model], case: &Case, decoded: &Decoded<'_>) -> CaseReport {
    let cycles = (models.iter())
        .map(|model| {
            let cycles = Cycles::new(decoded.cycles(*model), case.steps, case.macs);
            (model.name().to_owned(), cycles)
        })
        .collect();
    CaseReport {
        case: case.name.clone(),
        steps: case.steps,
        macs: case.macs,
        check: case.check.clone(),
        instructions: decoded.total(),
        per_step: rounded(decoded.total() as f64 / case.steps as f64),
        classes: decoded.classes(),
        cycles,
        functions: Vec::new(),
    }
}

/// The functions that a case spends most of its time in.
fn functions(
    models: &[&dyn Model],
    case: &Case,
    decoded: &Decoded<'_>,
    place: impl Fn(u32) -> String,
) -> Vec<FunctionShare> {
    let per_step = |count: u64| rounded(count as f64 / case.steps as f64);
    let spent = decoded.functions(place, models.first().copied());
    (spent.into_iter().take(FUNCTIONS))
        .map(|(function, instructions, cycles)| FunctionShare {
            function,
            instructions: per_step(instructions),
            cycles: per_step(cycles),
        })
        .collect()
}

/// Every core, and the host where it computes the same, must have the same
/// outputs.
fn agree(report: &BenchReport, inputs: &Inputs) -> Result<()> {
    let engine = format!("{:08x}", inputs.engine_check);
    let Some(first) = report.cores.first() else {
        return Ok(());
    };
    for core in &report.cores {
        for case in &core.cases {
            if case.case == "engine-push" {
                ensure!(
                    case.check == engine,
                    "{} computes other outputs in {} than the host",
                    core.core,
                    case.case
                );
            }
            let other = first.cases.iter().find(|c| c.case == case.case);
            ensure!(
                other.is_none_or(|o| o.check == case.check),
                "{} computes other outputs in {} than {}",
                core.core,
                case.case,
                first.core
            );
        }
    }
    Ok(())
}
