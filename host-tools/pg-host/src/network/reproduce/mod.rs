//! The published table of image networks beside the runs of this project.

mod published;
mod table;

pub use published::{Method, PUBLISHED, Published};

use super::export::export;
use super::model::ImageModel;
use crate::data::images;
use crate::eval::evaluate_pictures;
use crate::model::ModelKind;
use crate::runs;
use anyhow::{Context, Result, ensure};
use pg_runtime::kernels::{Kernels, Selected};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A complete run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Folder of the run.
    pub run: String,
    /// Network.
    pub network: String,
    /// Method.
    pub method: Method,
    /// B and `B_hb`.
    pub bits: [u8; 2],
    /// Accuracy on the test split, percent.
    pub accuracy: f64,
    /// Share of closed outputs of gated layers, percent.
    pub sparsity: f64,
    /// Average bits of an activation in gated layers.
    pub average_bits: f64,
    /// Share of the multiply-accumulates executed, percent.
    pub executed: f64,
    /// Whether these are the runtime's figures, from the integers of the image,
    /// not the trainer's.
    pub by_runtime: bool,
    /// Seed.
    pub seed: u64,
    /// Epochs.
    pub epochs: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// The command that repeats it.
    pub command: String,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Published rows.
    pub published: Vec<Published>,
    /// Complete runs.
    pub rows: Vec<Row>,
    /// Folders of runs that are not complete.
    pub unfinished: Vec<String>,
}

impl Table {
    /// Reads every run below `runs`: a folder with `model.safetensors`. With
    /// `data`, quantised models are exported and evaluated by the runtime;
    /// otherwise, and for floating point, the figures are the trainer's.
    ///
    /// # Errors
    ///
    /// When the folder or a model cannot be read, or there is no run.
    pub fn read(runs: &Path, data: Option<&Path>) -> Result<Self> {
        let (mut rows, mut unfinished) = (Vec::new(), Vec::new());
        for folder in runs::folders(runs)? {
            let model = folder.join("model.safetensors");
            if folder.join("checkpoint.safetensors").is_file() && !model.is_file() {
                unfinished.push(runs::name(&folder));
            } else if is_image_network(&model)? {
                let row = row(&model, &folder, data);
                rows.push(row.with_context(|| format!("cannot use {}", model.display()))?);
            }
        }
        ensure!(
            rows.len() + unfinished.len() > 0,
            "{} has no runs: train with `pg-host train cifar10-resnet20 --data DIR --out {}/NAME`",
            runs.display(),
            runs.display()
        );
        let order = |row: &Row| (row.network.clone(), row.method, row.bits, row.run.clone());
        rows.sort_by_key(order);
        Ok(Self {
            published: PUBLISHED.to_vec(),
            rows,
            unfinished,
        })
    }
}

fn is_image_network(model: &PathBuf) -> Result<bool> {
    if !model.is_file() {
        return Ok(false);
    }
    let bytes = std::fs::read(model).with_context(|| format!("reading {}", model.display()))?;
    Ok(ImageModel::recognises(&bytes))
}

/// The fields of a recipe that rows state.
#[derive(serde::Deserialize)]
struct Recipe {
    mode: String,
    training: Training,
}

#[derive(serde::Deserialize)]
struct Training {
    epochs: usize,
}

fn row(model: &Path, folder: &Path, data: Option<&Path>) -> Result<Row> {
    let model = ImageModel::load(model)?;
    let meta = &model.meta;
    let recipe: Recipe = toml::from_str(&meta.recipe_toml).context("its recipe")?;
    let bits = match meta.kind {
        ModelKind::Float => [32, 32],
        ModelKind::Uniform => [meta.activation_bits; 2],
        ModelKind::Gated => [meta.activation_bits, meta.msb_bits],
    };
    let mut row = Row {
        run: runs::name(folder),
        network: meta.network.name.clone(),
        method: Method::of(&recipe.mode, meta.kind),
        bits,
        accuracy: 100.0 * meta.test.accuracy,
        sparsity: 100.0 * meta.test.sparsity,
        average_bits: meta.test.bits,
        executed: 100.0 * meta.test.executed,
        by_runtime: false,
        seed: meta.seed,
        epochs: recipe.training.epochs,
        seconds: meta.seconds,
        command: meta.command.clone(),
    };
    if let Some(data) = data.filter(|_| meta.kind != ModelKind::Float) {
        let image = export(&model, Selected::TARGET, true)?;
        let set = images::open(data, meta.network.input[0], meta.margin()?)?;
        let found = evaluate_pictures(&image, &set.test, ("test", &set.labels), &|_| ())?;
        row.accuracy = 100.0 * found.accuracy;
        row.sparsity = 100.0 * found.sparsity;
        row.executed = 100.0 * found.executed_macs;
        if meta.kind == ModelKind::Gated {
            row.average_bits = found.gated_bits;
        }
        row.by_runtime = true;
    }
    Ok(row)
}

#[cfg(test)]
mod tests;
