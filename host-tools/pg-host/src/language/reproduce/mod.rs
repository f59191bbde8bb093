//! The published table of the language model beside the runs of this project.

mod table;

use super::corpus::read;
use super::eval::evaluate;
use super::image::LanguageImage;
use super::model::{LanguageMetrics, LanguageModel};
use crate::data::Split;
use crate::export::Gates;
use crate::model::{ModelKind, SplitKind};
use crate::runs;
use crate::train::language::{LanguageRecipe, Record};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::path::Path;

/// A published result: Zhang et al., "Precision Gating", ICLR 2020.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Perplexity per word on the test text.
    pub perplexity: f64,
    /// Share of closed outputs, Sp; 0 without a gate.
    pub sparsity: f64,
    /// Average bits of an activation.
    pub average_bits: f64,
}

/// Mode, B and `B_hb` of the published rows.
const PUBLISHED: [(ModelKind, [u8; 2], Published); 4] = [
    (ModelKind::Float, [32, 32], published(110.1, 0.0, 32.0)),
    (ModelKind::Uniform, [8, 8], published(109.8, 0.0, 8.0)),
    (ModelKind::Uniform, [4, 4], published(110.8, 0.0, 4.0)),
    (ModelKind::Gated, [4, 2], published(108.5, 0.484, 3.0)),
];

const fn published(perplexity: f64, sparsity: f64, average_bits: f64) -> Published {
    Published {
        perplexity,
        sparsity,
        average_bits,
    }
}

/// A complete run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Folder of the run.
    pub run: String,
    /// Arithmetic, in words.
    pub model: String,
    /// How the LSTM computes.
    pub kind: ModelKind,
    /// B and `B_hb`.
    pub bits: [u8; 2],
    /// The published row of the same mode and bits.
    pub published: Option<Published>,
    /// On the test text.
    pub test: LanguageMetrics,
    /// Whether [`Self::test`] is the runtime's, not the trainer's.
    pub by_runtime: bool,
    /// Seed.
    pub seed: u64,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Seconds of training.
    pub seconds: f64,
    /// The command that repeats it.
    pub command: String,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Complete runs: float, uniform, gated; falling bits.
    pub rows: Vec<Row>,
    /// Folders of runs that are not complete.
    pub unfinished: Vec<String>,
}

impl Table {
    /// Reads every run below `runs`: a folder with `recipe.toml` and
    /// `log.jsonl`. With `data`, the directory of the texts, quantised models
    /// are evaluated by the runtime; otherwise, and for floating point, the
    /// figures are the trainer's, from the log.
    ///
    /// # Errors
    /// When the folder or a run's file cannot be read, or there is no run.
    pub fn read(runs: &Path, data: Option<&Path>) -> Result<Self> {
        let mut folders = runs::folders(runs)?;
        folders.retain(|folder| folder.join("log.jsonl").is_file());
        let (mut rows, mut unfinished) = (Vec::new(), Vec::new());
        for folder in &folders {
            let row = row(folder, data);
            match row.with_context(|| format!("cannot use the run {}", folder.display()))? {
                Some(row) => rows.push(row),
                None => unfinished.push(runs::name(folder)),
            }
        }
        ensure!(
            rows.len() + unfinished.len() > 0,
            "{} has no runs: train with `pg-host train ptb-lstm300 --data DIR --out {}/NAME`",
            runs.display(),
            runs.display()
        );
        rows.sort_by_key(|r| {
            let kind = [ModelKind::Float, ModelKind::Uniform, ModelKind::Gated];
            let kind = kind.iter().position(|k| *k == r.kind);
            (kind, r.bits.map(std::cmp::Reverse), r.run.clone())
        });
        Ok(Self { rows, unfinished })
    }
}

/// The row of a run; `None` if it is not complete.
fn row(folder: &Path, data: Option<&Path>) -> Result<Option<Row>> {
    let log = std::fs::read_to_string(folder.join("log.jsonl"))?;
    let last: Option<Record> = log.lines().last().map(serde_json::from_str).transpose()?;
    let recipe = folder.join("recipe.toml");
    let Some((last, true)) = last.map(|l| (l, recipe.is_file())) else {
        return Ok(None);
    };
    let Some(mut test) = last.test else {
        return Ok(None);
    };
    let recipe = LanguageRecipe::parse(&std::fs::read_to_string(recipe)?)?;
    let (m, g, kind) = (&recipe.model, &recipe.gate, recipe.kind());
    let bits = match kind {
        ModelKind::Float => [32, 32],
        ModelKind::Uniform => [m.activation_bits; 2],
        ModelKind::Gated => [m.activation_bits, m.msb_bits],
    };
    let model = match kind {
        ModelKind::Float => "float".to_owned(),
        ModelKind::Uniform => format!("uniform {}", m.activation_bits),
        ModelKind::Gated => format!(
            "{} {}/{}, {}, one threshold a {}, {}",
            recipe.mode.name(),
            m.activation_bits,
            m.msb_bits,
            word(&g.test)?,
            word(&g.granularity)?,
            word(&m.digits)?
        ),
    };
    let runs_as_integers = match kind {
        ModelKind::Float => false,
        ModelKind::Uniform => true,
        ModelKind::Gated => m.digits == SplitKind::Rounded,
    };
    let by_runtime = data.filter(|_| runs_as_integers);
    if let Some(data) = by_runtime {
        let trained = LanguageModel::load(&folder.join("model.safetensors"))?;
        let text = read(data, Split::Test, &trained.vocabulary()?)?;
        let image = LanguageImage::of(&trained, Gates::Learned)?;
        let found = evaluate(&image, Split::Test, &text, &|_| ())?;
        test = LanguageMetrics {
            loss: found.loss,
            perplexity: found.perplexity,
            sparsity: found.sparsity,
            bits: found.average_bits,
            columns: found.columns_applied,
            executed: found.executed_macs,
        };
    }
    let same = |p: &&(ModelKind, [u8; 2], Published)| (p.0, p.1) == (kind, bits);
    Ok(Some(Row {
        run: runs::name(folder),
        model,
        kind,
        bits,
        published: PUBLISHED.iter().find(same).map(|p| p.2),
        test,
        by_runtime: by_runtime.is_some(),
        seed: last.seed,
        epochs: last.epoch,
        seconds: last.seconds,
        command: last.command,
    }))
}

/// A key's value as recipes write it.
fn word(value: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(value)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
