//! Making a small data pack out of a large dataset: a subset of its clips, reduced
//! near-losslessly, within a number of bytes.
//!
//! The selection is a function of the dataset, the options and the seed. Splits are
//! kept, so a test clip of the pack is a test clip of the dataset and a speaker
//! stays in one split.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::audio::{SAMPLE_RATE, encode_flac, read_clip};
use super::reduce::reduce;
use super::{Clip, Dataset, Split};
use crate::fsio::{self, StagedDir};

/// FLAC frame length in samples: the best of 256 to 4096 measured on one-second
/// clips of speech after reduction.
const BLOCK: u16 = 2048;

/// What to put into a pack.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// The dataset to take from; must hold `ATTRIBUTION.txt` and `LICENSE`.
    pub source: PathBuf,
    /// The directory to make. It must not exist.
    pub target: PathBuf,
    /// Upper bound on the bytes of all files of the pack.
    pub budget: u64,
    /// Test clips per label.
    pub test_per_label: usize,
    /// Validation clips per label.
    pub valid_per_label: usize,
    /// Training clips of `unknown` for each training clip of a keyword: `unknown`
    /// stands for many words.
    pub unknown_share: usize,
    /// Seconds kept of each noise file, from its beginning.
    pub noise_seconds: u32,
    /// Least distance in dB between a clip's RMS and the RMS of the error that the
    /// reduction makes.
    pub snr_db: f64,
    /// Seed of the selection.
    pub seed: u64,
}

impl PackOptions {
    /// The pack that ships with the project.
    #[must_use]
    pub fn shipped(source: PathBuf, target: PathBuf) -> Self {
        Self {
            source,
            target,
            budget: 23_000_000,
            test_per_label: 40,
            valid_per_label: 32,
            unknown_share: 2,
            noise_seconds: 10,
            snr_db: 32.0,
            seed: 1,
        }
    }
}

/// What a pack holds.
#[derive(Clone, Debug)]
pub struct PackReport {
    /// Labels, in the order of the counts.
    pub labels: Vec<String>,
    /// Clips per label, for train, valid and test.
    pub counts: [Vec<usize>; 3],
    /// Distinct speakers in train, valid and test.
    pub speakers: [usize; 3],
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the clips alone.
    pub clip_bytes: u64,
    /// Bytes of the noise files.
    pub noise_bytes: u64,
    /// Lowest signal-to-error ratio of any file in dB.
    pub worst_snr_db: f64,
    /// Median of the signal-to-error ratios in dB.
    pub median_snr_db: f64,
    /// How many clips lost 0, 1, 2, ... low bits.
    pub bits_removed: Vec<usize>,
}

impl std::fmt::Display for PackReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "label      train  valid   test")?;
        for (i, label) in self.labels.iter().enumerate() {
            let [train, valid, test] = [0, 1, 2].map(|s: usize| self.counts[s][i]);
            writeln!(f, "{label:<9} {train:>6} {valid:>6} {test:>6}")?;
        }
        let [train, valid, test] = [0, 1, 2].map(|s: usize| self.counts[s].iter().sum::<usize>());
        writeln!(f, "clips     {train:>6} {valid:>6} {test:>6}")?;
        let [train, valid, test] = self.speakers;
        writeln!(f, "speakers  {train:>6} {valid:>6} {test:>6}")?;
        let clips: usize = self.counts.iter().flatten().sum();
        writeln!(
            f,
            "{} bytes: clips {} ({} each), noise {}",
            self.bytes,
            self.clip_bytes,
            self.clip_bytes / clips.max(1) as u64,
            self.noise_bytes
        )?;
        write!(
            f,
            "error below the signal: worst {:.1} dB, median {:.1} dB; clips by low bits \
             removed {:?}",
            self.worst_snr_db, self.median_snr_db, self.bits_removed
        )
    }
}

