//! One run of the bench firmware under the counting plugin.

use super::core::Core;
use super::inputs::Inputs;
use super::profile::{self, Case, Region};
use super::program::Program;
use crate::emulator::process::{Machine, put};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// Functions of the firmware that the plugin watches.
const MARKERS: [(&str, &str); 3] = [
    ("start", "pg_bench_start"),
    ("stop", "pg_bench_stop"),
    ("end", "pg_bench_end"),
];

/// The case that checks the counting itself: two instructions a step.
const CALIBRATION: &str = "calibration";
/// Instructions around the loop of known length: the call, its return.
const AROUND: u64 = 16;

/// Runs every case; returns each with its counts.
///
/// # Errors
///
/// If the emulator is missing or refuses the plugin, the firmware reports an
/// error, or the counts are wrong where they are known.
pub fn emulate(
    core: &Core,
    elf: &[u8],
    program: &Program,
    plugin: &Path,
    inputs: &Inputs,
) -> Result<Vec<(Case, Region)>> {
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    // Under a name without commas, which QEMU would take for separators.
    let library = std::fs::read(plugin).context("cannot read the emulator plugin")?;
    put(folder.path(), "plugin.so", &library)?;
    put(folder.path(), "frames.bin", &inputs.frames)?;
    let mut option = "./plugin.so,out=profile.txt".to_owned();
    for (argument, function) in MARKERS {
        option += &format!(",{argument}={:#x}", program.address(function)?);
    }
    let image = inputs.image.clone().for_target(core.layout)?;
    let machine = Machine {
        name: &core.name,
        qemu: &core.qemu,
        args: &core.args,
        more: &["-plugin", &option],
        firmware: elf,
        image: image.as_bytes(),
        model: core.model,
    };
    if let Err(error) = machine.run(folder.path()) {
        // What QEMU says when it was built without plugins, or for others.
        if format!("{error:#}").to_lowercase().contains("plugin") {
            return Err(error.context(format!(
                "{} does not take the counting plugin; it must be built with TCG plugins, \
                 as Debian's is",
                core.qemu
            )));
        }
        return Err(error);
    }
    let read = |name: &str| {
        std::fs::read_to_string(folder.path().join(name))
            .with_context(|| format!("the run left no {name}"))
    };
    let regions = profile::regions(&read("profile.txt")?)?;
    let cases = profile::cases(&read("cases.txt")?)?;
    ensure!(
        regions.len() == cases.len(),
        "the firmware ran {} cases, the plugin saw {}",
        cases.len(),
        regions.len()
    );
    let results: Vec<_> = cases.into_iter().zip(regions).collect();
    calibrated(&results)?;
    Ok(results)
}

/// Whether the loop of known length was counted right.
fn calibrated(results: &[(Case, Region)]) -> Result<()> {
    let Some((case, region)) = results.iter().find(|(c, _)| c.name == CALIBRATION) else {
        bail!("the firmware has no case {CALIBRATION:?}");
    };
    let (counted, expected) = (region.counts.values().sum::<u64>(), 2 * case.steps);
    ensure!(
        (expected..=expected + AROUND).contains(&counted),
        "the plugin counted {counted} instructions where there are {expected}: \
         this emulator does not end blocks at branches, its counts mean nothing"
    );
    Ok(())
}
