//! Comparison with a static analyser: llvm-mca on the hottest loops of a run.
//!
//! llvm-mca has schedules of some of the cores, made by other people from
//! other sources than the models here. It knows nothing of taken branches, so
//! a loop's last branch counts as not taken on both sides.

use super::analysis::Decoded;
use super::core::Core;
use super::decode::Class;
use super::models::{self, Executed};
use super::program::Program;
use super::report::rounded;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Loops compared per case.
const LOOPS: usize = 3;
/// Loops with fewer instructions say little.
const SHORTEST: usize = 3;
/// Iterations that llvm-mca simulates.
const ITERATIONS: u32 = 100;

/// A schedule of llvm-mca.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What llvm-mca calls the core.
    pub cpu: String,
    /// The model of the same core; none where only llvm-mca has one.
    pub model: Option<String>,
}

/// A straight loop, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loop {
    /// Case it was the hottest in.
    pub case: String,
    /// Function.
    pub function: String,
    /// Instructions of an iteration.
    pub instructions: usize,
    /// Share of the case's instructions.
    pub share: f64,
    /// Cycles of an iteration by schedule.
    pub schedules: BTreeMap<String, Comparison>,
}

/// Cycles of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// By llvm-mca.
    pub mca: f64,
    /// By the model, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<f64>,
}

impl Comparison {
    /// How much more the model takes than llvm-mca, as a share.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        Some(self.model? / self.mca - 1.0)
    }
}

/// A loop found in a run.
struct Candidate<'a> {
    address: u32,
    end: u32,
    body: Vec<Executed<'a>>,
}

impl Candidate<'_> {
    fn executed(&self) -> u64 {
        self.body.iter().map(|x| x.count).sum()
    }
}

/// Compares the hottest loops of a case.
///
/// # Errors
///
/// If llvm-mca or llvm-objdump is missing or refuses the code.
pub fn compare(
    core: &Core,
    elf: &Path,
    program: &Program,
    case: &str,
    decoded: &Decoded<'_>,
) -> Result<Vec<Loop>> {
    if core.mca.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = candidates(decoded);
    found.sort_by_key(|c| std::cmp::Reverse(c.executed()));
    let mut loops = Vec::new();
    for candidate in found {
        if loops.len() == LOOPS {
            break;
        }
        let Some(text) = assembly(elf, &candidate)? else {
            continue;
        };
        let schedules = (core.mca.iter())
            .map(|schedule| {
                let comparison = Comparison {
                    mca: rounded(analyse(core, &schedule.cpu, &text)?),
                    model: modelled(schedule, &candidate)?,
                };
                Ok((schedule.cpu.clone(), comparison))
            })
            .collect::<Result<_>>()?;
        loops.push(Loop {
            case: case.to_owned(),
            function: program.function(candidate.address),
            instructions: candidate.body.len(),
            share: rounded(candidate.executed() as f64 / decoded.total().max(1) as f64),
            schedules,
        });
    }
    Ok(loops)
}

/// Runs of instructions that were executed equally often and end with a
/// branch that was mostly taken, nothing else in them being taken.
fn candidates<'a>(decoded: &'a Decoded<'_>) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    let mut run: Option<Candidate<'a>> = None;
    for (address, x) in decoded.executed() {
        let continues = run.as_ref().is_some_and(|r| {
            r.end == address && r.body.first().is_some_and(|first| first.count == x.count)
        });
        if !continues {
            run = None;
        }
        let current = run.get_or_insert_with(|| Candidate {
            address,
            end: address,
            body: Vec::new(),
        });
        current.end = address + x.instruction.size;
        current.body.push(x);
        // A branch that was taken ends the run, whatever it is.
        if x.taken > 0
            && let Some(done) = run.take()
            && x.instruction.class == Class::Branch
            && 2 * x.taken > x.count
            && done.body.len() >= SHORTEST
        {
            found.push(done);
        }
    }
    found
}

/// Cycles of one iteration by the schedule's model, the branch not taken.
fn modelled(schedule: &Schedule, candidate: &Candidate<'_>) -> Result<Option<f64>> {
    let Some(name) = &schedule.model else {
        return Ok(None);
    };
    let model = models::find(name)?;
    let cycles: u64 = (candidate.body.iter())
        .map(|x| {
            model.cycles(&Executed {
                count: 1,
                taken: 0,
                ..*x
            })
        })
        .sum();
    Ok(Some(cycles as f64))
}

