//! Input codes of consecutive frames.

/// Codes for the engine, frame after frame.
///
/// As bytes: the number of frames and the codes per frame, u32 little-endian,
/// then the codes, i8.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    width: usize,
    codes: &'a [u8],
}

/// Why bytes are no input frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum InputsError {
    /// Fewer bytes than the header states.
    Truncated {
        /// Bytes stated.
        needed: u32,
        /// Bytes there.
        given: u32,
    },
    /// Frames without codes.
    Empty,
}

impl<'a> Inputs<'a> {
    /// Takes bytes apart; more than the header states are ignored.
    ///
    /// # Errors
    /// [`InputsError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InputsError> {
        let truncated = |needed| InputsError::Truncated {
            needed,
            given: bytes.len() as u32,
        };
        let (frames, rest) = bytes.split_first_chunk().ok_or(truncated(8))?;
        let (width, rest) = rest.split_first_chunk().ok_or(truncated(8))?;
        let (frames, width) = (u32::from_le_bytes(*frames), u32::from_le_bytes(*width));
        if frames == 0 || width == 0 {
            return Err(InputsError::Empty);
        }
        let needed = frames.saturating_mul(width);
        let codes = (rest.get(..needed as usize)).ok_or(truncated(needed.saturating_add(8)))?;
        Ok(Self {
            width: width as usize,
            codes,
        })
    }

    /// The frames, in order.
    pub fn frames(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.codes.chunks_exact(self.width)
    }
}
