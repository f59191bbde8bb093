//! The firmware's ELF: code by address, functions, marker addresses.

use super::decode::{Instruction, Isa};
use anyhow::{Context, Result, bail};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::path::Path;

/// The code of a firmware.
pub struct Program {
    isa: Isa,
    code: Vec<(u32, Vec<u8>)>,
    functions: Vec<Function>,
}

struct Function {
    address: u32,
    size: u32,
    name: String,
}

impl Program {
    /// Reads an ELF.
    ///
    /// # Errors
    ///
    /// If it is none, or of an architecture that is not emulated here.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file = object::File::parse(bytes).context("the firmware is not an ELF")?;
        let isa = match file.architecture() {
            Architecture::Arm => Isa::Thumb,
            Architecture::Riscv32 => Isa::Rv32,
            other => bail!("no instruction classes for {other:?}"),
        };
        let mut code = Vec::new();
        for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
            code.push((section.address() as u32, section.data()?.to_vec()));
        }
        let mut functions: Vec<Function> = (file.symbols())
            .filter(|s| s.kind() == SymbolKind::Text)
            .filter_map(|s| {
                Some(Function {
                    address: isa.code_address(s.address() as u32),
                    size: s.size() as u32,
                    name: s.name().ok()?.to_owned(),
                })
            })
            .collect();
        functions.sort_by_key(|f| f.address);
        Ok(Self {
            isa,
            code,
            functions,
        })
    }

    /// Reads an ELF from a file.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], or if the file cannot be read.
    pub fn read(path: &Path) -> Result<(Vec<u8>, Self)> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the firmware {}", path.display()))?;
        let program = Self::parse(&bytes)?;
        Ok((bytes, program))
    }

    /// Address of a function.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn address(&self, name: &str) -> Result<u32> {
        let found = self.functions.iter().find(|f| f.name == name);
        Ok(found
            .with_context(|| format!("the firmware has no function {name}: was it stripped?"))?
            .address)
    }

    /// Name of the function that an address lies in, readable.
    pub fn function(&self, address: u32) -> String {
        let after = self.functions.partition_point(|f| f.address <= address);
        let inside = |f: &&Function| f.size == 0 || address < f.address.saturating_add(f.size);
        (self.functions[..after].iter().rev())
            .find(inside)
            .map_or_else(
                || "?".to_owned(),
                |f| format!("{:#}", rustc_demangle::demangle(&f.name)),
            )
    }

    /// The instruction at an address.
    ///
    /// # Errors
    ///
    /// If the ELF has no code there: the plugin and the ELF do not match.
    pub fn instruction(&self, address: u32) -> Result<Instruction> {
        let bytes = self
            .code
            .iter()
            .find_map(|(start, bytes)| bytes.get(address.checked_sub(*start)? as usize..));
        bytes
            .and_then(|bytes| self.isa.decode(bytes))
            .with_context(|| format!("no code at {address:#x}, which was executed"))
    }
}