/// The loop as assembly text; `None` if its branch does not lead to its
/// beginning.
fn assembly(elf: &Path, candidate: &Candidate<'_>) -> Result<Option<String>> {
    let output = start("llvm-objdump")
        .args(["-d", "--no-show-raw-insn"])
        .arg(format!("--start-address={:#x}", candidate.address))
        .arg(format!("--stop-address={:#x}", candidate.end))
        .arg(elf)
        .output()
        .with_context(|| missing("llvm-objdump"))?;
    ensure!(
        output.status.success(),
        "llvm-objdump cannot read the firmware"
    );
    let listing = String::from_utf8_lossy(&output.stdout);
    Ok(to_assembly(&listing, candidate.address))
}

/// Instructions of a listing, the last one's target made a label.
fn to_assembly(listing: &str, address: u32) -> Option<String> {
    let mut lines: Vec<&str> = (listing.lines())
        .filter_map(|line| {
            let (place, text) = line.split_once(':')?;
            u32::from_str_radix(place.trim(), 16).ok()?;
            // Comments: after @ on Arm, the symbol in angle brackets.
            Some(text.split(['@', '<']).next()?.trim())
        })
        .collect();
    let branch = lines.pop()?;
    let (start, target) = branch.rsplit_once("0x")?;
    if u32::from_str_radix(target.trim(), 16).ok()? != address {
        return None;
    }
    Some(format!("again:\n{}\n{start}again\n", lines.join("\n")))
}

/// Cycles of an iteration by llvm-mca.
fn analyse(core: &Core, cpu: &str, text: &str) -> Result<f64> {
    // riscv32imac-unknown-none-elf is riscv32 with features.
    let (triple, features) = match core.target.strip_prefix("riscv32i") {
        Some(_) => ("riscv32", "+m,+a,+c"),
        None => (core.target.as_str(), ""),
    };
    let mut child = start("llvm-mca")
        .args(["-instruction-info=0", "-resource-pressure=0"])
        .arg(format!("-mtriple={triple}"))
        .arg(format!("-mcpu={cpu}"))
        .arg(format!("-mattr={features}"))
        .arg(format!("-iterations={ITERATIONS}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| missing("llvm-mca"))?;
    let mut input = child.stdin.take().context("no pipe to llvm-mca")?;
    // A refusal closes the pipe; its reason is on standard error.
    let _ = input.write_all(text.as_bytes());
    drop(input);
    let output = child.wait_with_output().context("waiting for llvm-mca")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "llvm-mca -mcpu={cpu}: {said}");
    let summary = String::from_utf8_lossy(&output.stdout);
    let total = summary
        .lines()
        .find_map(|l| l.strip_prefix("Total Cycles:")?.trim().parse::<f64>().ok());
    Ok(total.context("llvm-mca states no cycles")? / f64::from(ITERATIONS))
}

fn start(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

fn missing(program: &str) -> String {
    format!("cannot start {program}; on Debian, `apt-get install llvm` installs it")
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {:<18} {:3} instructions, {:4.1} % of the case:",
            self.case,
            self.instructions,
            100.0 * self.share
        )?;
        for (cpu, c) in &self.schedules {
            write!(f, " {cpu} {:.2}", c.mca)?;
            if let (Some(model), Some(deviation)) = (c.model, c.deviation()) {
                write!(f, " (model {model}, {:+.1} %)", 100.0 * deviation)?;
            }
        }
        write!(f, "  {}", self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arm_listing() {
        let listing = "\nx:\tfile format elf32-littlearm\n\n00000400 <f>:\n\
             \x20    400:      \tldr\tr0, [pc, #56]           @ 0x440 <$d>\n\
             \x20    402:      \tbne\t0x400 <f>        @ imm = #-6\n";
        let text = to_assembly(listing, 0x400).expect("a loop");
        assert_eq!(text, "again:\nldr\tr0, [pc, #56]\nbne\tagain\n");
        assert_eq!(to_assembly(listing, 0x402), None);
    }

    #[test]
    fn riscv_listing() {
        let listing = "80000d72 <f>:\n\
             80000d72:      \taddi\ta0, a0, -1\n\
             80000d74:      \tbnez\ta0, 0x80000d72 <f>\n";
        let text = to_assembly(listing, 0x8000_0d72).expect("a loop");
        assert_eq!(text, "again:\naddi\ta0, a0, -1\nbnez\ta0, again\n");
    }

    #[test]
    fn deviation() {
        let comparison = Comparison {
            mca: 4.0,
            model: Some(5.0),
        };
        assert_eq!(comparison.deviation(), Some(0.25));
    }
}
