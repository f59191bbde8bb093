//! Training of word-level language models: recipe in, trained parameters out.
//!
//! The text is read by truncated back-propagation through time, the state
//! carried on from step to step. Forward and backward pass are written by hand
//! on slices: the LSTM is the one of the keyword models, `head.rs` is the
//! projection to the words with its softmax. Everything random is a function of
//! the seed and of a counter, so a run that is killed and resumed gives the
//! same numbers as one that is not.

mod batches;
mod checkpoint;
mod head;
mod network;
mod optimiser;
mod progress;
pub mod recipe;
mod scales;
mod tally;
mod trainer;
mod values;

pub use progress::summary;
pub use recipe::LanguageRecipe;
pub use tally::Record;

use super::options::TrainOptions;
use super::{Outcome, finish, make_directory};
use crate::language::Corpus;
use crate::language::model::LanguageModel;
use anyhow::Result;

/// Trains `recipe`.
///
/// # Errors
/// When the text cannot be read, the run diverges, there is an unfinished run
/// and `resume` is off, or a file cannot be written. Files are replaced in one
/// step, and a checkpoint of the last epoch remains.
pub fn run(recipe: &LanguageRecipe, options: &TrainOptions) -> Result<Outcome<LanguageModel>> {
    let corpus = Corpus::open(&options.data_dir, recipe.text.vocabulary)?;
    make_directory(options)?;
    let mut trainer = trainer::Trainer::start(options, recipe, &corpus)?;
    if !trainer.run()? {
        return Ok(Outcome::Stopped);
    }
    let model = trainer.finish()?;
    finish(options, &recipe.to_toml()?, |path| model.save(path))?;
    Ok(Outcome::Finished(Box::new(model)))
}

#[cfg(test)]
mod tests;
