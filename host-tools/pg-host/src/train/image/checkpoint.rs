//! The state of an unfinished run, in one file that is replaced in one step.
use super::tally::Tally;
use crate::fsio;
use crate::network::model::ImageMetrics;
use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

const KEY: &str = "pg-image-checkpoint";

/// What identifies a run and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The recipe, complete.
    pub recipe: String,
    /// Labels, and images in the training split.
    pub labels: Vec<String>,
    /// Likewise.
    pub images: usize,
    /// Steps done.
    pub step: u64,
    /// Seconds spent, over all resumed runs.
    pub seconds: f64,
    /// The current epoch so far.
    pub tally: Tally,
    /// Epoch and result of the last evaluation.
    pub test: Option<(usize, ImageMetrics)>,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub meta: Meta,
    /// Trained values.
    pub values: Vec<f32>,
    /// Their velocity.
    pub velocity: Vec<f32>,
    /// Running means and variances.
    pub tracked: Vec<f32>,
}

impl Checkpoint {
    /// Writes the checkpoint.
    ///
    /// # Errors
    /// When the file cannot be written; an earlier one is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = [
            ("values", &self.values),
            ("velocity", &self.velocity),
            ("tracked", &self.tracked),
        ];
        let bytes = tensors.map(|(name, v)| {
            let bytes: Vec<u8> = v.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, v.len(), bytes)
        });
        let views: Vec<(&str, TensorView<'_>)> = (bytes.iter())
            .map(|(name, n, b)| Ok((*name, TensorView::new(Dtype::F32, vec![*n], b)?)))
            .collect::<Result<_>>()?;
        let meta = HashMap::from([(KEY.to_string(), serde_json::to_string(&self.meta)?)]);
        fsio::write_atomic(path, &serialize(views, Some(meta))?)
            .context("cannot write the checkpoint; the last one is kept")
    }

    /// Reads a checkpoint; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there but cannot be read or is damaged.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                return Err(e)
                    .with_context(|| format!("cannot read the checkpoint {}", path.display()));
            }
        };
        Self::from_bytes(&bytes).map(Some).with_context(|| {
            format!(
                "the checkpoint {} is damaged or of another version; remove it and train anew",
                path.display()
            )
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let meta = (header.metadata().as_ref())
            .and_then(|m| m.get(KEY))
            .context("no checkpoint metadata")?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let get = |name: &str| -> Result<Vec<f32>> {
            let view = tensors.tensor(name)?;
            ensure!(view.dtype() == Dtype::F32, "tensor {name} is not f32");
            let words = view.data().chunks_exact(4);
            Ok(words
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect())
        };
        Ok(Self {
            meta: serde_json::from_str(meta)?,
            values: get("values")?,
            velocity: get("velocity")?,
            tracked: get("tracked")?,
        })
    }
}
