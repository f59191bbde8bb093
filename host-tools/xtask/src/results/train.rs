//! One trained run, there already or made now.

use crate::shell::{pg_host, run as show};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A run of the keyword recipe.
pub struct Run<'r> {
    /// Where it is kept.
    pub out: PathBuf,
    pub seed: u64,
    /// What the recipe changes.
    pub set: &'r [String],
    /// The run whose epochs in floating point are the same, if it is there.
    pub shares: Option<PathBuf>,
}

impl Run<'_> {
    /// The model, trained unless it is there; `None` if it is not and must not
    /// be trained.
    pub fn model(&self, data: &Path, train: bool) -> Result<Option<PathBuf>> {
        let model = self.out.join("model.safetensors");
        if model.is_file() {
            return Ok(Some(model));
        }
        if !train {
            eprintln!("{} is not there: left out", model.display());
            return Ok(None);
        }
        let mut command = pg_host(["train", "kws", "--resume", "--data"]);
        command.arg(data).arg("--out").arg(&self.out);
        command.arg("--seed").arg(self.seed.to_string());
        for set in self.set {
            command.args(["--set", set]);
        }
        let shared = self.shares.as_ref();
        if let Some(shared) = shared.filter(|run| run.join("float.safetensors").is_file()) {
            command.arg("--float-from").arg(shared);
        }
        show(&mut command)?;
        Ok(Some(model))
    }

    /// Exports the model; returns the image.
    pub fn export(&self, model: &Path) -> Result<PathBuf> {
        let image = self.out.join("kws.pgi");
        show(pg_host(["export"]).arg(model).arg("--output").arg(&image))?;
        Ok(image)
    }
}
