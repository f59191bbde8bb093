//! Labelled clips: a directory with a `manifest.csv`, WAV or FLAC files, and
//! background noise.
//!
//! ```text
//! DIR/manifest.csv    file,label,word,speaker,split[,samples]
//! DIR/labels.txt      optional: the labels in the order of the model's outputs
//! DIR/noise/          optional: background noise, any length, WAV or FLAC
//! DIR/...             the clips, under the paths the manifest gives
//! ```
//! `split` is `train`, `valid` or `test`. A speaker is in one split only: an
//! accuracy measured on voices heard in training says little about new ones.

pub mod audio;
pub mod cifar;
#[cfg(feature = "fetch")]
pub mod fetch;
#[cfg(feature = "train")]
pub mod folder;
pub mod images;
mod manifest;
pub mod pack;
pub mod reduce;
#[cfg(feature = "train")]
pub mod region;
#[cfg(feature = "fetch")]
pub mod speech_commands;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

pub use audio::{ClipError, read_clip};
pub use manifest::ManifestError;

/// Up to `count` places, spread evenly over `all`.
pub fn spread(count: usize, all: usize) -> impl Iterator<Item = usize> {
    let count = count.min(all);
    (0..count).map(move |i| i * all / count)
}

/// The label of clips in which nobody speaks.
pub const SILENCE: &str = "silence";
/// The label of words that are not keywords.
pub const UNKNOWN: &str = "unknown";

/// Whether a label is no keyword: a detector never reports it.
#[must_use]
pub fn is_background(label: &str) -> bool {
    matches!(label, SILENCE | UNKNOWN)
}

/// Which use a clip is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// Fitting the parameters.
    Train,
    /// Choosing between models and when to stop.
    Valid,
    /// The final figure, and nothing else.
    Test,
}

impl Split {
    /// All three, in the order train, valid, test.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// The name used in a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One row of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Path relative to the dataset's directory, with `/` between its parts.
    pub file: String,
    /// Index into [`Dataset::labels`].
    pub label: usize,
    /// The word spoken, which for `unknown` is not the label.
    pub word: String,
    /// Who spoke; empty where nobody did.
    pub speaker: String,
    /// What the clip is for.
    pub split: Split,
    /// Length in samples, where the manifest says it.
    pub samples: Option<u32>,
}

/// A directory of labelled clips. Opening it reads the manifest; clips are read
/// one at a time with [`Dataset::load`].
#[derive(Clone, Debug)]
pub struct Dataset {
    directory: PathBuf,
    labels: Vec<String>,
    clips: Vec<Clip>,
}

impl Dataset {
    /// Opens `directory`, reads and checks its manifest.
    ///
    /// # Errors
    /// [`ManifestError`]: no manifest, a missing column, an empty label, an unknown
    /// split, a path that leaves the directory, a file listed twice, a speaker in
    /// two splits, a label absent from `labels.txt`, or no clips at all.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let manifest::Manifest { labels, clips } = manifest::read(directory)?;
        Ok(Self {
            directory: directory.to_path_buf(),
            labels,
            clips,
        })
    }

    /// Where the dataset lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The labels in the order of the model's outputs: that of `labels.txt` if the
    /// directory has one, else `silence`, `unknown`, the Speech Commands keywords
    /// (yes, no, up, down, left, right, on, off, stop, go), then the others by name.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// All clips in manifest order.
    #[must_use]
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// The clips of one split, in manifest order.
    pub fn split(&self, split: Split) -> impl Iterator<Item = &Clip> {
        self.clips.iter().filter(move |c| c.split == split)
    }

    /// Clips per label in one split, in label order.
    #[must_use]
    pub fn counts(&self, split: Split) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        for clip in self.split(split) {
            counts[clip.label] += 1;
        }
        counts
    }

    /// For each of the dataset's labels, its index in `wanted` (a model's labels).
    ///
    /// # Errors
    /// A label of the dataset that the model does not have.
    pub fn map_labels<S: AsRef<str>>(&self, wanted: &[S]) -> Result<Vec<usize>> {
        let index = |label: &String| {
            let found = wanted.iter().position(|w| w.as_ref() == label);
            found.with_context(|| {
                let known: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
                format!(
                    "the model has no label {label:?}, which {} uses; its labels are {}. \
                     Use a dataset with these labels, or train a model for this one",
                    self.directory.join(manifest::FILE).display(),
                    known.join(", ")
                )
            })
        };
        self.labels.iter().map(index).collect()
    }

    /// The clip's path on this machine.
    #[must_use]
    pub fn path(&self, clip: &Clip) -> PathBuf {
        self.directory.join(&clip.file)
    }

    /// Reads one clip: 16 kHz, one channel, 16-bit.
    ///
    /// # Errors
    /// [`ClipError`]; also when the length differs from the manifest's.
    pub fn load(&self, clip: &Clip) -> Result<Vec<i16>> {
        let path = self.path(clip);
        let samples = read_clip(&path)?;
        match clip.samples {
            Some(n) if n as usize != samples.len() => Err(ClipError::Corrupt {
                path,
                reason: format!("{} samples, the manifest says {n}", samples.len()),
            }
            .into()),
            _ => Ok(samples),
        }
    }

    /// Reads every file in `noise/`, ordered by name; empty if there is no such
    /// directory.
    ///
    /// # Errors
    /// An unreadable directory, or [`ClipError`] for a file in it.
    pub fn noise(&self) -> Result<Vec<Vec<i16>>> {
        let noise = self.noise_files()?;
        noise.iter().map(|path| Ok(read_clip(path)?)).collect()
    }

    /// The WAV and FLAC files in `noise/`, ordered by name.
    ///
    /// # Errors
    /// An unreadable directory.
    pub fn noise_files(&self) -> Result<Vec<PathBuf>> {
        let directory = self.directory.join("noise");
        if !directory.is_dir() {
            return Ok(Vec::new());
        }
        let context = || format!("cannot list {}", directory.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&directory).with_context(context)? {
            let path = entry.with_context(context)?.path();
            let extension = path.extension().and_then(|e| e.to_str());
            if matches!(extension, Some("wav" | "flac")) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Reads every clip and noise file once, calling `progress(done, total)` after
    /// each.
    ///
    /// # Errors
    /// The first clip that cannot be used.
    pub fn check(&self, mut progress: impl FnMut(usize, usize)) -> Result<()> {
        let noise = self.noise_files()?;
        let total = self.clips.len() + noise.len();
        for (i, clip) in self.clips.iter().enumerate() {
            self.load(clip)?;
            progress(i + 1, total);
        }
        for (i, path) in noise.iter().enumerate() {
            read_clip(path)?;
            progress(self.clips.len() + i + 1, total);
        }
        Ok(())
    }

    /// Fails unless `split` has a clip.
    ///
    /// # Errors
    /// An empty split.
    pub fn require(&self, split: Split) -> Result<()> {
        ensure!(
            self.split(split).next().is_some(),
            "{} has no clip with split {split:?}; add some, or use another dataset",
            self.directory.join(manifest::FILE).display(),
            split = split.name(),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
