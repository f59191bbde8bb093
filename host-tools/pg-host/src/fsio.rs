//! Writing files so that nothing is ever left half-written.
//!
//! Everything the tool writes goes to a temporary name in the target's own
//! directory, is flushed to the disk, and is renamed into place. A crash, a full
//! disk or a kill leaves the old file, or no file, under the name asked for.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file or directory that could not be written. The old content, if there was
/// any, is untouched.
#[derive(Debug)]
pub struct WriteError {
    /// What was to be written.
    pub path: PathBuf,
    /// The size it was to have in bytes, where that was known beforehand.
    pub needed: Option<u64>,
    /// What the operating system said.
    pub source: io::Error,
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write {}", self.path.display())?;
        if let Some(needed) = self.needed {
            write!(f, " ({needed} bytes)")?;
        }
        let advice = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "the disk or quota is full; free that much space or write to another disk"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "the directory cannot be written to; change its permissions or write elsewhere"
            }
            io::ErrorKind::AlreadyExists => {
                "it is there already and is not overwritten; remove it or give another path"
            }
            io::ErrorKind::IsADirectory => "there is a directory of that name; give a file name",
            io::ErrorKind::NotADirectory => "a part of the path is a file; give another path",
            _ => "nothing was changed; see the cause and try again",
        };
        write!(f, ": {advice}")
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes `bytes` to `path`, replacing what is there in one step.
///
/// Missing parent directories are created.
///
/// # Errors
/// [`WriteError`]; `path` then has its old content or does not exist.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(path, Some(bytes.len() as u64), |out| out.write_all(bytes))
}

/// Writes what `fill` produces to `path`, replacing what is there in one step.
///
/// `needed` is the size to name in an error, in bytes, where it is known.
///
/// # Errors
/// [`WriteError`], also when `fill` fails; `path` then has its old content or
/// does not exist.
pub fn write_atomic_with(
    path: &Path,
    needed: Option<u64>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    write_with(path, needed, |out| fill(out))
}

fn write_with(
    path: &Path,
    needed: Option<u64>,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    let fail = |source| WriteError {
        path: path.to_path_buf(),
        needed,
        source,
    };
    let directory = parent(path);
    fs::create_dir_all(directory).map_err(fail)?;
    // Renaming over a directory fails only after all the bytes are written, and
    // with a less clear message: look first.
    if path.is_dir() {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    let mut temporary = temporary_file(directory, path).map_err(fail)?;
    let mut out = BufWriter::new(temporary.as_file_mut());
    fill(&mut out).and_then(|()| out.flush()).map_err(fail)?;
    drop(out);
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(path).map_err(|e| fail(e.error))?;
    sync_directory(directory);
    Ok(())
}

/// The content of a file; `None` if there is none.
///
/// # Errors
/// If it is there and cannot be read.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Renames the finished file or directory `from` to `to` (same file system) and
/// makes the new name durable.
///
/// # Errors
/// [`WriteError`] naming `to`.
pub fn rename(from: &Path, to: &Path) -> Result<(), WriteError> {
    fs::rename(from, to).map_err(|source| WriteError {
        path: to.to_path_buf(),
        needed: None,
        source,
    })?;
    sync_directory(parent(to));
    Ok(())
}

/// A directory built under a temporary name beside its final one, and renamed when
/// complete. Dropped before [`StagedDir::publish`], it is removed.
#[derive(Debug)]
pub struct StagedDir {
    temporary: tempfile::TempDir,
    target: PathBuf,
}

impl StagedDir {
    /// Makes an empty directory next to `target`, creating missing parents.
    ///
    /// # Errors
    /// [`WriteError`] naming `target`; also when something is there already.
    pub fn new(target: &Path) -> Result<Self, WriteError> {
        let fail = |source| WriteError {
            path: target.to_path_buf(),
            needed: None,
            source,
        };
        if target.exists() {
            return Err(fail(io::ErrorKind::AlreadyExists.into()));
        }
        fs::create_dir_all(parent(target)).map_err(fail)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        #[cfg(unix)]
        builder.permissions(permissions);
        Ok(Self {
            temporary: builder.tempdir_in(parent(target)).map_err(fail)?,
            target: target.to_path_buf(),
        })
    }

    /// Where to put the content.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the directory its final name.
    ///
    /// # Errors
    /// [`WriteError`]; the temporary directory is removed then.
    pub fn publish(self) -> Result<(), WriteError> {
        rename(self.temporary.path(), &self.target)?;
        // It has moved: nothing to remove under the old name.
        let _ = self.temporary.keep();
        Ok(())
    }
}

/// The directory `path` lies in, `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

fn temporary_file(directory: &Path, path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // Temporary files are private by default; the result is an ordinary file, so
    // ask for what `File::create` would (the process umask still applies).
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(directory)
}

/// Makes a rename durable. Not every file system can do it, and the content is
/// already safe under one of the two names, so a failure is not an error.
fn sync_directory(directory: &Path) {
    if let Ok(handle) = File::open(directory) {
        let _ = handle.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/model.pgi");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(&dir.path().join("new")), ["model.pgi"]);
    }

    #[test]
    fn a_full_disk_keeps_the_old_file_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.pgi");
        write_atomic(&path, b"old").unwrap();
        let error = write_atomic_with(&path, Some(1000), |out| {
            out.write_all(&[0; 500])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("model.pgi") && text.contains("1000 bytes"));
        assert!(text.contains("free that much space"), "{text}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["model.pgi"]);
    }

    /// A device that is always full: the real error, from the real system call.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_full_disk_error_is_recognised() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        let error =
            write_atomic_with(&path, Some(7), |_| (&full).write_all(b"weights")).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_directory_or_a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomic(dir.path(), b"x").unwrap_err();
        assert!(error.to_string().contains("give a file name"), "{error}");
        let file = dir.path().join("file");
        write_atomic(&file, b"x").unwrap();
        let error = write_atomic(&file.join("below"), b"x").unwrap_err();
        assert!(error.to_string().contains("below"), "{error}");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn a_staged_directory_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("set");
        let staged = StagedDir::new(&target).unwrap();
        fs::write(staged.path().join("a"), b"x").unwrap();
        assert!(!target.exists());
        drop(staged);
        assert!(names(dir.path()).is_empty());
        let staged = StagedDir::new(&target).unwrap();
        fs::write(staged.path().join("a"), b"x").unwrap();
        staged.publish().unwrap();
        assert_eq!(names(dir.path()), ["set"]);
        assert_eq!(names(&target), ["a"]);
        let error = StagedDir::new(&target).unwrap_err();
        assert!(error.to_string().contains("there already"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn files_get_ordinary_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().join("ours");
        write_atomic(&ours, b"x").unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, b"x").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
