//! `train`.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use pg_host::language::LanguageModel;
use pg_host::model::{TrainedMetrics, TrainedModel};
use pg_host::network::model::ImageModel;
use pg_host::train::image::{self, ImageRecipe};
use pg_host::train::language::{self, LanguageRecipe};
use pg_host::train::{AnyRecipe, Backend, Outcome, Recipe, TrainOptions, run, stop_on_interrupt};
use std::path::PathBuf;

#[derive(Clone, Copy, ValueEnum)]
enum Device {
    Cpu,
    Cuda,
}

/// Arguments of `train`.
#[derive(Args)]
pub struct Train {
    /// `kws`, `cifar10-resnet20`, `cifar10-shiftnet20`,
    /// `imagenet-shufflenetv2-0.5x`, `ptb-lstm300`, or a recipe file (.toml).
    recipe: String,
    /// Directory with manifest.csv, with the batches of CIFAR-10, or with
    /// ptb.train.txt, ptb.valid.txt and ptb.test.txt.
    #[arg(long, required_unless_present = "print_recipe")]
    data: Option<PathBuf>,
    /// Directory for the checkpoint, the log and the model.
    #[arg(long, required_unless_present = "print_recipe")]
    out: Option<PathBuf>,
    /// Replace one value of the recipe, as `mode=uniform` or
    /// `gate.threshold=0.3`; repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the arithmetic runs.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Device,
    /// Continue the unfinished run in the output directory, if there is one.
    #[arg(long)]
    resume: bool,
    /// Take the floating-point epochs from the run in this directory instead of
    /// training them again: they are the same to the last bit. Its recipe may
    /// differ in what only the quantised epochs read: `mode`, `gate`, bits and
    /// ranges, `pressure.temporal` and the quantised epochs' own settings.
    #[arg(long, value_name = "DIR")]
    float_from: Option<PathBuf>,
    /// Stop after this many steps, with a checkpoint.
    #[arg(long, value_name = "STEPS")]
    stop_after: Option<u64>,
    /// Seconds between checkpoints.
    #[arg(long, default_value_t = 60)]
    checkpoint_seconds: u64,
    /// Only print the recipe, with the replacements made.
    #[arg(long)]
    print_recipe: bool,
    /// No progress.
    #[arg(long)]
    quiet: bool,
}

impl Train {
    pub fn run(mut self) -> Result<()> {
        if let Some(seed) = self.seed {
            self.overrides.push(format!("seed={seed}"));
        }
        let recipe = AnyRecipe::named(&self.recipe)?.with_overrides(&self.overrides)?;
        if self.print_recipe {
            print!("{}", recipe.to_toml()?);
            return Ok(());
        }
        let (data, out) = (self.data.clone().zip(self.out.clone()))
            .context("name the data with --data and the output with --out")?;
        let mut options = TrainOptions::new(data, &out);
        options.backend = match self.device {
            Device::Cpu => Backend::Cpu,
            Device::Cuda => Backend::Cuda,
        };
        options.resume = self.resume;
        options.float_from = self.float_from.clone();
        options.stop_after = self.stop_after;
        options.checkpoint_seconds = self.checkpoint_seconds;
        options.command = self.command();
        options.quiet = self.quiet;
        options.stop = stop_on_interrupt()?;
        let finished = match &recipe {
            AnyRecipe::Kws(recipe) => keywords(recipe, &options)?,
            AnyRecipe::Image(recipe) => images(recipe, &options)?,
            AnyRecipe::Language(recipe) => words(recipe, &options)?,
        };
        if finished {
            println!("written to {}", out.join("model.safetensors").display());
        } else {
            println!(
                "stopped; the checkpoint is in {}: the same command with --resume goes on",
                out.display()
            );
        }
        Ok(())
    }

    /// What repeats the run: no paths, they differ from machine to machine.
    fn command(&self) -> String {
        let mut words = format!("pg-host train {}", self.recipe);
        for set in &self.overrides {
            words += &format!(" --set {set}");
        }
        words + " --data DIR --out DIR"
    }
}

/// Trains a keyword model; whether it is complete.
fn keywords(recipe: &Recipe, options: &TrainOptions) -> Result<bool> {
    match run(recipe, options)? {
        Outcome::Finished(model) => report(&model),
        Outcome::Stopped => return Ok(false),
    }
    Ok(true)
}

/// Trains an image network; whether it is complete.
fn images(recipe: &ImageRecipe, options: &TrainOptions) -> Result<bool> {
    match image::run(recipe, options)? {
        Outcome::Finished(model) => report_images(&model),
        Outcome::Stopped => return Ok(false),
    }
    Ok(true)
}

/// Trains a language model; whether it is complete.
fn words(recipe: &LanguageRecipe, options: &TrainOptions) -> Result<bool> {
    match language::run(recipe, options)? {
        Outcome::Finished(model) => report_words(&model),
        Outcome::Stopped => return Ok(false),
    }
    Ok(true)
}

fn report_words(model: &LanguageModel) {
    let meta = &model.meta;
    println!(
        "epoch {} selected by validation; {} parameters; {:.0} s",
        meta.epoch,
        model.parameters(),
        meta.seconds
    );
    println!("perplexity: valid {}", language::summary(&meta.valid));
    println!("            test {}", language::summary(&meta.test));
}

fn report_images(model: &ImageModel) {
    let meta = &model.meta;
    println!(
        "epoch {}; test {}; {:.0} s",
        meta.epoch,
        image::summary(&meta.test),
        meta.seconds
    );
}

fn report(model: &TrainedModel) {
    let meta = &model.meta;
    let line = |split: &str, m: &TrainedMetrics| {
        println!(
            "{split:<6} accuracy {:.2} %, Sp {:.1} %, columns changed {:.1} % (by {:.1} % steps), MACs executed {:.1} %",
            100.0 * m.accuracy,
            100.0 * m.sparsity,
            100.0 * m.changed,
            100.0 * m.entries,
            100.0 * m.executed
        );
    };
    println!(
        "epoch {} selected by validation; {} parameters; {:.0} s",
        meta.epoch,
        model.parameters(),
        meta.seconds
    );
    line("valid", &meta.valid);
    if let Some(test) = &meta.test {
        line("test", test);
    }
}
