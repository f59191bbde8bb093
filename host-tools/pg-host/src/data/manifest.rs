//! The manifest: reading, checking, and the order of labels.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::{Clip, Split};

/// The manifest's file name.
pub const FILE: &str = "manifest.csv";
const LABELS_FILE: &str = "labels.txt";

/// The order of well-known labels: the two that are not keywords, then the ten
/// keywords of the Speech Commands task in the order its paper lists them.
const ORDER: [&str; 12] = [
    "silence", "unknown", "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go",
];

/// What is wrong with a dataset's manifest. Lines are counted from 1, the header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The directory or its manifest is not there or cannot be read.
    #[error(
        "cannot read {path}: a dataset is a directory with a manifest.csv \
         (columns file,label,word,speaker,split); check the path given"
    )]
    Missing {
        /// The manifest looked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Not CSV, or a row with too few fields.
    #[error("{path} is not a readable CSV file; correct the line named below")]
    Csv {
        /// The manifest.
        path: PathBuf,
        /// What was found and where.
        source: csv::Error,
    },
    /// A column that must be there is not.
    #[error(
        "{path} has no column {column:?}; the first line must name \
         file,label,word,speaker,split (and may add samples)"
    )]
    Column {
        /// The manifest.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
    },
    /// A header and nothing below it.
    #[error("{path} lists no clips; add rows, or use another dataset")]
    Empty {
        /// The manifest.
        path: PathBuf,
    },
    /// A row with no label.
    #[error("{path} line {line}: the label is missing; give each clip one")]
    Label {
        /// The manifest.
        path: PathBuf,
        /// Line of the row.
        line: u64,
    },
    /// A label that `labels.txt` does not list.
    #[error(
        "{path} line {line}: label {label:?} is not in labels.txt beside it; add it there, or correct the row"
    )]
    UnlistedLabel {
        /// The manifest.
        path: PathBuf,
        /// Line of the row.
        line: u64,
        /// The label.
        label: String,
    },
    /// A label in `labels.txt` that no clip has, or that is there twice.
    #[error("{path}: label {label:?} {reason}; correct labels.txt")]
    Labels {
        /// The label list.
        path: PathBuf,
        /// The label.
        label: String,
        /// `has no clip` or `is listed twice`.
        reason: &'static str,
    },
    /// A split that is none of the three.
    #[error("{path} line {line}: unknown split {split:?}; use train, valid or test")]
    Split {
        /// The manifest.
        path: PathBuf,
        /// Line of the row.
        line: u64,
        /// What is there instead.
        split: String,
    },
    /// A length that is not a positive number.
    #[error(
        "{path} line {line}: samples is {text:?}; give the clip's length as a number, or leave it out"
    )]
    Samples {
        /// The manifest.
        path: PathBuf,
        /// Line of the row.
        line: u64,
        /// What is there instead.
        text: String,
    },
    /// A path that is absolute, empty, or climbs out of the directory.
    #[error("{path} line {line}: {file:?} is outside the dataset; give a path below its directory")]
    Outside {
        /// The manifest.
        path: PathBuf,
        /// Line of the row.
        line: u64,
        /// The path.
        file: String,
    },
    /// The same file in two rows.
    #[error("{path} line {line}: {file:?} is listed twice; remove one row")]
    Twice {
        /// The manifest.
        path: PathBuf,
        /// Line of the second row.
        line: u64,
        /// The file.
        file: String,
    },
    /// One speaker in two splits.
    #[error(
        "{path} line {line}: speaker {speaker:?} is in both {first} and {second}; put all of a \
         speaker's clips in one split, or the accuracy is measured on known voices"
    )]
    SpeakerInTwoSplits {
        /// The manifest.
        path: PathBuf,
        /// Line of the row that contradicts an earlier one.
        line: u64,
        /// The speaker.
        speaker: String,
        /// The split of the earlier row.
        first: Split,
        /// The split of this row.
        second: Split,
    },
}

/// What a manifest says.
pub struct Manifest {
    pub labels: Vec<String>,
    pub clips: Vec<Clip>,
}

struct Row {
    line: u64,
    label: String,
    clip: Clip,
}

