//! `bench`.

use super::boards::{SHIPPED_DATA, SHIPPED_IMAGE};
use anyhow::Result;
use clap::Args;
use pg_host::bench::{self, Inputs, Options, records};
use pg_host::data::{Dataset, Split};
use pg_host::image::ImageBytes;
use std::path::PathBuf;

/// Arguments of `bench`.
#[derive(Args)]
pub struct Bench {
    /// Core, repeatable; all by default.
    #[arg(long = "core")]
    cores: Vec<String>,
    /// Model image.
    #[arg(long, default_value = SHIPPED_IMAGE)]
    image: PathBuf,
    /// Directory with manifest.csv; the frames come from its test split.
    #[arg(long, default_value = SHIPPED_DATA)]
    data: PathBuf,
    /// Clips, spread evenly over the split, about 50 frames each: two of every
    /// label by default.
    #[arg(long, default_value_t = 22)]
    clips: usize,
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
        let data = Dataset::open(&self.data)?;
        let inputs = Inputs::compose(image, &data, Split::Test, self.clips)?;
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
}
