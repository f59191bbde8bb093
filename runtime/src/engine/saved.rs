//! Saved states.

use super::{Engine, SAVE_HEADER};
use crate::error::EngineError;
use crate::image::CRC32;
use zerocopy::IntoBytes;

impl Engine<'_, '_> {
    /// Bytes of a saved state.
    #[must_use]
    pub const fn save_bytes(&self) -> usize {
        SAVE_HEADER + self.plan.state_bytes() as usize
    }

    /// Writes the state to the front of `out`; returns the bytes written.
    ///
    /// # Errors
    ///
    /// [`EngineError::StateLength`] if `out` has fewer than
    /// [`Self::save_bytes`] bytes.
    pub fn save(&self, out: &mut [u8]) -> Result<usize, EngineError> {
        let needed = self.save_bytes();
        let given = out.len() as u32;
        let out = out.get_mut(..needed).ok_or(EngineError::StateLength {
            needed: needed as u32,
            given,
        })?;
        let state = self.state.as_bytes();
        let (header, body) = out.split_at_mut(SAVE_HEADER);
        let words = [self.image.crc32(), CRC32.checksum(state)];
        header.copy_from_slice(words.as_bytes());
        body.copy_from_slice(state);
        Ok(needed)
    }

    /// Continues from a state that [`Self::save`] wrote.
    ///
    /// # Errors
    ///
    /// [`EngineError::StateLength`], [`EngineError::StateOfOtherImage`] or
    /// [`EngineError::StateChecksum`]; the state is then unchanged.
    pub fn restore(&mut self, saved: &[u8]) -> Result<(), EngineError> {
        let length = EngineError::StateLength {
            needed: self.save_bytes() as u32,
            given: saved.len() as u32,
        };
        if saved.len() != self.save_bytes() {
            return Err(length);
        }
        let (image, rest) = saved.split_first_chunk().ok_or(length)?;
        let (crc, body) = rest.split_first_chunk().ok_or(length)?;
        if u32::from_le_bytes(*image) != self.image.crc32() {
            return Err(EngineError::StateOfOtherImage);
        }
        if u32::from_le_bytes(*crc) != CRC32.checksum(body) {
            return Err(EngineError::StateChecksum);
        }
        self.state.as_mut_bytes().copy_from_slice(body);
        self.logits.fill(0);
        self.posteriors.fill(0);
        Ok(())
    }
}
