//! The table of boards, and the firmware of each.

use crate::image::ImageBytes;
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use pg_runtime::layout::Target;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a board wants the model image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRegion {
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// What a firmware reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Samples from a microphone: keyword models.
    #[default]
    Audio,
    /// Pictures: image networks.
    Pictures,
    /// Words: language models.
    Words,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Pictures => "pictures",
            Self::Words => "words",
        })
    }
}

/// The chip of a board that is flashed through a probe.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Its name to probe-rs.
    pub name: String,
    /// Bytes of a block that its flash erases.
    pub erase: u32,
    /// Bytes that its flash writes at once.
    pub write: u32,
}

/// A board, as `firmware/boards.toml` describes it: an emulated one, or one with a chip.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Name.
    pub name: String,
    /// Core, in words.
    pub core: String,
    /// Crate folder, relative to `firmware/`.
    pub folder: String,
    /// Rust target.
    pub target: String,
    /// What its firmware reads.
    #[serde(default)]
    pub input: Input,
    /// Layout of the weights that the firmware reads.
    #[serde(deserialize_with = "layout", serialize_with = "layout_name")]
    pub layout: Target,
    /// Emulator program, of an emulated board.
    #[serde(default)]
    pub qemu: String,
    /// Emulator arguments of this board.
    #[serde(default)]
    pub args: Vec<String>,
    /// Chip, of a board on a desk.
    #[serde(default)]
    pub chip: Option<Chip>,
    /// Bytes of flash for code.
    pub flash: u64,
    /// Budget of the runtime's code, bytes, if there is one.
    #[serde(default)]
    pub runtime_code: Option<u64>,
    /// Bytes beyond that for the kernels of four-bit weights.
    #[serde(default)]
    pub weights4_code: u64,
    /// Bytes of RAM, stack included.
    pub ram: u64,
    /// Bytes of stack.
    pub stack: u64,
    /// Region of the model image; on a board with a chip, of both slots.
    pub model: ModelRegion,
}

/// Reads the name of a layout.
pub(crate) fn layout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
    let name = String::deserialize(deserializer)?;
    Target::from_name(&name)
        .ok_or_else(|| D::Error::custom(format!("unknown layout {name:?}: use swar or dsp")))
}

fn layout_name<S: Serializer>(target: &Target, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(target.name())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    board: Vec<Board>,
}

/// Sizes of a firmware, from its ELF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Bytes of flash: code, constants, initial values of data.
    pub flash: u64,
    /// Bytes of static RAM: data and zeroed data, arena included.
    pub ram: u64,
    /// Of the flash, bytes of the runtime's code.
    pub runtime_code: u64,
    /// Of the flash, bytes of the runtime's tables.
    pub runtime_tables: u64,
}

/// The `firmware` folder of the checkout that the current directory is in.
///
/// # Errors
///
/// If there is none.
pub fn firmware_folder() -> Result<PathBuf> {
    let here = std::env::current_dir().context("no current directory")?;
    (here.ancestors().map(|a| a.join("firmware")))
        .find(|f| f.join("boards.toml").is_file())
        .context("no firmware/boards.toml here or above: run this inside a checkout of the project")
}

/// Every board of the table.
fn table() -> Result<Vec<Board>> {
    let path = firmware_folder()?.join("boards.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table =
        toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?;
    Ok(table.board)
}

/// The emulated boards.
///
/// # Errors
///
/// If the table cannot be read.
pub fn boards() -> Result<Vec<Board>> {
    let all = table()?.into_iter();
    Ok(all.filter(|board| board.chip.is_none()).collect())
}

/// The boards that are flashed through a probe, with their chips.
///
/// # Errors
///
/// If the table cannot be read.
pub fn devices() -> Result<Vec<(Board, Chip)>> {
    let all = table()?.into_iter();
    Ok(all
        .filter_map(|board| board.chip.clone().map(|chip| (board, chip)))
        .collect())
}

/// The emulated board of this name.
///
/// # Errors
///
/// If there is none; the names are listed.
pub fn find(name: &str) -> Result<Board> {
    let boards = boards()?;
    let names: Vec<_> = boards.iter().map(|b| b.name.clone()).collect();
    (boards.into_iter().find(|b| b.name == name)).with_context(|| {
        format!(
            "there is no emulated board {name:?}; choose from {}",
            names.join(", ")
        )
    })
}

impl Board {
    /// Builds the board's firmware in release mode, with the kernels that the
    /// image needs; returns its ELF.
    ///
    /// # Errors
    ///
    /// If cargo fails, its own words being on standard error; or if the image
    /// is not valid.
    pub fn build(&self, image: &ImageBytes) -> Result<PathBuf> {
        let features: &[&str] = if image.has_packed_weights()? {
            &["--features", "weights4"]
        } else {
            &[]
        };
        let firmware = firmware_folder()?;
        let target = firmware.join("target");
        let status = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--locked", "--target-dir"])
            .arg(&target)
            .args(features)
            .current_dir(firmware.join(&self.folder))
            // Flags meant for the host must not reach the board's build.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .status()
            .context("cannot start cargo")?;
        ensure!(
            status.success(),
            "building the firmware of {} failed; is the target installed? \
             `rustup target add {}` adds it",
            self.name,
            self.target
        );
        Ok(target.join(&self.target).join("release").join(&self.name))
    }

    /// Sizes of a firmware of this board, with kernels for four-bit weights
    /// where `packed`, checked against its memory and budget.
    ///
    /// # Errors
    ///
    /// If the ELF cannot be read, or does not fit.
    pub fn sizes(&self, elf: &Path, packed: bool) -> Result<Sizes> {
        let bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
        let file = object::File::parse(&*bytes)
            .with_context(|| format!("{} is not an ELF", elf.display()))?;
        let mut sizes = Sizes::default();
        for section in file.sections() {
            // RISC-V reserves the stack as a section; it is counted apart.
            if section.name() == Ok(".stack") {
                continue;
            }
            match section.kind() {
                SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => {
                    sizes.flash += section.size();
                }
                // Initial values lie in flash and are copied to RAM.
                SectionKind::Data => {
                    sizes.flash += section.size();
                    sizes.ram += section.size();
                }
                SectionKind::UninitializedData => sizes.ram += section.size(),
                _ => {}
            }
        }
        // What the compiler inlined into its callers is theirs; the entry points
        // are kept out of line.
        let of_runtime = |name: &str| name.contains("pg_runtime");
        for symbol in file.symbols() {
            if !symbol.name().is_ok_and(of_runtime) {
                continue;
            }
            match symbol.kind() {
                SymbolKind::Text => sizes.runtime_code += symbol.size(),
                SymbolKind::Data => sizes.runtime_tables += symbol.size(),
                _ => {}
            }
        }
        let more = if packed { self.weights4_code } else { 0 };
        if let Some(budget) = self.runtime_code.map(|bytes| bytes + more)
            && sizes.runtime_code > budget
        {
            bail!(
                "the runtime's code has {} bytes on {}, over its budget of {budget}; \
                 see runtime_code and weights4_code in firmware/boards.toml",
                sizes.runtime_code,
                self.name
            );
        }
        if sizes.flash > self.flash || sizes.ram + self.stack > self.ram {
            bail!(
                "{} does not fit {}: {} of {} bytes of flash, {} + {} bytes of stack of {} of RAM",
                elf.display(),
                self.name,
                sizes.flash,
                self.flash,
                sizes.ram,
                self.stack,
                self.ram
            );
        }
        Ok(sizes)
    }
}
