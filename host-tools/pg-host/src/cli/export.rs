//! `export`.

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use pg_host::export::{ExportOptions, Gates, export};
use pg_host::fsio;
use pg_host::image::{ImageBytes, LayerSpec, WeightCopies, build, unpack};
use pg_host::inspect::inspect;
use pg_host::language::{self, LanguageModel};
use pg_host::model::TrainedModel;
use pg_host::network::{self, model::ImageModel};
use pg_runtime::layout::{Target, WeightBits};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, ValueEnum)]
enum Copies {
    One,
    Two,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Weights {
    Packed,
    Unpacked,
}

#[derive(Clone, Copy, ValueEnum)]
enum GateChoice {
    Learned,
    Open,
}

/// Arguments of `export`.
#[derive(Args)]
pub struct Export {
    /// Trained model (.safetensors).
    model: PathBuf,
    /// Model image to write.
    #[arg(long, short)]
    output: PathBuf,
    /// Copies of the recurrent weights: one is smallest, two fastest.
    #[arg(long, value_enum, default_value = "two")]
    copies: Copies,
    /// Cores to lay the weights out for: swar (any), dsp (Cortex-M4, M7, M33)
    /// or simd (this host). Images are laid out again where needed.
    #[arg(long, value_parser = super::target, default_value = "swar")]
    target: Target,
    /// Weights of 4 bits two a byte, or one: for firmware without them.
    #[arg(long, value_enum, default_value = "packed")]
    weights: Weights,
    /// Learned gates, or all open: the plain integer network for comparison.
    #[arg(long, value_enum, default_value = "learned")]
    gates: GateChoice,
    /// Of a language model: keep only so many words of its vocabulary, the most
    /// frequent ones, besides <unk> and <eos>; all by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    words: Option<u32>,
    /// Averaged posterior above which a word is reported, 0 to 1.
    #[arg(long)]
    threshold: Option<f64>,
    /// Averaged posterior below which the word may be reported again.
    #[arg(long)]
    release: Option<f64>,
    /// Frames averaged, 1 to 16.
    #[arg(long)]
    smooth: Option<u8>,
    /// Frames of 20 ms after an event in which nothing is reported.
    #[arg(long)]
    refractory: Option<u8>,
}

/// Arguments of `repack`.
#[derive(Args)]
pub struct Repack {
    /// Model image.
    image: PathBuf,
    /// Model image to write.
    #[arg(long, short)]
    output: PathBuf,
    /// Cores to lay the weights out for; as they are by default.
    #[arg(long, value_parser = super::target)]
    target: Option<Target>,
    /// Copies of the recurrent weights; as they are by default.
    #[arg(long, value_enum)]
    copies: Option<Copies>,
    /// Weights of 4 bits two a byte, or one; as they are by default.
    #[arg(long, value_enum)]
    weights: Option<Weights>,
}

impl Repack {
    pub fn run(self) -> Result<()> {
        let bytes = ImageBytes::read(&self.image)?;
        let image = bytes.image_of_any_target()?;
        let mut spec = unpack(&image);
        if let Some(copies) = self.copies {
            for layer in &mut spec.layers {
                if let LayerSpec::Lstm(l) = layer {
                    l.copies = copies.into();
                }
            }
        }
        if let Some(choice) = self.weights {
            for bits in spec.layers.iter_mut().filter_map(LayerSpec::weight_bits) {
                *bits = choice.into();
            }
        }
        let image = build(&spec, self.target.unwrap_or(image.target()))?;
        write(&self.output, &image)
    }
}

impl From<Weights> for WeightBits {
    fn from(weights: Weights) -> Self {
        match weights {
            Weights::Packed => Self::Four,
            Weights::Unpacked => Self::Eight,
        }
    }
}

impl From<Copies> for WeightCopies {
    fn from(copies: Copies) -> Self {
        match copies {
            Copies::One => Self::One,
            Copies::Two => Self::Two,
        }
    }
}

/// Writes an image and says what is in it.
fn write(path: &Path, image: &ImageBytes) -> Result<()> {
    fsio::write_atomic(path, image.as_bytes())?;
    println!("{}", inspect(image)?);
    Ok(())
}

fn q15(name: &str, x: f64) -> Result<u16> {
    ensure!(
        x > 0.0 && x < 1.0,
        "--{name} must lie between 0 and 1, not {x}"
    );
    Ok(((x * 32768.0).round() as u16).clamp(1, 32767))
}

impl Export {
    pub fn run(self) -> Result<()> {
        let bytes = std::fs::read(&self.model)
            .with_context(|| format!("cannot read the trained model {}", self.model.display()))?;
        if ImageModel::recognises(&bytes) {
            return self.pictures();
        }
        if LanguageModel::recognises(&bytes) {
            return self.words();
        }
        self.all_words()?;
        let model = TrainedModel::load(&self.model)?;
        let mut options = self.options();
        let d = &mut options.detector;
        if let Some(x) = self.threshold {
            d.threshold = q15("threshold", x)?;
            d.release = d.release.min(d.threshold);
        }
        if let Some(x) = self.release {
            d.release = q15("release", x)?;
        }
        d.smooth = self.smooth.unwrap_or(d.smooth);
        d.refractory = self.refractory.unwrap_or(d.refractory);
        write(&self.output, &export(&model, &options)?)
    }

    fn options(&self) -> ExportOptions {
        ExportOptions {
            copies: self.copies.into(),
            target: self.target,
            packed: self.weights == Weights::Packed,
            gates: match self.gates {
                GateChoice::Learned => Gates::Learned,
                GateChoice::Open => Gates::Open,
            },
            ..ExportOptions::default()
        }
    }

    /// Exports an image network.
    fn pictures(self) -> Result<()> {
        self.no_detector("an image network")?;
        self.all_words()?;
        let model = ImageModel::load(&self.model)?;
        let gates = matches!(self.gates, GateChoice::Learned);
        let image = network::export::export(&model, self.target, gates)?;
        write(&self.output, &image)
    }

    /// Exports a language model.
    fn words(self) -> Result<()> {
        self.no_detector("a language model")?;
        let mut model = LanguageModel::load(&self.model)?;
        if let Some(count) = self.words {
            let all = model.meta.vocabulary.len();
            model = language::with_words(&model, count as usize)?;
            println!(
                "vocabulary {} of {all} words: the most frequent, <unk> and <eos>",
                model.meta.vocabulary.len()
            );
        }
        write(&self.output, &language::export(&model, &self.options())?)
    }

    fn no_detector(&self, model: &str) -> Result<()> {
        let given =
            self.threshold.or(self.release).is_some() || self.smooth.or(self.refractory).is_some();
        ensure!(
            !given,
            "{model} has no detector: leave out --threshold, --release, --smooth and --refractory"
        );
        Ok(())
    }

    fn all_words(&self) -> Result<()> {
        ensure!(
            self.words.is_none(),
            "--words is for language models: this one has no vocabulary"
        );
        Ok(())
    }
}
