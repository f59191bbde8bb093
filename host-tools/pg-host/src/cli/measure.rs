//! `eval`, `run`, `detect`, `inspect`.

use super::show;
use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pg_host::data::{Dataset, Split, images, read_clip};
use pg_host::export::Gates;
use pg_host::image::ImageBytes;
use pg_host::language::{self, LanguageImage, LanguageModel};
use pg_host::model::TrainedModel;
use pg_host::network::report::NetworkReport;
use pg_host::network::{self, model::ImageModel};
use pg_host::spotter::{Spotter, arena};
use pg_host::{eval, inspect, stream};
use pg_runtime::audio::SAMPLE_RATE;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::probe::NoProbe;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A split by name.
pub fn parse_split(name: &str) -> Result<Split, String> {
    (Split::ALL.into_iter())
        .find(|s| s.name() == name)
        .ok_or_else(|| "choose train, valid or test".into())
}

/// Arguments of `eval`.
#[derive(Args)]
pub struct Eval {
    /// Model image; of a language model or an image network also the trained model
    /// (.safetensors), which is exported first.
    image: PathBuf,
    /// Directory with manifest.csv; for a language model, with ptb.test.txt; for an
    /// image network, with CIFAR-10's binary batches or with folders train/CLASS and
    /// val/CLASS of .jpg files.
    #[arg(long)]
    data: PathBuf,
    /// train, valid or test; pictures have train and test.
    #[arg(long, default_value = "test", value_parser = parse_split)]
    split: Split,
    /// Pixels around the input that .jpg files are scaled to, and that are cut
    /// off: the recipe's augmentation.pad, which a trained model states; 0 for
    /// an image.
    #[arg(long)]
    margin: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub fn run(self) -> Result<()> {
        if is_trained(&self.image) {
            return self.trained();
        }
        let image = ImageBytes::read_for_host(&self.image)?;
        if image.image()?.tokens().is_some() {
            return self.words(&LanguageImage::new(image)?);
        }
        if image.image()?.graph().is_some() {
            return self.pictures(&image, 0);
        }
        let data = Dataset::open(&self.data)?;
        let bar = bar(data.split(self.split).count())?;
        let result = eval::evaluate(&image, &data, self.split, &|n| bar.inc(n));
        bar.finish_and_clear();
        show(&result?, self.json)
    }

    fn words(self, image: &LanguageImage) -> Result<()> {
        let text = language::corpus::read(&self.data, self.split, image.vocabulary())?;
        let bar = bar(text.words.len())?;
        let result = language::evaluate(image, self.split, &text, &|n| bar.inc(n));
        bar.finish_and_clear();
        show(&result?, self.json)
    }

    fn trained(self) -> Result<()> {
        let bytes = std::fs::read(&self.image)
            .with_context(|| format!("cannot read {}", self.image.display()))?;
        if ImageModel::recognises(&bytes) {
            let model = ImageModel::load(&self.image)?;
            let image = network::export::export(&model, Selected::TARGET, true)?;
            return self.pictures(&image, model.meta.margin()?);
        }
        let model = LanguageModel::load(&self.image)?;
        self.words(&LanguageImage::of(&model, Gates::Learned)?)
    }

    /// `margin` is that of the model, where the user names none.
    fn pictures(self, image: &ImageBytes, margin: usize) -> Result<()> {
        let (shape, _) = eval::picture_input(&image.image()?)?;
        let margin = self.margin.unwrap_or(margin);
        let set = images::open(&self.data, shape.height, margin)?;
        let pictures = set.split(self.split)?;
        let bar = bar(pictures.len())?;
        let named = (self.split.name(), set.labels.as_slice());
        let result = eval::evaluate_pictures(image, pictures, named, &|n| bar.inc(n));
        bar.finish_and_clear();
        show(&result?, self.json)
    }
}

/// Whether a path names a trained model rather than an image.
fn is_trained(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "safetensors")
}

