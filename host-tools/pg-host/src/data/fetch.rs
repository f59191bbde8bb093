//! Fetching the full dataset: resumable, checked before use, nothing half-written.
//!
//! ```text
//! TO.tar.gz.part   grows while fetching; kept after an interruption
//! TO.tar.gz        complete and of the right hash; removed after unpacking
//! TO               appears by a rename when it is complete
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::speech_commands::{self, SHA256, URL};
use crate::fsio::{self, StagedDir, WriteError};

/// What to fetch and where to put it.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Address of the archive, `http://`.
    pub url: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// The directory to make. It must not exist.
    pub to: PathBuf,
    /// An archive fetched by other means, used instead of the address and kept.
    pub archive: Option<PathBuf>,
}

impl FetchOptions {
    /// The published archive.
    #[must_use]
    pub fn speech_commands(to: PathBuf) -> Self {
        Self {
            url: URL.to_owned(),
            sha256: SHA256.to_owned(),
            to,
            archive: None,
        }
    }
}

/// What is being done, for a progress display; the unit is bytes of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Transferring.
    Fetch,
    /// Computing the hash.
    Check,
    /// Writing the files.
    Unpack,
}

/// Why a dataset could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not an `http://` address.
    #[error(
        "cannot fetch {url}: only http:// is spoken here (the content is checked by its hash); \
         fetch the file with another program and pass it with --archive"
    )]
    Scheme {
        /// The address.
        url: String,
    },
    /// No answer.
    #[error(
        "cannot reach {url}; check the network and run the command again, or fetch the file on \
         another machine and pass it with --archive. The pack that ships needs no network"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// An answer other than the file.
    #[error("{url} answered with status {code}; check the address")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        code: u16,
    },
    /// The transfer broke off.
    #[error(
        "the transfer of {url} broke off after {got} of {} bytes; run the command again: it goes \
         on from there (kept in {part})",
        expected.map_or("an unknown number of".to_owned(), |n| n.to_string())
    )]
    Truncated {
        /// The address.
        url: String,
        /// Bytes in the part file.
        got: u64,
        /// Bytes that there should be, where the server said.
        expected: Option<u64>,
        /// The part file.
        part: PathBuf,
    },
    /// The content is not what was published.
    #[error("{path} has SHA-256 {found}, not {expected}; {advice}")]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// Of the content.
        found: String,
        /// Of the published archive.
        expected: String,
        /// What was done with the file and what to do next.
        advice: &'static str,
    },
}

/// What was made.
#[derive(Clone, Debug)]
pub struct FetchReport {
    /// The dataset's directory.
    pub directory: PathBuf,
    /// Clips in its manifest.
    pub clips: usize,
}

/// Fetches, checks and unpacks the dataset, and writes its manifest.
/// `progress(stage, done, total)` is called often, in bytes.
///
/// # Errors
/// [`FetchError`], [`WriteError`], or a damaged archive. The target directory does
/// not exist then; an unfinished transfer is kept and resumed by the next call.
pub fn fetch(
    options: &FetchOptions,
    mut progress: impl FnMut(Stage, u64, u64),
) -> Result<FetchReport> {
    // Asked first: not after an hour's transfer.
    let staged = StagedDir::new(&options.to)?;
    let archive = match &options.archive {
        Some(path) => {
            let advice = "it is not the published archive, or damaged: fetch it again";
            check(path, &options.sha256, advice, &mut progress)?;
            path.clone()
        }
        None => obtain(options, &mut progress)?,
    };
    let total = length(&archive)?.unwrap_or(0);
    speech_commands::unpack(&archive, staged.path(), |done| {
        progress(Stage::Unpack, done, total);
    })?;
    let clips = speech_commands::write_manifest(staged.path())?;
    staged.publish()?;
    if options.archive.is_none() {
        // All its content is in place: that it could not be removed is no failure.
        let _ = fs::remove_file(&archive);
    }
    Ok(FetchReport {
        directory: options.to.clone(),
        clips,
    })
}