/// Makes a pack; `progress(bytes, budget)` is called after each clip.
///
/// # Errors
/// A source without clips, attribution or licence; a clip that cannot be read; a
/// budget too small for the validation and test clips; a target that exists or
/// cannot be written. The target then does not exist.
pub fn make(options: &PackOptions, progress: impl FnMut(u64, u64)) -> Result<PackReport> {
    let data = Dataset::open(&options.source)?;
    for split in Split::ALL {
        data.require(split)?;
    }
    let staged = StagedDir::new(&options.target)?;
    let mut writer = Writer {
        directory: staged.path(),
        options,
        written: 0,
        clip_bytes: 0,
        snr: Vec::new(),
        bits: vec![0; 16],
        progress,
    };
    writer.licence(&data)?;
    let noise_bytes = writer.noise(&data)?;
    let mut kept = Vec::new();
    for (split, per_label) in [
        (Split::Test, options.test_per_label),
        (Split::Valid, options.valid_per_label),
    ] {
        for clips in ordered(&data, split, options.seed) {
            for &clip in clips.iter().take(per_label) {
                let added = writer.clip(&data, clip, &kept)?;
                ensure!(
                    added,
                    "{} bytes do not hold the validation and test clips; raise the budget \
                     or take fewer per label",
                    options.budget
                );
                kept.push(clip);
            }
        }
    }
    for clip in train_order(&data, options) {
        if !writer.clip(&data, clip, &kept)? {
            break;
        }
        kept.push(clip);
    }
    let report = writer.finish(&data, kept, noise_bytes)?;
    staged.publish()?;
    Ok(report)
}

/// For each label, the split's clips in order of preference: one of each word and
/// speaker before a second, the rest decided by the seed.
fn ordered(data: &Dataset, split: Split, seed: u64) -> Vec<Vec<&Clip>> {
    let mut by_label: Vec<Vec<&Clip>> = vec![Vec::new(); data.labels().len()];
    for clip in data.split(split) {
        by_label[clip.label].push(clip);
    }
    for clips in &mut by_label {
        clips.sort_by_key(|c| (hash(seed, &c.file), &c.file));
        // How many clips of its speaker, and then of its word, come before each.
        rank(clips, |c| &c.speaker);
        rank(clips, |c| &c.word);
    }
    by_label
}

/// Stable sort by how often the key has come before: round-robin over keys.
fn rank<'a>(clips: &mut Vec<&'a Clip>, key: impl Fn(&'a Clip) -> &'a String) {
    let mut seen: HashMap<&String, usize> = HashMap::new();
    let mut ranked: Vec<(usize, &Clip)> = Vec::with_capacity(clips.len());
    for &clip in clips.iter() {
        let count = seen.entry(key(clip)).or_default();
        ranked.push((*count, clip));
        *count += 1;
    }
    ranked.sort_by_key(|&(n, _)| n);
    *clips = ranked.into_iter().map(|(_, clip)| clip).collect();
}

/// Training clips in the order in which they are added until the budget is spent:
/// rounds of one clip of each keyword and `unknown_share` of `unknown`.
fn train_order<'a>(data: &'a Dataset, options: &PackOptions) -> Vec<&'a Clip> {
    let by_label = ordered(data, Split::Train, options.seed);
    let rounds = by_label.iter().map(Vec::len).max().unwrap_or(0);
    let mut order = Vec::new();
    for round in 0..rounds {
        for (label, clips) in data.labels().iter().zip(&by_label) {
            let share = match label.as_str() {
                "unknown" => options.unknown_share,
                _ => 1,
            };
            let chunk = clips.iter().skip(round * share).take(share);
            order.extend(chunk.copied());
        }
    }
    order
}

/// FNV-1a of the seed and a text, with a final mix: the same on every machine and
/// in every version, which a standard hasher does not promise.
fn hash(seed: u64, text: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(text.bytes());
    let h = bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^ (h >> 33)
}

struct Writer<'a, P> {
    directory: &'a Path,
    options: &'a PackOptions,
    /// Bytes of all files so far, without the manifest.
    written: u64,
    clip_bytes: u64,
    snr: Vec<f64>,
    bits: Vec<usize>,
    progress: P,
}

