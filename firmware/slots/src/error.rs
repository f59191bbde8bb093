//! What goes wrong, by name.

use crate::layout::UNIT;
use pg_runtime::error::ImageError;

/// Why a slot could not be used or written; `E` is the flash's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error<E> {
    /// The flash writes or erases in units that the slots are not made for: the
    /// write size must divide 64, and 64 must divide the erase size.
    WriteSize,
    /// The slots do not start and end at blocks to erase, or go beyond the flash.
    Layout,
    /// The flash refused an operation.
    Flash(E),
    /// No slot holds a model; flash one.
    Empty,
    /// The image is longer than a slot has room for.
    TooLong {
        /// Bytes of the image.
        image: u32,
        /// Bytes that a slot has for it.
        room: u32,
    },
    /// More or fewer bytes were written than announced.
    Length {
        /// Bytes announced.
        announced: u32,
        /// Bytes written.
        written: u32,
    },
    /// What was written is not an image that this firmware runs.
    Image(ImageError),
    /// The image has no signature by the key that is asked for.
    Signature,
}

const _: () = assert!(UNIT == 64, "the text of `WriteSize` names it");

impl<E: core::fmt::Debug> core::fmt::Display for Error<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::WriteSize => f.write_str("the flash writes or erases in unsuitable units"),
            Self::Layout => f.write_str("the slots do not fit the flash's blocks"),
            Self::Flash(e) => write!(f, "the flash failed: {e:?}"),
            Self::Empty => f.write_str("no slot holds a model: flash one"),
            Self::TooLong { image, room } => {
                write!(f, "an image of {image} bytes; a slot has room for {room}")
            }
            Self::Length { announced, written } => {
                write!(f, "{announced} bytes were announced, {written} written")
            }
            Self::Image(e) => write!(f, "not an image for this firmware: {e}"),
            Self::Signature => f.write_str("the image is not signed by the key asked for"),
        }
    }
}

impl<E: core::fmt::Debug> core::error::Error for Error<E> {}
