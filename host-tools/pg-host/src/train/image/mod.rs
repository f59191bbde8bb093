//! Training of image networks: recipe in, trained parameters out.
//!
//! The whole network is one operation with a hand-written backward pass
//! (`forward.rs`, `backward.rs`, `kernels/`), registered with Burn in
//! `burn_op.rs`; `reference.rs` is the same network composed of tensor
//! operations, for other backends and for tests. Everything random is a
//! function of the seed and of a counter, so a run that is killed and resumed
//! gives the same numbers as one that is not.

mod backward;
mod batches;
mod burn_op;
mod checkpoint;
mod export;
mod forward;
mod kernels;
mod optimiser;
mod plan;
mod progress;
pub mod recipe;
mod reference;
mod simple;
mod tally;
mod tape;
mod trainer;

pub use plan::ThresholdUnit;
pub use progress::summary;
pub use recipe::ImageRecipe;
pub use tally::Record;

use super::options::TrainOptions;
use super::{Outcome, finish, make_directory};
use crate::data::images;
use crate::network::model::ImageModel;
use anyhow::Result;

/// Trains `recipe`.
///
/// # Errors
/// When the data cannot be read, the run diverges, there is an unfinished run
/// and `resume` is off, or a file cannot be written. Files are replaced in one
/// step, and a checkpoint of the last epoch remains.
pub fn run(recipe: &ImageRecipe, options: &TrainOptions) -> Result<Outcome<ImageModel>> {
    // A crop moved by `pad` stays inside.
    let pad = recipe.augmentation.pad;
    let set = images::open(&options.data_dir, recipe.input.size, pad)?;
    make_directory(options)?;
    let mut trainer = trainer::Trainer::start(options, recipe, &set)?;
    if !trainer.run()? {
        return Ok(Outcome::Stopped);
    }
    let model = trainer.finish()?;
    finish(options, &recipe.to_toml()?, |path| model.save(path))?;
    Ok(Outcome::Finished(Box::new(model)))
}

#[cfg(test)]
mod tests;