/// The archive beside the target: one already there and right, or a new transfer.
fn obtain(options: &FetchOptions, progress: &mut impl FnMut(Stage, u64, u64)) -> Result<PathBuf> {
    let archive = with_suffix(&options.to, ".tar.gz");
    let part = with_suffix(&options.to, ".tar.gz.part");
    if archive.exists() {
        let advice = "remove it and run the command again";
        check(&archive, &options.sha256, advice, progress)?;
        return Ok(archive);
    }
    transfer(&options.url, &part, progress)?;
    let advice = "it was removed; run the command again, and if this repeats, the address \
                  serves another file";
    if let Err(error) = check(&part, &options.sha256, advice, progress) {
        if error.is::<FetchError>() {
            // Resuming a wrong file would never make it right.
            let _ = fs::remove_file(&part);
        }
        return Err(error);
    }
    fsio::rename(&part, &archive)?;
    Ok(archive)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn length(path: &Path) -> Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(m) => Ok(Some(m.len())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Transfers `url` to `part`, going on where `part` ends.
pub(super) fn transfer(
    url: &str,
    part: &Path,
    progress: &mut impl FnMut(Stage, u64, u64),
) -> Result<()> {
    if !url.starts_with("http://") {
        return Err(FetchError::Scheme { url: url.into() }.into());
    }
    let unreachable = |source| FetchError::Unreachable {
        url: url.into(),
        source: Box::new(source),
    };
    let minute = Some(Duration::from_secs(60));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(minute)
        .timeout_recv_response(minute)
        // No limit on the whole transfer, which may take hours, but one on silence.
        .timeout_per_read(minute)
        .build()
        .into();
    let have = length(part)?.unwrap_or(0);
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(unreachable)?;
    let code = response.status().as_u16();
    let start = match code {
        200 => 0,
        206 if range_start(&response) == Some(have) => have,
        // Nothing lies beyond what is there: the hash decides whether it is right.
        416 if have > 0 => return Ok(()),
        _ => {
            return Err(FetchError::Status {
                url: url.into(),
                code,
            }
            .into());
        }
    };
    let expected = response.body().content_length().map(|n| start + n);
    let body = response.into_body().into_reader();
    let (got, whole) = append(body, part, start, expected, progress)?;
    // Without a length from the server, an orderly end of the stream is the only sign.
    if whole && expected.is_none_or(|n| n == got) {
        return Ok(());
    }
    Err(FetchError::Truncated {
        url: url.into(),
        got,
        expected,
        part: part.to_path_buf(),
    }
    .into())
}

/// Where a partial answer starts: the 7 of `Content-Range: bytes 7-99/100`.
fn range_start<B>(response: &ureq::http::Response<B>) -> Option<u64> {
    let value = response.headers().get("content-range")?.to_str().ok()?;
    value
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .parse()
        .ok()
}

/// Writes `body` to `part` from `start` on; returns the file's length then, and
/// whether the stream ended without an error.
fn append(
    mut body: impl Read,
    part: &Path,
    start: u64,
    expected: Option<u64>,
    progress: &mut impl FnMut(Stage, u64, u64),
) -> Result<(u64, bool), WriteError> {
    let fail = |source| WriteError {
        path: part.to_path_buf(),
        needed: expected.map(|n| n - start),
        source,
    };
    fs::create_dir_all(fsio::parent(part)).map_err(fail)?;
    let mut out = OpenOptions::new()
        .create(true)
        .append(start > 0)
        .write(true)
        .truncate(start == 0)
        .open(part)
        .map_err(fail)?;
    let mut got = start;
    let mut buffer = vec![0; 1 << 16];
    let whole = loop {
        match body.read(&mut buffer) {
            Ok(0) => break true,
            Ok(n) => {
                out.write_all(&buffer[..n]).map_err(fail)?;
                got += n as u64;
                progress(Stage::Fetch, got, expected.unwrap_or(0));
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break false,
        }
    };
    out.sync_all().map_err(fail)?;
    Ok((got, whole))
}

/// Fails unless the file has the SHA-256.
fn check(
    path: &Path,
    sha256: &str,
    advice: &'static str,
    progress: &mut impl FnMut(Stage, u64, u64),
) -> Result<()> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let total = length(path)?.unwrap_or(0);
    let mut hash = Sha256::new();
    let mut done = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).with_context(context)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        done += n as u64;
        progress(Stage::Check, done, total);
    }
    let found: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if found.eq_ignore_ascii_case(sha256) {
        return Ok(());
    }
    Err(FetchError::WrongHash {
        path: path.to_path_buf(),
        found,
        expected: sha256.to_owned(),
        advice,
    }
    .into())
}

#[cfg(test)]
mod tests;
