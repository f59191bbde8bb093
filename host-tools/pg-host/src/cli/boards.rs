//! `verify`, `emulate`, `boards`.

use super::measure::parse_split;
use anyhow::{Context, Result, bail};
use clap::Args;
use pg_host::data::{Clip, Dataset, Split, images, spread};
use pg_host::emulator::{self, Feed, Record, Verification};
use pg_host::eval::picture_input;
use pg_host::image::ImageBytes;
use pg_host::language;
use pg_host::spotter::frame_end;
use pg_host::stream;
use pg_runtime::image::Image;
use std::path::{Path, PathBuf};

/// The image and clips that ship with the project.
pub(super) const SHIPPED_IMAGE: &str = "models/kws/kws.pgi";
pub(super) const SHIPPED_DATA: &str = "models/kws/pack";
/// Pictures that ship with the project, for image networks.
pub(super) const SHIPPED_PICTURES: &str = "models/pictures/drawn.bin";

/// Seed of the composed stream.
const STREAM_SEED: u64 = 1;

/// What the board is fed.
#[derive(Args)]
struct FeedArgs {
    /// Directory with manifest.csv; for an image network, with CIFAR-10's
    /// binary batches (or one such file), or with folders train/CLASS and
    /// val/CLASS of .jpg files; for a language model, with ptb.test.txt. By default
    /// the shipped clips or pictures.
    #[arg(long)]
    data: Option<PathBuf>,
    /// train, valid or test; pictures have train and test.
    #[arg(long, default_value = "test", value_parser = parse_split)]
    split: Split,
    /// Clips, pictures or sentences, spread evenly over the split; each starts from
    /// a reset.
    #[arg(long, default_value_t = 55)]
    clips: usize,
    /// Seconds of a stream, or words from the start of a text, throughout which the
    /// state is carried; 0 for none.
    #[arg(long, default_value_t = 60)]
    stream: u32,
}

impl FeedArgs {
    /// What to feed and the label of each clip or picture, or the word that each
    /// sentence ends with.
    fn feed(&self, image: &ImageBytes) -> Result<(Feed, Vec<String>)> {
        let image = image.image_of_any_target()?;
        if image.graph().is_some() {
            return self.pictures(&image);
        }
        if image.tokens().is_some() {
            return self.words(&image);
        }
        let shipped = PathBuf::from(SHIPPED_DATA);
        let data = Dataset::open(self.data.as_ref().unwrap_or(&shipped))?;
        data.require(self.split)?;
        let all: Vec<&Clip> = data.split(self.split).collect();
        let mut records = Vec::new();
        let mut labels = Vec::new();
        for i in spread(self.clips, all.len()) {
            let clip = all[i];
            labels.push(data.labels()[clip.label].clone());
            records.push(Record {
                reset: true,
                detect: false,
                samples: data.load(clip)?,
            });
        }
        if self.stream > 0 {
            records.push(Record {
                reset: true,
                detect: true,
                samples: stream::compose(&data, self.split, self.stream, STREAM_SEED)?.samples,
            });
        }
        Ok((Feed::Sound(records), labels))
    }

    fn pictures(&self, image: &Image<'_>) -> Result<(Feed, Vec<String>)> {
        let (shape, _) = picture_input(image)?;
        let shipped = PathBuf::from(SHIPPED_PICTURES);
        let data = self.data.as_ref().unwrap_or(&shipped);
        let set = images::open(data, shape.height, 0)?;
        let pictures = set.split(self.split)?;
        let [height, width, channels] = pictures.shape();
        if [height, width, channels] != [shape.height, shape.width, shape.channels] {
            bail!(
                "the network reads {}x{} pixels, the pictures in {} have {height}x{width}",
                shape.height,
                shape.width,
                data.display()
            );
        }
        let mut feed = Vec::new();
        let mut labels = Vec::new();
        for k in spread(self.clips, pictures.len()) {
            labels.push(set.labels[pictures.labels()[k]].clone());
            feed.push(pictures.pixels(k)?.into_owned());
        }
        Ok((Feed::Pictures(feed), labels))
    }

