//! The state of an unfinished run, in one file that is replaced in one step.
use super::tally::Tally;
use crate::network::model::ImageMetrics;
use crate::tensors;
use crate::train::checkpoint::{load, save};
use anyhow::{Context, Result};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
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
        let list = [
            ("values", &self.values),
            ("velocity", &self.velocity),
            ("tracked", &self.tracked),
        ];
        let list = list.map(|(name, v)| (name, vec![v.len()], v.as_slice()));
        save(path, &tensors::write(KEY, &self.meta, list)?)
    }

    /// Reads a checkpoint; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there but cannot be read or is damaged.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        load(path, Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let meta = tensors::metadata(bytes, KEY)?.context("no checkpoint metadata")?;
        let file = SafeTensors::deserialize(bytes)?;
        let get = |name: &str| tensors::numbers(&file, name);
        Ok(Self {
            meta: serde_json::from_str(&meta)?,
            values: get("values")?,
            velocity: get("velocity")?,
            tracked: get("tracked")?,
        })
    }
}
