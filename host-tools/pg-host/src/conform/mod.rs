//! Test vectors of an independent implementation against the runtime.
//!
//! A file is a convolution as integers: codes, weights, thresholds, and the
//! predictions, masks and accumulators that must come out. What runs is the
//! layer of the runtime with the kernels that devices and hosts run.

mod layer;
mod report;
#[cfg(test)]
mod tests;
mod vector;

pub use layer::{Computed, Layer};
pub use report::{Compared, ConformReport, FileReport, KernelReport, Mismatch};
pub use vector::{Integers, Vector};

use anyhow::Result;
use pg_runtime::kernels::Selected;
use pg_runtime::kernels::swar::Swar;
use std::path::{Path, PathBuf};

/// Which kernels run the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Plain Rust in the layout of cores without SIMD.
    Portable,
    /// Those that this program selects.
    Selected,
    /// Both, and every instruction set in between.
    All,
}

impl Choice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Selected, Self::All];

    /// Name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Selected => "selected",
            Self::All => "all",
        }
    }
}

type Run = fn(&Layer<'_>) -> Result<Computed>;

/// The kernels of a choice, by name.
fn kernels(choice: Choice) -> Vec<(&'static str, Run)> {
    let portable: (_, Run) = ("portable", |l| l.run::<Swar>());
    let selected: (_, Run) = ("selected", |l| l.run::<Selected>());
    match choice {
        Choice::Portable => vec![portable],
        Choice::Selected => vec![selected],
        Choice::All => {
            let mut all = vec![portable, selected];
            all.extend(between());
            all
        }
    }
}

/// Kernels of instruction sets below the best one.
#[cfg(target_arch = "x86_64")]
fn between() -> Vec<(&'static str, Run)> {
    use pg_runtime::kernels::simd::{Features, Limited};
    vec![
        ("simd-plain", |l| l.run::<Limited<{ Features::PLAIN }>>()),
        ("simd-avx2", |l| l.run::<Limited<{ Features::AVX2 }>>()),
    ]
}

/// Kernels of instruction sets below the best one.
#[cfg(not(target_arch = "x86_64"))]
fn between() -> Vec<(&'static str, Run)> {
    Vec::new()
}

/// Runs every file; one that cannot be read does not keep others from it.
#[must_use]
pub fn run(files: &[PathBuf], choice: Choice) -> ConformReport {
    ConformReport {
        files: files.iter().map(|path| file(path, choice)).collect(),
    }
}

fn file(path: &Path, choice: Choice) -> FileReport {
    let result = Vector::read(path).and_then(|vector| compare(&vector, choice));
    let (kernels, error) = match result {
        Ok(kernels) => (kernels, None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    FileReport {
        file: path.display().to_string(),
        error,
        kernels,
    }
}

/// Runs one vector by all kernels of a choice.
///
/// # Errors
///
/// If the runtime cannot represent the layer.
pub fn compare(vector: &Vector, choice: Choice) -> Result<Vec<KernelReport>> {
    let layer = Layer::new(vector)?;
    let run = |(name, run): (&str, Run)| {
        let computed = run(&layer)?;
        Ok(KernelReport::new(name, vector, &computed))
    };
    kernels(choice).into_iter().map(run).collect()
}