/// Reads and checks `directory/manifest.csv` (and `labels.txt`).
pub fn read(directory: &Path) -> Result<Manifest, ManifestError> {
    let path = directory.join(FILE);
    let bytes = std::fs::read(&path).map_err(|source| ManifestError::Missing {
        path: path.clone(),
        source,
    })?;
    let rows = parse(&path, &bytes)?;
    if rows.is_empty() {
        return Err(ManifestError::Empty { path });
    }
    let labels = match read_label_list(directory)? {
        Some(listed) => check_listed(directory, &path, listed, &rows)?,
        None => order_labels(rows.iter().map(|r| r.label.as_str())),
    };
    let index: HashMap<&str, usize> = labels.iter().map(String::as_str).zip(0..).collect();
    let clips = rows
        .into_iter()
        .map(|row| Clip {
            // Present: `labels` was made from these rows or checked against them.
            label: index.get(row.label.as_str()).copied().unwrap_or_default(),
            ..row.clip
        })
        .collect();
    Ok(Manifest { labels, clips })
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Row>, ManifestError> {
    let csv_error = |source| ManifestError::Csv {
        path: path.to_path_buf(),
        source,
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let header = reader.headers().map_err(csv_error)?.clone();
    let find = |column: &str| header.iter().position(|h| h == column);
    let required = |column| {
        find(column).ok_or_else(|| ManifestError::Column {
            path: path.to_path_buf(),
            column,
        })
    };
    let file = required("file")?;
    let label = required("label")?;
    let word = required("word")?;
    let speaker = required("speaker")?;
    let split = required("split")?;
    let samples = find("samples");

    let mut rows = Vec::new();
    let mut checks = Checks::default();
    for record in reader.records() {
        let record = record.map_err(csv_error)?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |i: usize| record.get(i).unwrap_or_default().to_owned();
        let row = Row {
            line,
            label: field(label),
            clip: Clip {
                file: field(file),
                label: 0,
                word: field(word),
                speaker: field(speaker),
                split: parse_split(path, line, &field(split))?,
                samples: match samples.map(field) {
                    Some(text) if !text.is_empty() => Some(parse_samples(path, line, text)?),
                    _ => None,
                },
            },
        };
        checks.row(path, &row)?;
        rows.push(row);
    }
    Ok(rows)
}

fn parse_split(path: &Path, line: u64, text: &str) -> Result<Split, ManifestError> {
    let found = Split::ALL.into_iter().find(|s| s.name() == text);
    found.ok_or_else(|| ManifestError::Split {
        path: path.to_path_buf(),
        line,
        split: text.to_owned(),
    })
}

fn parse_samples(path: &Path, line: u64, text: String) -> Result<u32, ManifestError> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(ManifestError::Samples {
            path: path.to_path_buf(),
            line,
            text,
        }),
    }
}

/// What must hold between rows.
#[derive(Default)]
struct Checks {
    files: HashSet<String>,
    speakers: BTreeMap<String, Split>,
}

impl Checks {
    fn row(&mut self, path: &Path, row: &Row) -> Result<(), ManifestError> {
        let path = || path.to_path_buf();
        let line = row.line;
        let file = &row.clip.file;
        if row.label.is_empty() {
            return Err(ManifestError::Label { path: path(), line });
        }
        if !stays_below(file) {
            return Err(ManifestError::Outside {
                path: path(),
                line,
                file: file.clone(),
            });
        }
        if !self.files.insert(file.clone()) {
            return Err(ManifestError::Twice {
                path: path(),
                line,
                file: file.clone(),
            });
        }
        if row.clip.speaker.is_empty() {
            return Ok(());
        }
        let second = row.clip.split;
        let first = *self
            .speakers
            .entry(row.clip.speaker.clone())
            .or_insert(second);
        if first != second {
            return Err(ManifestError::SpeakerInTwoSplits {
                path: path(),
                line,
                speaker: row.clip.speaker.clone(),
                first,
                second,
            });
        }
        Ok(())
    }
}

/// Whether a relative path stays below the directory it is joined to, on any
/// operating system: a manifest is often written on another one.
pub fn stays_below(file: &str) -> bool {
    let plain = |c| matches!(c, Component::Normal(_));
    !file.is_empty() && !file.contains(['\\', ':', '\0']) && Path::new(file).components().all(plain)
}

fn read_label_list(directory: &Path) -> Result<Option<Vec<String>>, ManifestError> {
    let path = directory.join(LABELS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ManifestError::Missing { path, source }),
    };
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let labels: Vec<String> = lines.map(str::to_owned).collect();
    let mut seen = HashSet::new();
    match labels.iter().find(|l| !seen.insert(l.as_str())) {
        Some(label) => Err(ManifestError::Labels {
            path,
            label: label.clone(),
            reason: "is listed twice",
        }),
        None => Ok(Some(labels)),
    }
}

fn check_listed(
    directory: &Path,
    manifest: &Path,
    listed: Vec<String>,
    rows: &[Row],
) -> Result<Vec<String>, ManifestError> {
    let known: HashSet<&str> = listed.iter().map(String::as_str).collect();
    let used: HashSet<&str> = rows.iter().map(|r| r.label.as_str()).collect();
    if let Some(row) = rows.iter().find(|r| !known.contains(r.label.as_str())) {
        return Err(ManifestError::UnlistedLabel {
            path: manifest.to_path_buf(),
            line: row.line,
            label: row.label.clone(),
        });
    }
    // Silence has no clips where it is cut from noise instead.
    let unused = |l: &&String| !used.contains(l.as_str()) && l.as_str() != "silence";
    if let Some(label) = listed.iter().find(unused) {
        return Err(ManifestError::Labels {
            path: directory.join(LABELS_FILE),
            label: label.clone(),
            reason: "has no clip",
        });
    }
    Ok(listed)
}

/// The distinct labels: those of [`ORDER`] in that order, then the others by name.
pub fn order_labels<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<String> {
    let distinct: HashSet<&str> = labels.collect();
    let mut labels: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
    labels.sort_by_key(|label| {
        let known = ORDER.iter().position(|o| o == label);
        (known.unwrap_or(ORDER.len()), label.clone())
    });
    labels
}
