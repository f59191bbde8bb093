//! Flashing boards through a probe: the firmware, and a model image into the
//! slot that is not in use.

mod probe;

pub use probe::{Probe, ProbeRs};

use crate::emulator::{Board, Chip, devices};
use crate::image::ImageBytes;
use anyhow::{Context, Result, bail, ensure};
use pg_slots::{Layout, Slot, commit};
use std::fmt;

/// The board with a chip of this name.
///
/// # Errors
///
/// If there is none; the names are listed.
pub fn find(name: &str) -> Result<(Board, Chip)> {
    let all = devices()?;
    let names: Vec<_> = all.iter().map(|(board, _)| board.name.clone()).collect();
    (all.into_iter().find(|(board, _)| board.name == name)).with_context(|| {
        format!(
            "there is no board {name:?} to flash; choose from {} (`pg-host emulate` runs the \
             emulated ones)",
            names.join(", ")
        )
    })
}

/// A model image that fits the slots of a board, in the layout its kernels read.
#[derive(Clone, Debug)]
pub struct SlotImage {
    image: ImageBytes,
    layout: Layout,
    chip: Chip,
}

/// What was flashed, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flashed {
    /// The slot.
    pub slot: Slot,
    /// Number of the update.
    pub sequence: u16,
    /// Bytes of the image.
    pub bytes: usize,
}

impl fmt::Display for Flashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            slot,
            sequence,
            bytes,
        } = self;
        write!(
            f,
            "model of {bytes} bytes in slot {slot:?}, update {sequence}"
        )
    }
}

impl SlotImage {
    /// Lays `image` out for `board` and checks that it fits a slot.
    ///
    /// # Errors
    ///
    /// If the image is not a keyword model, or too long.
    pub fn new(image: ImageBytes, board: &Board, chip: &Chip) -> Result<Self> {
        let image = image.for_target(board.layout)?;
        ensure!(
            image.image_of_any_target()?.audio().is_some(),
            "the firmware of {} listens to a microphone, and this is no keyword model: export one \
             that `pg-host train kws` trained",
            board.name
        );
        let layout = Layout {
            start: u32::try_from(board.model.address).context("address of the slots")?,
            slot: u32::try_from(board.model.size / 2).context("size of the slots")?,
        };
        let (bytes, room) = (image.as_bytes().len(), layout.room(chip.write));
        ensure!(
            bytes <= room as usize,
            "the image has {bytes} bytes laid out for {}, a slot of {} has room for {room}: export \
             it with `--copies one`, or train a smaller model",
            board.layout.name(),
            board.name
        );
        Ok(Self {
            image,
            layout,
            chip: chip.clone(),
        })
    }

    /// Writes the image into the slot that is not in use. Its last block, which
    /// holds the commit word, is written when everything else is verified: a
    /// board that loses its power or its probe before keeps its model.
    ///
    /// # Errors
    ///
    /// If the probe fails.
    pub fn flash(&self, probe: &mut impl Probe) -> Result<Flashed> {
        let (slot, sequence) = self.next(probe)?;
        let (start, write) = (self.layout.offset(slot), self.chip.write);
        let image = self.image.as_bytes();
        // The last block of the slot, as far as the slot is concerned with it.
        let split = (self.layout.slot - self.chip.erase) as usize;
        let (body, tail) = image.split_at(image.len().min(split));
        probe.program(start, body)?;
        let mut last = vec![0xFF; self.chip.erase as usize];
        last[..tail.len()].copy_from_slice(tail);
        let at = self.layout.commit(slot, write) - start - split as u32;
        let word = commit::word(sequence).to_le_bytes();
        last[at as usize..][..word.len()].copy_from_slice(&word);
        probe.program(start + split as u32, &last)?;
        Ok(Flashed {
            slot,
            sequence,
            bytes: image.len(),
        })
    }

    /// The slot to write, and the number of the update.
    fn next(&self, probe: &mut impl Probe) -> Result<(Slot, u16)> {
        let mut numbers = [None; 2];
        for (slot, number) in Slot::BOTH.into_iter().zip(&mut numbers) {
            *number = commit::sequence(probe.word(self.layout.commit(slot, self.chip.write))?);
        }
        Ok(match numbers {
            [Some(a), Some(b)] if commit::newer(b, a) => (Slot::A, b.wrapping_add(1)),
            [Some(a), _] => (Slot::B, a.wrapping_add(1)),
            [None, Some(b)] => (Slot::A, b.wrapping_add(1)),
            [None, None] => (Slot::A, 0),
        })
    }
}

/// Checks that a chip and the slots of its board fit each other.
///
/// # Errors
///
/// If they do not; the table of boards is then wrong.
pub fn check(board: &Board, chip: &Chip) -> Result<()> {
    let whole = |n: u64| n.is_multiple_of(u64::from(chip.erase));
    if !whole(board.model.address)
        || !whole(board.model.size / 2)
        || !board.model.size.is_multiple_of(2)
    {
        bail!(
            "firmware/boards.toml: the slots of {} are no whole blocks of its flash",
            board.name
        );
    }
    Ok(())
}
