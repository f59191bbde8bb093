//! Typed views of the image's bytes, by offset.

use crate::error::ImageError;
use crate::layout::ImageTarget;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The bytes of an image, starting at a multiple of 4, and the target its
/// header names.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    pub bytes: &'a [u8],
    pub target: ImageTarget,
}

impl<'a> Bytes<'a> {
    /// `count` elements of `T` at byte `offset`.
    pub fn slice<T>(self, offset: u32, count: usize) -> Result<&'a [T], ImageError>
    where
        T: FromBytes + Immutable + KnownLayout,
    {
        let error = ImageError::Section { offset };
        let start = offset as usize;
        let bytes = count
            .checked_mul(size_of::<T>())
            .and_then(|n| start.checked_add(n))
            .and_then(|end| self.bytes.get(start..end))
            .ok_or(error)?;
        <[T]>::ref_from_bytes(bytes).map_err(|_| error)
    }

    /// One `T` at byte `offset`.
    pub fn one<T>(self, offset: u32) -> Result<T, ImageError>
    where
        T: FromBytes + Immutable + KnownLayout + Copy,
    {
        let error = ImageError::Section { offset };
        self.slice::<T>(offset, 1)?.first().copied().ok_or(error)
    }
}
