//! `flash`, `monitor`.

use super::boards::SHIPPED_IMAGE;
use anyhow::Result;
use clap::Args;
use pg_host::flash::{self, ProbeRs, SlotImage};
use pg_host::image::ImageBytes;
use std::path::PathBuf;

/// Arguments of `flash`.
#[derive(Args)]
pub struct Flash {
    /// Board; `pg-host boards` lists them.
    #[arg(long)]
    board: String,
    /// Flash only this model image, into the slot that is not in use. Without it,
    /// the firmware and the model that ships with the project.
    #[arg(long)]
    image: Option<PathBuf>,
    /// The tool of probe-rs.
    #[arg(long, default_value = "probe-rs")]
    probe_rs: PathBuf,
    /// Build and check everything, but leave the board alone.
    #[arg(long)]
    dry_run: bool,
}

impl Flash {
    pub fn run(self) -> Result<()> {
        let (board, chip) = flash::find(&self.board)?;
        flash::check(&board, &chip)?;
        let path = self.image.clone().unwrap_or_else(|| SHIPPED_IMAGE.into());
        let image = ImageBytes::read(&path)?;
        let mut probe = ProbeRs::new(self.probe_rs, chip.name.clone());
        if self.image.is_none() {
            let elf = board.build(&image)?;
            let sizes = board.sizes(&elf, image.has_packed_weights()?)?;
            println!(
                "{}: code {} of {} bytes of flash (runtime {}), static RAM {} + stack {} of {}",
                board.name,
                sizes.flash,
                board.flash,
                sizes.runtime_code,
                sizes.ram,
                board.stack,
                board.ram
            );
            if !self.dry_run {
                probe.firmware(&elf)?;
            }
        }
        let image = SlotImage::new(image, &board, &chip)?;
        if self.dry_run {
            println!("{} fits a slot; nothing was flashed", path.display());
            return Ok(());
        }
        let flashed = image.flash(&mut probe)?;
        probe.reset()?;
        println!("{}: {flashed}; restarted", board.name);
        Ok(())
    }
}

/// Arguments of `monitor`.
#[derive(Args)]
pub struct Monitor {
    /// Board whose firmware runs.
    #[arg(long)]
    board: String,
    /// The tool of probe-rs.
    #[arg(long, default_value = "probe-rs")]
    probe_rs: PathBuf,
}

impl Monitor {
    pub fn run(self) -> Result<()> {
        let (board, chip) = flash::find(&self.board)?;
        let elf = board.build(&ImageBytes::read(SHIPPED_IMAGE.as_ref())?)?;
        ProbeRs::new(self.probe_rs, chip.name).monitor(&elf)
    }
}
