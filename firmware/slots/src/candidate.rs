//! A model that is written and valid, but not in use.

use crate::commit;
use crate::error::Error;
use crate::flash::Mapped;
use crate::layout::{Slot, UNIT, commit_bytes};
use crate::slots::{Active, Slots};
use pg_runtime::image::Image;

/// A model that is written and valid, but not in use. Dropped, it leaves the
/// model in use as it is.
#[derive(Debug)]
pub struct Candidate<'s, F> {
    slots: &'s mut Slots<F>,
    slot: Slot,
    sequence: u16,
    length: u32,
}

impl<'s, F: Mapped> Candidate<'s, F> {
    pub(crate) const fn new(
        slots: &'s mut Slots<F>,
        slot: Slot,
        sequence: u16,
        length: u32,
    ) -> Self {
        Self {
            slots,
            slot,
            sequence,
            length,
        }
    }

    /// The image, to ask whether the application can use it: its labels, the
    /// arena it needs.
    ///
    /// # Errors
    ///
    /// [`Error::Image`] if the flash no longer reads as it did.
    pub fn image(&self) -> Result<Image<'_>, Error<F::Error>> {
        self.slots.accept(self.slot, Some(self.length))
    }

    /// Makes it the model in use from the next start on, by programming one word.
    ///
    /// # Errors
    ///
    /// [`Error::Flash`]; which model is then in use, [`Slots::active`] tells.
    pub fn commit(self) -> Result<Active, Error<F::Error>> {
        let mut unit = [0xFF; UNIT];
        unit[..commit::BYTES as usize].copy_from_slice(&commit::word(self.sequence).to_le_bytes());
        let at = self.slots.layout.commit(self.slot, F::WRITE_SIZE as u32);
        let unit = &unit[..commit_bytes(F::WRITE_SIZE as u32) as usize];
        (self.slots.flash.write(at, unit)).map_err(Error::Flash)?;
        Ok(Active {
            slot: self.slot,
            offset: self.slots.layout.offset(self.slot),
            sequence: self.sequence,
        })
    }
}
