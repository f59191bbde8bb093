//! Writing the next model.

use crate::SIGNATURE;
use crate::candidate::Candidate;
use crate::error::Error;
use crate::flash::Mapped;
use crate::layout::{Slot, UNIT};
use crate::slots::Slots;

/// An update under way: its slot is erased, and written from the start. Dropped,
/// it leaves the model in use as it is.
#[derive(Debug)]
pub struct Update<'s, F> {
    slots: &'s mut Slots<F>,
    slot: Slot,
    sequence: u16,
    announced: u32,
    written: u32,
    unit: [u8; UNIT],
}

impl<'s, F: Mapped> Update<'s, F> {
    pub(crate) const fn new(
        slots: &'s mut Slots<F>,
        slot: Slot,
        sequence: u16,
        announced: u32,
    ) -> Self {
        Self {
            slots,
            slot,
            sequence,
            announced,
            written: 0,
            unit: [0xFF; UNIT],
        }
    }

    /// Writes the next bytes of the image, in pieces of any length.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] beyond the length announced, [`Error::Flash`].
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error<F::Error>> {
        let written = u64::from(self.written) + bytes.len() as u64;
        if written > u64::from(self.announced) {
            return Err(self.length(u32::try_from(written).unwrap_or(u32::MAX)));
        }
        while !bytes.is_empty() {
            let at = self.written as usize % UNIT;
            let (now, later) = bytes.split_at(bytes.len().min(UNIT - at));
            self.unit[at..at + now.len()].copy_from_slice(now);
            self.written += now.len() as u32;
            if self.written.is_multiple_of(UNIT as u32) {
                self.flush(self.written - UNIT as u32)?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Keeps the image's signature with it: Ed25519 over its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Flash`].
    pub fn sign(&mut self, signature: &[u8; SIGNATURE]) -> Result<(), Error<F::Error>> {
        const { assert!(SIGNATURE == UNIT, "a signature fills units of every size") };
        let at = self.slots.layout.signature(self.slot, F::WRITE_SIZE as u32);
        (self.slots.flash.write(at, signature)).map_err(Error::Flash)
    }

    /// Writes what is left and validates the image where it lies. The model in
    /// use stays in use until the candidate is committed.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if bytes are missing, [`Error::Image`] if this firmware
    /// does not run the image, [`Error::Signature`] if a key is asked for and
    /// the image is not signed by it, [`Error::Flash`].
    pub fn finish(mut self) -> Result<Candidate<'s, F>, Error<F::Error>> {
        if self.written != self.announced {
            return Err(self.length(self.written));
        }
        let rest = self.written % UNIT as u32;
        if rest > 0 {
            self.flush(self.written - rest)?;
        }
        self.slots.accept(self.slot, Some(self.announced))?;
        Ok(Candidate::new(
            self.slots,
            self.slot,
            self.sequence,
            self.announced,
        ))
    }

    const fn length(&self, written: u32) -> Error<F::Error> {
        Error::Length {
            announced: self.announced,
            written,
        }
    }

    /// Writes the unit, which starts `at` bytes into the slot, as far as it is
    /// filled; what lies behind the image stays erased.
    fn flush(&mut self, at: u32) -> Result<(), Error<F::Error>> {
        let filled = (self.written - at).next_multiple_of(F::WRITE_SIZE as u32);
        let offset = self.slots.layout.offset(self.slot) + at;
        let unit = &self.unit[..filled as usize];
        (self.slots.flash.write(offset, unit)).map_err(Error::Flash)?;
        self.unit = [0xFF; UNIT];
        Ok(())
    }
}
