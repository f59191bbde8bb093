//! Folders of training runs.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What lies in the folder of runs, by name.
///
/// # Errors
/// If it cannot be listed.
pub fn folders(runs: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(runs)
        .with_context(|| format!("cannot list the runs in {}", runs.display()))?;
    let mut folders = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    folders.sort();
    Ok(folders)
}

/// Name of a run's folder.
pub fn name(folder: &Path) -> String {
    (folder.file_name().unwrap_or_default().to_string_lossy()).into_owned()
}