    /// Sentences, their last words left to the model; then the start of the text.
    fn words(&self, image: &Image<'_>) -> Result<(Feed, Vec<String>)> {
        let data = self.data.as_ref();
        let data = data.context("no text ships: --data names a directory with ptb.test.txt")?;
        let vocabulary = language::image_vocabulary(image)?;
        let text = language::corpus::read(data, self.split, &vocabulary)?;
        eprintln!(
            "{} of the {} words of the text are outside the image's {}, and read as <unk>",
            text.replaced,
            text.words.len(),
            vocabulary.len()
        );
        // The word before the first is the end of a line; a vocabulary in an image
        // has no more words than 16 bits count.
        let end = vocabulary.end();
        let tokens = |words: &[u32]| -> Vec<u16> {
            let before = std::iter::once(&end).chain(words);
            before.map(|&word| word as u16).collect()
        };
        let sentences = text.words.split(|&word| word == end);
        let sentences: Vec<&[u32]> = sentences.filter(|words| !words.is_empty()).collect();
        let (mut feed, mut labels) = (Vec::new(), Vec::new());
        for k in spread(self.clips, sentences.len()) {
            if let Some((&last, words)) = sentences[k].split_last() {
                feed.push(tokens(words));
                labels.push(vocabulary.words()[last as usize].clone());
            }
        }
        if self.stream > 0 {
            let words = text.words.len().min(self.stream as usize);
            feed.push(tokens(&text.words[..words]));
        }
        Ok((Feed::Words(feed), labels))
    }
}

/// Arguments of `verify`.
#[derive(Args)]
pub struct Verify {
    /// Model image.
    image: PathBuf,
    /// Board, repeatable; all that can run the image by default.
    #[arg(long = "board")]
    boards: Vec<String>,
    /// Firmware to run instead of building it; needs exactly one board.
    #[arg(long)]
    elf: Option<PathBuf>,
    #[command(flatten)]
    feed: FeedArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<()> {
        let image = ImageBytes::read(&self.image)?;
        let (feed, _) = self.feed.feed(&image)?;
        let boards: Vec<emulator::Board> = if self.boards.is_empty() {
            let all = emulator::boards()?.into_iter();
            all.filter(|board| feed.suits(board)).collect()
        } else {
            let found = self.boards.iter().map(|n| emulator::find(n));
            found.collect::<Result<_>>()?
        };
        if self.elf.is_some() && boards.len() != 1 {
            bail!("--elf goes with exactly one --board");
        }
        let mut results = Vec::new();
        for board in &boards {
            eprintln!("{} ({}) ...", board.name, board.core);
            let elf = match &self.elf {
                Some(elf) => elf.clone(),
                None => board.build(&image)?,
            };
            let result = emulator::verify(board, &elf, &image, &feed)?;
            if !self.json {
                print!("{result}");
            }
            results.push(result);
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&results)?);
        }
        Ok(())
    }
}

/// Arguments of `emulate`.
#[derive(Args)]
pub struct Emulate {
    /// Board.
    #[arg(long)]
    board: String,
    /// Firmware to run instead of building it.
    #[arg(long)]
    elf: Option<PathBuf>,
    /// Model image.
    #[arg(long, default_value = SHIPPED_IMAGE)]
    image: PathBuf,
    #[command(flatten)]
    feed: FeedArgs,
}

impl Emulate {
    pub fn run(mut self) -> Result<()> {
        let board = emulator::find(&self.board)?;
        let image = ImageBytes::read(&self.image)?;
        // A look at the board, not a proof: few clips, a short stream.
        self.feed.clips = self.feed.clips.min(11);
        self.feed.stream = self.feed.stream.min(20);
        let (feed, labels) = self.feed.feed(&image)?;
        let elf = match &self.elf {
            Some(elf) => elf.clone(),
            None => board.build(&image)?,
        };
        let result = emulator::verify(&board, Path::new(&elf), &image, &feed)?;
        for line in &result.log {
            println!("[{}] {}", line.level, line.message);
        }
        print_answers(&image, &result, &labels)?;
        print!("{result}");
        Ok(())
    }
}

fn print_answers(image: &ImageBytes, result: &Verification, labels: &[String]) -> Result<()> {
    let image = image.image_of_any_target()?;
    let outputs = result.outputs.as_ref().context("no outputs")?;
    for (label, answer) in labels.iter().zip(&outputs.answers) {
        let heard = answer.map_or("nothing", |a| image.label(a));
        println!("it was {label:<12} the board says {heard}");
    }
    for event in outputs.events.iter().flatten() {
        let label = image.label(usize::from(event.label));
        println!("stream {:7.2} s: {label}", frame_end(event.frame));
    }
    Ok(())
}

/// Lists the boards.
pub fn list() -> Result<()> {
    let devices = emulator::devices()?.into_iter();
    let all = (emulator::boards()?.into_iter().map(|board| (board, None)))
        .chain(devices.map(|(board, chip)| (board, Some(chip.name))));
    for (b, chip) in all {
        println!(
            "{:<21} {:<11} {:<28} {:<8} code {:>4} KB, model {:>4} KB, RAM {:>3} KB, {}",
            b.name,
            b.core,
            b.target,
            b.input.to_string(),
            b.flash / 1024,
            b.model.size / 1024,
            b.ram / 1024,
            chip.map_or("emulated".into(), |chip| format!("{chip}, two slots"))
        );
    }
    Ok(())
}
