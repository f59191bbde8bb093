//! The published Speech Commands archive: what it is, how it is laid out, and the
//! manifest made for it.
//!
//! P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech
//! Recognition", arXiv:1804.03209.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha1::{Digest, Sha1};

use super::Split;
use super::manifest::stays_below;
use crate::fsio;

/// Where version 0.02 is published. The content is checked against [`SHA256`], so
/// the transfer itself needs no encryption.
pub const URL: &str = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz";

/// SHA-256 of the archive at [`URL`], as stated by TensorFlow Datasets
/// (`datasets/speech_commands/checksums.tsv`) and by torchaudio
/// (`datasets/speechcommands.py`).
pub const SHA256: &str = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58";

/// Size of the archive at [`URL`] in bytes.
pub const BYTES: u64 = 2_428_923_189;

/// The keywords of the eleven-label task; every other word is `unknown`, and
/// `silence` has no clips here.
pub const KEYWORDS: [&str; 9] = [
    "yes", "no", "up", "down", "left", "right", "on", "off", "go",
];

const NOISE: &str = "_background_noise_";

const ATTRIBUTION: &str = "\
Google Speech Commands dataset v0.02. Copyright Google / contributors, by Pete Warden; licence \
CC BY 4.0 (see LICENSE).
Cite: P. Warden, \"Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition\", \
arXiv:1804.03209.
Changes: manifest.csv added; the folder of background noise is named noise.
";

/// What a user should know before fetching: content, licence, size, what is done.
#[must_use]
pub fn explain() -> String {
    format!(
        "Speech Commands v0.02: 105,829 one-second recordings of 35 English words by 2,618\n\
         speakers, 16 kHz, with background noise, collected by Google (P. Warden,\n\
         arXiv:1804.03209).\n\
         Licence: Creative Commons BY 4.0; name the source in what you publish.\n\
         Address: {URL}\n\
         Size:    {BYTES} bytes to fetch; about 6 GB of free disk while unpacking, 3.5 GB after.\n\
         SHA-256: {SHA256}\n\
         The archive is fetched to a .part file (run again after an interruption and it goes\n\
         on from there), checked, unpacked, and given a manifest.csv: labels {}, all other\n\
         words unknown; train, valid and test by the dataset's own rule, which keeps each\n\
         speaker in one of them. It has no silence clips: silence is cut from noise/.\n\
         The pack that ships with the project is a small part of this set and needs no fetching.",
        KEYWORDS.join(", ")
    )
}

/// The split of a speaker by the dataset's own rule (`which_set` in its README, with
/// 10 % each for validation and test): the SHA-1 of the speaker's name modulo 2^27,
/// as a percentage.
#[must_use]
pub fn which_set(speaker: &str) -> Split {
    const MODULUS: u32 = 1 << 27;
    let digest: [u8; 20] = Sha1::digest(speaker.as_bytes()).into();
    // The hash as a big number modulo 2^27: its last 27 bits.
    let [.., a, b, c, d] = digest;
    let low = u32::from_be_bytes([a, b, c, d]) % MODULUS;
    let percentage = f64::from(low) * (100.0 / f64::from(MODULUS - 1));
    match percentage {
        p if p < 10.0 => Split::Valid,
        p if p < 20.0 => Split::Test,
        _ => Split::Train,
    }
}

/// Unpacks the archive into the empty directory `to`, naming the noise folder
/// `noise`. Calls `progress` with the bytes of the archive read so far.
///
/// # Errors
/// A damaged archive, or one whose paths leave the directory; a full disk.
pub fn unpack(archive: &Path, to: &Path, mut progress: impl FnMut(u64)) -> Result<()> {
    let damaged = || format!("cannot unpack {}", archive.display());
    let file = File::open(archive).with_context(damaged)?;
    let counted = Counted {
        inner: io::BufReader::with_capacity(1 << 16, file),
        read: std::cell::Cell::new(0).into(),
    };
    let read = counted.read.clone();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(counted));
    for entry in tar.entries().with_context(damaged)? {
        let mut entry = entry.with_context(damaged)?;
        let path = entry.path().with_context(damaged)?;
        let name = path.to_string_lossy().replace('\\', "/");
        let name = name.trim_start_matches("./").to_owned();
        if !entry.header().entry_type().is_file() {
            // Folders come into being with their files; nothing else is expected.
            continue;
        }
        ensure!(
            stays_below(&name),
            "{} holds the path {name:?}, which leaves the directory; it is not the archive \
             that was published: remove it and fetch it again",
            archive.display()
        );
        let name = match name.strip_prefix(NOISE) {
            Some(rest) => format!("noise{rest}"),
            None => name,
        };
        let size = entry.size();
        write_entry(&mut entry, &to.join(&name), size)?;
        progress(read.get());
    }
    Ok(())
}

/// Copies one file out. It lies in a staged directory that is discarded on error,
/// so it needs neither a temporary name nor its own flush to disk (there are
/// 105,000 of them).
fn write_entry(entry: &mut impl Read, path: &Path, size: u64) -> Result<()> {
    let fail = |source| fsio::WriteError {
        path: path.to_path_buf(),
        needed: Some(size),
        source,
    };
    fs::create_dir_all(fsio::parent(path)).map_err(fail)?;
    let mut out = File::create_new(path).map_err(fail)?;
    io::copy(entry, &mut out).map_err(fail)?;
    Ok(())
}

/// Writes `manifest.csv` and the attribution for an unpacked archive and returns the
/// number of clips.
///
/// # Errors
/// No clips, or a directory that cannot be read or written.
pub fn write_manifest(directory: &Path) -> Result<usize> {
    let list = |path: &Path| -> Result<Vec<String>> {
        let context = || format!("cannot list {}", path.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(path).with_context(context)? {
            let entry = entry.with_context(context)?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    };
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["file", "label", "word", "speaker", "split"])?;
    let mut clips = 0;
    for word in list(directory)? {
        let folder = directory.join(&word);
        if word == "noise" || !folder.is_dir() {
            continue;
        }
        let label = match KEYWORDS.contains(&word.as_str()) {
            true => word.as_str(),
            false => "unknown",
        };
        for file in list(&folder)? {
            let Some((speaker, _)) = file.strip_suffix(".wav").and_then(|f| f.split_once('_'))
            else {
                continue;
            };
            let split = which_set(speaker).name();
            let path = format!("{word}/{file}");
            csv.write_record([path.as_str(), label, &word, speaker, split])?;
            clips += 1;
        }
    }
    ensure!(
        clips > 0,
        "the archive holds no clips named WORD/SPEAKER_nohash_N.wav; it is not the Speech \
         Commands archive"
    );
    let manifest = csv.into_inner().context("cannot build the manifest")?;
    fsio::write_atomic(&directory.join("manifest.csv"), &manifest)?;
    fsio::write_atomic(&directory.join("ATTRIBUTION.txt"), ATTRIBUTION.as_bytes())?;
    Ok(clips)
}

/// A reader that says how far it has come while something else owns it.
struct Counted<R> {
    inner: R,
    read: std::rc::Rc<std::cell::Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speakers and splits as in the dataset's own lists of files.
    #[test]
    fn splits_follow_the_datasets_rule() {
        // Checked against the pack's manifest, whose splits come from a copy that was
        // split by someone else's implementation of the same rule.
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/kws/pack");
        let data = super::super::Dataset::open(pack).unwrap();
        let mut checked = 0;
        for clip in data.clips().iter().filter(|c| !c.speaker.is_empty()) {
            assert_eq!(which_set(&clip.speaker), clip.split, "{}", clip.speaker);
            checked += 1;
        }
        assert!(checked > 5000);
    }
}
