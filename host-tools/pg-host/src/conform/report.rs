//! What matched, and what did not.

use super::{Computed, Integers, Vector};
use serde::Serialize;
use std::fmt;

/// The outcome of all files.
#[derive(Clone, Debug, Serialize)]
pub struct ConformReport {
    /// File by file, in the order given.
    pub files: Vec<FileReport>,
}

/// The outcome of one file.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// Path.
    pub file: String,
    /// Why it could not be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Outcome by kernels.
    pub kernels: Vec<KernelReport>,
}

/// The outcome of one file by one implementation of the kernels.
#[derive(Clone, Debug, Serialize)]
pub struct KernelReport {
    /// Name.
    pub kernels: String,
    /// Outputs compared.
    pub outputs: usize,
    /// Share of the outputs that opened.
    pub open: f64,
    /// Predictions.
    pub msb_accumulator: Compared,
    /// Masks.
    pub mask: Compared,
    /// Accumulators.
    pub accumulator: Compared,
}

/// Computed numbers against expected ones.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// How many differ.
    pub mismatches: usize,
    /// The first that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Mismatch>,
}

/// A number that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Image, channel, row, column.
    pub index: [usize; 4],
    /// In the file.
    pub expected: i64,
    /// By the runtime.
    pub computed: i64,
}

impl ConformReport {
    /// Files that match in every number.
    #[must_use]
    pub fn exact(&self) -> usize {
        self.files.iter().filter(|f| f.exact()).count()
    }

    /// Whether all files do.
    #[must_use]
    pub fn all_exact(&self) -> bool {
        self.exact() == self.files.len()
    }
}

impl FileReport {
    /// Whether it was run and every number matches.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.error.is_none() && self.kernels.iter().all(KernelReport::exact)
    }
}

impl KernelReport {
    pub(super) fn new(name: &str, vector: &Vector, computed: &Computed) -> Self {
        let outputs = computed.mask.len();
        let open = computed.mask.iter().sum::<i64>();
        Self {
            kernels: name.to_owned(),
            outputs,
            open: open as f64 / outputs.max(1) as f64,
            msb_accumulator: Compared::new(&vector.msb_accumulator, &computed.msb_accumulator),
            mask: Compared::new(&vector.mask, &computed.mask),
            accumulator: Compared::new(&vector.accumulator, &computed.accumulator),
        }
    }

    fn all(&self) -> [(&'static str, &Compared); 3] {
        [
            ("msb_accumulator", &self.msb_accumulator),
            ("mask", &self.mask),
            ("accumulator", &self.accumulator),
        ]
    }

    /// Whether every number matches.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.all().iter().all(|(_, c)| c.mismatches == 0)
    }
}

impl Compared {
    fn new(expected: &Integers, computed: &[i64]) -> Self {
        let pairs = expected.values.iter().zip(computed).enumerate();
        let mut wrong = pairs.filter(|(_, (e, c))| e != c);
        let first = wrong.next().map(|(mut at, (&expected_value, &computed))| {
            let mut index = [0; 4];
            for (place, &size) in index.iter_mut().zip(&expected.shape).rev() {
                (*place, at) = (at % size, at / size);
            }
            Mismatch {
                index,
                expected: expected_value,
                computed,
            }
        });
        Self {
            mismatches: wrong.count() + usize::from(first.is_some()),
            first,
        }
    }
}

impl fmt::Display for ConformReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            if let Some(error) = &file.error {
                writeln!(f, "{}: error: {error}", file.file)?;
            }
            for k in &file.kernels {
                write!(f, "{} [{}]: ", file.file, k.kernels)?;
                if k.exact() {
                    let open = 100.0 * k.open;
                    writeln!(f, "exact, {} outputs, {open:.1} % open", k.outputs)?;
                    continue;
                }
                writeln!(f, "differs in {} outputs", k.outputs)?;
                for (name, compared) in k.all() {
                    let Some(first) = &compared.first else {
                        continue;
                    };
                    writeln!(
                        f,
                        "  {name}: {} wrong, the first at {:?}: {} instead of {}",
                        compared.mismatches, first.index, first.computed, first.expected
                    )?;
                }
            }
        }
        write!(f, "{} of {} files exact", self.exact(), self.files.len())
    }
}
