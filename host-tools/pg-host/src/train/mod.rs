//! Training: recipe in, trained parameters out.
//!
//! A run has two parts: epochs in floating point, then epochs with the
//! recipe's arithmetic (quantised, gated), which start from the averaged
//! weights of the first. Validation selects the epoch that is kept. Everything
//! random is a function of the seed and of a counter, so a run that is killed
//! and resumed gives the same numbers as one that is not.

mod any_recipe;
mod augment;
mod checkpoint;
mod corpus;
mod features;
pub mod image;
pub mod language;
mod lstm;
mod math;
mod matmul;
mod network;
mod optimiser;
mod options;
mod progress;
mod random;
pub mod recipe;
mod simd;
mod tally;
mod trainer;

pub use any_recipe::AnyRecipe;
pub use options::{Backend, TrainOptions};
pub use recipe::Recipe;
pub use tally::Record;

use crate::data::{Dataset, Split};
use crate::fsio;
use crate::model::TrainedModel;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How the run of a model ended.
#[derive(Debug)]
pub enum Outcome<M> {
    /// It is complete: `model.safetensors`, `recipe.toml` and `log.jsonl` are
    /// in the output directory.
    Finished(Box<M>),
    /// It was asked to stop; `--resume` goes on.
    Stopped,
}

/// Lets the interrupt signal (Ctrl-C) stop a run cleanly: the returned flag is
/// for [`TrainOptions::stop`]. A second signal ends the program at once.
///
/// # Errors
/// When another handler is installed.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(1);
        }
    })
    .context("cannot catch the interrupt signal")?;
    Ok(flag)
}

/// Trains `recipe`.
///
/// # Errors
/// When the data cannot be read, the run diverges, there is an unfinished run
/// and `resume` is off, or a file cannot be written. Files are replaced in one
/// step, and a checkpoint of the last epoch remains.
pub fn run(recipe: &Recipe, options: &TrainOptions) -> Result<Outcome<TrainedModel>> {
    let data = Dataset::open(&options.data_dir)?;
    make_directory(options)?;
    let corpus = corpus::Corpus::load(&data, recipe)?;
    let valid = corpus.held_out(&data, Split::Valid, recipe.validation.silence_clips)?;
    let mut trainer = trainer::Trainer::start(options, recipe, &corpus)?;
    if !trainer.run(&valid)? {
        return Ok(Outcome::Stopped);
    }
    let test = corpus.held_out(&data, Split::Test, 0)?;
    let model = trainer.finish(&test)?;
    finish(options, &recipe.to_toml()?, |path| model.save(path))?;
    Ok(Outcome::Finished(Box::new(model)))
}

fn make_directory(options: &TrainOptions) -> Result<()> {
    std::fs::create_dir_all(&options.out_dir).with_context(|| {
        format!(
            "cannot create the output directory {}",
            options.out_dir.display()
        )
    })
}

/// Writes recipe and model of a complete run, whose checkpoint is then of no
/// more use.
fn finish(
    options: &TrainOptions,
    recipe: &str,
    save: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    fsio::write_atomic(&options.out_dir.join("recipe.toml"), recipe.as_bytes())?;
    save(&options.out_dir.join("model.safetensors"))?;
    let checkpoint = options.checkpoint_path();
    std::fs::remove_file(&checkpoint).with_context(|| {
        format!(
            "the model is complete, but {} cannot be removed",
            checkpoint.display()
        )
    })
}

#[cfg(test)]
mod tests;
