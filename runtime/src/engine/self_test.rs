//! The built-in test vector.

use super::Engine;
use crate::error::EngineError;
use crate::image::{CRC32, Input};
use zerocopy::IntoBytes;

impl Engine<'_, '_> {
    /// Runs the built-in test vector from a reset, and resets again.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoTestVector`], or [`EngineError::SelfTest`] if the
    /// outputs differ from those at export: the build or the core computes
    /// something else.
    pub fn self_test(&mut self) -> Result<(), EngineError> {
        let vector = self.image.test_vector().ok_or(EngineError::NoTestVector)?;
        let computed = self.output_checksum(vector.frames());
        let expected = vector.crc32();
        if computed == expected {
            Ok(())
        } else {
            Err(EngineError::SelfTest { expected, computed })
        }
    }

    /// CRC-32 over the outputs to `frames` from a reset: logits, then
    /// posteriors of every frame, little-endian. Frames that the model does not
    /// take are left out. The engine is reset afterwards.
    pub fn output_checksum<'f>(&mut self, frames: impl Iterator<Item = Input<'f>>) -> u32 {
        self.reset();
        let mut digest = CRC32.digest();
        for frame in frames {
            let output = match frame {
                Input::Codes(codes) => self.push(codes),
                #[cfg(feature = "embedding")]
                Input::Token(token) => self.push_token(token),
            };
            if let Ok(output) = output {
                digest.update(output.logits.as_bytes());
                digest.update(output.posteriors.as_bytes());
            }
        }
        self.reset();
        digest.finalize()
    }
}
