//! `verify`, `emulate`, `boards`.

use super::measure::parse_split;
use anyhow::{Context, Result, bail};
use clap::Args;
use pg_host::data::{Clip, Dataset, Split};
use pg_host::emulator::{self, Record, Verification};
use pg_host::image::ImageBytes;
use pg_host::spotter::frame_end;
use pg_host::stream;
use std::path::{Path, PathBuf};

/// The image and clips that ship with the project.
pub(super) const SHIPPED_IMAGE: &str = "models/kws/kws.pgi";
pub(super) const SHIPPED_DATA: &str = "models/kws/pack";

/// Seed of the composed stream.
const STREAM_SEED: u64 = 1;

/// What the board is fed.
#[derive(Args)]
struct Feed {
    /// Directory with manifest.csv.
    #[arg(long, default_value = SHIPPED_DATA)]
    data: PathBuf,
    /// train, valid or test.
    #[arg(long, default_value = "test", value_parser = parse_split)]
    split: Split,
    /// Clips, spread evenly over the split; each starts from a reset.
    #[arg(long, default_value_t = 55)]
    clips: usize,
    /// Seconds of a stream whose state is carried throughout; 0 for none.
    #[arg(long, default_value_t = 60)]
    stream: u32,
}

impl Feed {
    fn records(&self) -> Result<(Vec<Record>, Vec<String>)> {
        let data = Dataset::open(&self.data)?;
        data.require(self.split)?;
        let all: Vec<&Clip> = data.split(self.split).collect();
        let count = self.clips.min(all.len());
        let mut records = Vec::new();
        let mut labels = Vec::new();
        for i in 0..count {
            let clip = all[i * all.len() / count];
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
        Ok((records, labels))
    }
}

/// Arguments of `verify`.
#[derive(Args)]
pub struct Verify {
    /// Model image.
    image: PathBuf,
    /// Board, repeatable; all by default.
    #[arg(long = "board")]
    boards: Vec<String>,
    /// Firmware to run instead of building it; needs exactly one board.
    #[arg(long)]
    elf: Option<PathBuf>,
    #[command(flatten)]
    feed: Feed,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<()> {
        let image = ImageBytes::read(&self.image)?;
        let boards = if self.boards.is_empty() {
            emulator::boards()?
        } else {
            let found = self.boards.iter().map(|n| emulator::find(n));
            found.collect::<Result<_>>()?
        };
        if self.elf.is_some() && boards.len() != 1 {
            bail!("--elf goes with exactly one --board");
        }
        let (records, _) = self.feed.records()?;
        let mut results = Vec::new();
        for board in &boards {
            eprintln!("{} ({}) ...", board.name, board.core);
            let elf = match &self.elf {
                Some(elf) => elf.clone(),
                None => board.build(&image)?,
            };
            let result = emulator::verify(board, &elf, &image, &records)?;
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
    feed: Feed,
}

impl Emulate {
    pub fn run(mut self) -> Result<()> {
        let board = emulator::find(&self.board)?;
        let image = ImageBytes::read(&self.image)?;
        // A look at the board, not a proof: few clips, a short stream.
        self.feed.clips = self.feed.clips.min(11);
        self.feed.stream = self.feed.stream.min(20);
        let (records, labels) = self.feed.records()?;
        let elf = match &self.elf {
            Some(elf) => elf.clone(),
            None => board.build(&image)?,
        };
        let result = emulator::verify(&board, Path::new(&elf), &image, &records)?;
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
        println!("clip said {label:<10} board heard {heard}");
    }
    for event in outputs.events.iter().flatten() {
        let label = image.label(usize::from(event.label));
        println!("stream {:7.2} s: {label}", frame_end(event.frame));
    }
    Ok(())
}

/// Lists the boards.
pub fn list() -> Result<()> {
    for b in emulator::boards()? {
        println!(
            "{:<12} {:<11} {:<26} code {:>4} KB, model {:>4} KB, RAM {:>3} KB",
            b.name,
            b.core,
            b.target,
            b.flash / 1024,
            b.model.size / 1024,
            b.ram / 1024
        );
    }
    Ok(())
}
