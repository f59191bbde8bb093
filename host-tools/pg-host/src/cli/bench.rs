//! `bench`.

use super::boards::{SHIPPED_DATA, SHIPPED_IMAGE, SHIPPED_PICTURES};
use anyhow::{Result, ensure};
use clap::Args;
use pg_host::bench::{self, Inputs, Options, records};
use pg_host::data::{Dataset, Split, images};
use pg_host::eval::picture_input;
use pg_host::image::ImageBytes;
use std::path::PathBuf;

/// Arguments of `bench`.
#[derive(Args)]
pub struct Bench {
    /// Core, repeatable; all by default.
    #[arg(long = "core")]
    cores: Vec<String>,
    /// Model image; of an image network, the whole and every layer are measured.
    #[arg(long, default_value = SHIPPED_IMAGE)]
    image: PathBuf,
    /// Directory with manifest.csv, or of pictures: the frames come from its
    /// test split. By default what ships.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Clips, spread evenly over the split, about 50 frames each, two of every
    /// label by default; or pictures, 4 by default.
    #[arg(long)]
    clips: Option<usize>,
    /// List the functions that each case spends its time in.
    #[arg(long)]
    functions: bool,
    /// Compare the hottest loops with llvm-mca, from Debian's package llvm.
    #[arg(long)]
    mca: bool,
    /// Write the results to firmware/bench/records.
    #[arg(long, conflicts_with = "check")]
    record: bool,
    /// Fail if a case needs over 3 % more instructions than its record.
    #[arg(long)]
    check: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(self) -> Result<()> {
        let cores = if self.cores.is_empty() {
            bench::cores()?
        } else {
            let found = self.cores.iter().map(|name| bench::find(name));
            found.collect::<Result<_>>()?
        };
        let image = ImageBytes::read(&self.image)?;
        let inputs = self.inputs(image)?;
        let options = Options {
            functions: self.functions,
            mca: self.mca,
        };
        let report = bench::run(&cores, &inputs, options, &|what| eprintln!("{what} ..."))?;
        super::show(&report, self.json)?;
        if self.record {
            records::write(&records::folder()?, &report)?;
        }
        if self.check {
            records::check(&records::folder()?, &report)?;
        }
        Ok(())
    }

    fn inputs(&self, image: ImageBytes) -> Result<Inputs> {
        let data = |shipped| self.data.clone().unwrap_or_else(|| PathBuf::from(shipped));
        if image.image_of_any_target()?.graph().is_none() {
            let data = Dataset::open(data(SHIPPED_DATA))?;
            return Inputs::compose(image, &data, Split::Test, self.clips.unwrap_or(22));
        }
        ensure!(
            !(self.record || self.check),
            "records are of the shipped keyword model: leave out --record and --check"
        );
        let size = picture_input(&image.image_of_any_target()?)?.0.height;
        let set = images::open(&data(SHIPPED_PICTURES), size, 0)?;
        Inputs::of_pictures(image, &set.test, self.clips.unwrap_or(4))
    }
}
