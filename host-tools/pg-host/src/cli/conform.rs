//! `conform`.

use anyhow::{Result, bail};
use clap::Args;
use pg_host::conform::check_file;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `conform`.
#[derive(Args)]
pub struct Conform {
    /// Vectors: activation, weight, threshold, bits, stride, padding, groups,
    /// and the expected `msb_accumulator`, mask and accumulator.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Conform {
    pub fn run(self) -> Result<()> {
        let mut failed = 0;
        let mut reports = Vec::new();
        for file in &self.files {
            let outcome = check_file(file);
            let exact = outcome.as_ref().is_ok_and(|report| report.is_exact());
            failed += usize::from(!exact);
            if self.json {
                reports.push(match outcome {
                    Ok(report) => json!({ "file": file, "exact": exact, "report": report }),
                    Err(error) => {
                        json!({ "file": file, "exact": exact, "error": format!("{error:#}") })
                    }
                });
            } else {
                match outcome {
                    Ok(report) => println!("{}: {report}", file.display()),
                    Err(error) => println!("{}: error: {error:#}", file.display()),
                }
            }
        }
        if self.json {
            super::show_json(&json!({
                "exact": self.files.len() - failed,
                "failed": failed,
                "files": reports,
            }))?;
        }
        if failed > 0 {
            bail!("{failed} of {} files do not conform", self.files.len());
        }
        if !self.json {
            println!("all {} files conform", self.files.len());
        }
        Ok(())
    }
}
