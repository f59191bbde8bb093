//! From counts by address to counts by class, cycles, and functions.

use super::decode::{Class, Instruction};
use super::models::{Executed, Model};
use super::profile::Region;
use super::program::Program;
use anyhow::Result;
use std::collections::BTreeMap;

/// A region with its instructions decoded.
pub struct Decoded<'a> {
    region: &'a Region,
    instructions: BTreeMap<u32, Instruction>,
}

impl<'a> Decoded<'a> {
    /// Decodes what a region executed.
    ///
    /// # Errors
    ///
    /// If the program has no code at an executed address.
    pub fn new(program: &Program, region: &'a Region) -> Result<Self> {
        let instructions = (region.counts.keys())
            .map(|&address| Ok((address, program.instruction(address)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            region,
            instructions,
        })
    }

    /// What ran, in the order of addresses.
    pub fn executed(&self) -> impl Iterator<Item = (u32, Executed<'_>)> {
        self.instructions.iter().map(|(&address, instruction)| {
            let next = self.instructions.get(&(address + instruction.size));
            let count = |map: &BTreeMap<u32, u64>| map.get(&address).copied().unwrap_or(0);
            let executed = Executed {
                instruction,
                next,
                count: count(&self.region.counts),
                taken: count(&self.region.taken),
            };
            (address, executed)
        })
    }

    /// Instructions executed.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.region.counts.values().sum()
    }

    /// Instructions executed, by class.
    #[must_use]
    pub fn classes(&self) -> BTreeMap<String, u64> {
        let mut classes = BTreeMap::new();
        let mut add = |name: &str, count| {
            if count > 0 {
                *classes.entry(name.to_owned()).or_insert(0) += count;
            }
        };
        for (_, x) in self.executed() {
            if x.instruction.class == Class::Branch {
                add("branch-taken", x.taken);
                add("branch-not-taken", x.sequential());
            } else {
                add(name(x.instruction.class), x.count);
            }
        }
        classes
    }

    /// Cycles by a model.
    #[must_use]
    pub fn cycles(&self, model: &dyn Model) -> u64 {
        self.executed().map(|(_, x)| model.cycles(&x)).sum()
    }

    /// Instructions and cycles by function, named by `place`, most cycles
    /// first; cycles are instructions without a model.
    #[must_use]
    pub fn functions(
        &self,
        place: impl Fn(u32) -> String,
        model: Option<&dyn Model>,
    ) -> Vec<(String, u64, u64)> {
        let mut functions: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (address, x) in self.executed() {
            let sums = functions.entry(place(address)).or_default();
            sums.0 += x.count;
            sums.1 += model.map_or(x.count, |m| m.cycles(&x));
        }
        let mut list: Vec<_> = functions.into_iter().map(|(f, (n, c))| (f, n, c)).collect();
        list.sort_by_key(|(_, _, cycles)| std::cmp::Reverse(*cycles));
        list
    }
}

/// The name that a class is reported under.
fn name(class: Class) -> &'static str {
    match class {
        Class::Alu => "alu",
        Class::Multiply | Class::MultiplyAdd => "multiply",
        Class::MultiplyLong | Class::MultiplyLongAdd => "multiply-long",
        Class::Divide => "divide",
        Class::Load => "load",
        Class::Store => "store",
        Class::LoadMultiple => "load-multiple",
        Class::StoreMultiple => "store-multiple",
        Class::Branch => "branch",
        Class::Jump => "jump",
        Class::Call => "call",
        Class::System => "system",
        Class::Coprocessor => "coprocessor",
        Class::Unknown => "unknown",
    }
}