impl<P: FnMut(u64, u64)> Writer<'_, P> {
    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        fsio::write_atomic(&self.directory.join(name), bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn licence(&mut self, data: &Dataset) -> Result<()> {
        let read = |name: &str| {
            std::fs::read_to_string(data.directory().join(name)).with_context(|| {
                format!(
                    "{} has no {name}; a pack must carry its source's attribution and \
                     licence: put them beside the manifest",
                    data.directory().display()
                )
            })
        };
        let mut attribution = read("ATTRIBUTION.txt")?;
        let licence = read("LICENSE")?;
        if !attribution.ends_with('\n') {
            attribution.push('\n');
        }
        let o = self.options;
        attribution.push_str(&format!(
            "\nChanges made for this pack, from the copy described above:\n\
             - A subset of the clips was selected (seed {}), balanced over labels, \
             words and speakers; each clip keeps its split and its speaker's name.\n\
             - Each clip and noise file was rounded to a multiple of 2^k, with k the \
             largest that keeps the rounding error at least {} dB below that file's \
             RMS level, and encoded as FLAC (16 kHz, 16-bit). Level and length of the \
             clips are unchanged.\n\
             - Of each noise file the first {} seconds were kept.\n",
            o.seed, o.snr_db, o.noise_seconds
        ));
        self.file("ATTRIBUTION.txt", attribution.as_bytes())?;
        self.file("LICENSE", licence.as_bytes())
    }

    /// Reduces and encodes, noting what the reduction did.
    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>> {
        let reduced = reduce(samples, self.options.snr_db);
        self.snr.push(reduced.snr_db);
        self.bits[reduced.bits as usize] += 1;
        encode_flac(&reduced.samples, BLOCK)
    }

    fn noise(&mut self, data: &Dataset) -> Result<u64> {
        let before = self.written;
        for path in data.noise_files()? {
            let mut samples = read_clip(&path)?;
            samples.truncate((self.options.noise_seconds * SAMPLE_RATE) as usize);
            let bytes = self.encode(&samples)?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            self.file(&format!("noise/{stem}.flac"), &bytes)?;
        }
        Ok(self.written - before)
    }

    /// Adds a clip; false, with nothing written, if the budget does not allow it.
    fn clip(&mut self, data: &Dataset, clip: &Clip, kept: &[&Clip]) -> Result<bool> {
        let samples = data.load(clip)?;
        let bytes = self.encode(&samples)?;
        // Room for the manifest, whose rows are all about as long as this one.
        let row = manifest_row(data, clip, samples.len()).concat().len() as u64 + 16;
        let manifest = (kept.len() as u64 + 2) * row * 5 / 4;
        if self.written + bytes.len() as u64 + manifest > self.options.budget {
            return Ok(false);
        }
        self.file(&packed_name(&clip.file), &bytes)?;
        self.clip_bytes += bytes.len() as u64;
        (self.progress)(self.written, self.options.budget);
        Ok(true)
    }

    fn finish(
        mut self,
        data: &Dataset,
        mut kept: Vec<&Clip>,
        noise_bytes: u64,
    ) -> Result<PackReport> {
        kept.sort_by(|a, b| a.file.cmp(&b.file));
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["file", "label", "word", "speaker", "split", "samples"])?;
        let mut counts = Split::ALL.map(|_| vec![0; data.labels().len()]);
        let mut speakers = Split::ALL.map(|_| BTreeMap::new());
        for clip in &kept {
            // Read back: what counts is what a reader of the pack will get.
            let path = self.directory.join(packed_name(&clip.file));
            let samples = read_clip(&path)?.len();
            csv.write_record(manifest_row(data, clip, samples))?;
            counts[clip.split as usize][clip.label] += 1;
            if !clip.speaker.is_empty() {
                speakers[clip.split as usize].insert(&clip.speaker, ());
            }
        }
        let manifest = csv.into_inner().context("cannot build the manifest")?;
        self.file("manifest.csv", &manifest)?;
        ensure!(
            self.written <= self.options.budget,
            "the pack has {} bytes, over the budget of {}; lower the number of clips",
            self.written,
            self.options.budget
        );
        self.snr.sort_by(f64::total_cmp);
        while self.bits.last() == Some(&0) {
            self.bits.pop();
        }
        Ok(PackReport {
            labels: data.labels().to_vec(),
            counts,
            speakers: speakers.map(|s| s.len()),
            bytes: self.written,
            clip_bytes: self.clip_bytes,
            noise_bytes,
            worst_snr_db: self.snr.first().copied().unwrap_or(f64::INFINITY),
            median_snr_db: self
                .snr
                .get(self.snr.len() / 2)
                .copied()
                .unwrap_or(f64::INFINITY),
            bits_removed: self.bits,
        })
    }
}

fn packed_name(file: &str) -> String {
    let stem = file.strip_suffix(".wav").or(file.strip_suffix(".flac"));
    format!("{}.flac", stem.unwrap_or(file))
}

fn manifest_row(data: &Dataset, clip: &Clip, samples: usize) -> [String; 6] {
    [
        packed_name(&clip.file),
        data.labels()[clip.label].clone(),
        clip.word.clone(),
        clip.speaker.clone(),
        clip.split.name().to_owned(),
        samples.to_string(),
    ]
}

#[cfg(test)]
mod tests;
