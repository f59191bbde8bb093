//! What the slots need of a flash.

use embedded_storage::nor_flash::NorFlash;

/// NOR flash that can be read in place, as the runtime reads an image.
///
/// Erased bytes are `0xFF`. A board wraps the driver of its maintained HAL; the
/// borrow of `self` keeps the flash from being written while bytes are lent.
pub trait Mapped: NorFlash {
    /// `length` bytes from `offset`, an offset that [`NorFlash::write`] would
    /// take; `None` beyond the flash. The start of a block to erase must lie at
    /// a multiple of 4 in memory.
    fn mapped(&self, offset: u32, length: u32) -> Option<&[u8]>;
}