/// Prints what is known of a trained model.
fn show_meta(meta: &impl Serialize, json: bool) -> Result<()> {
    let text = if json {
        serde_json::to_string_pretty(meta)?
    } else {
        toml::to_string(meta)?
    };
    println!("{text}");
    Ok(())
}

fn bar(count: usize) -> Result<ProgressBar> {
    let bar = ProgressBar::new(count as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len}, {eta} left",
    )?);
    Ok(bar)
}

/// Arguments of `run`.
#[derive(Args)]
pub struct RunClip {
    /// Model image.
    image: PathBuf,
    /// WAV or FLAC, 16 kHz, mono, 16 bits.
    clip: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Answer {
    seconds: f64,
    label: String,
    posterior: f64,
    detections: Vec<stream::Detection>,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{:.2} s; at its end: {} ({:.1} %)",
            self.seconds,
            self.label,
            100.0 * self.posterior
        )?;
        for d in &self.detections {
            writeln!(f, "{:8.2} s  {:<10} {:.2}", d.time, d.label, d.score)?;
        }
        write!(f, "{} detections", self.detections.len())
    }
}

impl RunClip {
    pub fn run(self) -> Result<()> {
        let bytes = ImageBytes::read_for_host(&self.image)?;
        let image = bytes.image()?;
        let samples = read_clip(&self.clip)?;
        let mut memory = arena(&image);
        let mut spotter = Spotter::new(&image, &mut memory)?;
        let (mut frames, mut detections) = (0, Vec::new());
        // An image without detector settings gives no events.
        spotter.push(&samples, true, &mut NoProbe, |_, event| {
            frames += 1;
            detections.extend(event.map(|e| stream::Detection::of(e, &image)));
        })?;
        ensure!(
            frames > 0,
            "{} is shorter than one window of 40 ms",
            self.clip.display()
        );
        let output = spotter.output();
        let class = output.class();
        let posterior = output.posteriors.get(class).copied().unwrap_or(0);
        let answer = Answer {
            seconds: samples.len() as f64 / f64::from(SAMPLE_RATE),
            label: image.label(class).to_owned(),
            posterior: f64::from(posterior) / 32768.0,
            detections,
        };
        show(&answer, self.json)
    }
}

/// Arguments of `detect`.
#[derive(Args)]
pub struct Detect {
    /// Model image.
    image: PathBuf,
    /// Directory with manifest.csv.
    #[arg(long)]
    data: PathBuf,
    /// train, valid or test.
    #[arg(long, default_value = "valid", value_parser = parse_split)]
    split: Split,
    /// Length of the stream.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Seed of the stream.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Detect {
    pub fn run(self) -> Result<()> {
        let image = ImageBytes::read_for_host(&self.image)?;
        let data = Dataset::open(&self.data)?;
        let composed = stream::compose(&data, self.split, self.seconds, self.seed)?;
        let found = stream::detect(&image, &composed.samples)?;
        show(&stream::score(&composed, &found), self.json)
    }
}

/// Arguments of `inspect`.
#[derive(Args)]
pub struct Inspect {
    /// Model image, or a trained model (.safetensors) for what is known of it.
    image: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub fn run(self) -> Result<()> {
        if is_trained(&self.image) {
            let bytes = std::fs::read(&self.image)
                .with_context(|| format!("cannot read {}", self.image.display()))?;
            if ImageModel::recognises(&bytes) {
                let model = ImageModel::load(&self.image)?;
                return show(&NetworkReport::of(&model)?, self.json);
            }
            if LanguageModel::recognises(&bytes) {
                let mut meta = LanguageModel::load(&self.image)?.meta;
                if !self.json {
                    println!("words = {}", meta.vocabulary.len());
                    meta.vocabulary.clear();
                }
                return show_meta(&meta, self.json);
            }
            return show_meta(&TrainedModel::load(&self.image)?.meta, self.json);
        }
        let image = ImageBytes::read(&self.image)?;
        let report = inspect::inspect(&image)
            .with_context(|| format!("inspecting {}", self.image.display()))?;
        show(&report, self.json)
    }
}
