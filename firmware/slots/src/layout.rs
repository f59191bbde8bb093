//! Where the slots and their parts lie.

use crate::error::Error;
use crate::flash::Mapped;
use crate::{SIGNATURE, commit};

/// Largest write size of a flash, in bytes.
pub const UNIT: usize = 64;

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Two slots of the same size, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layout {
    /// Offset of slot A in the flash, a multiple of its erase size.
    pub start: u32,
    /// Bytes of one slot, a multiple of its erase size.
    pub slot: u32,
}

impl Layout {
    /// Checks the layout against a flash.
    pub(crate) fn check<F: Mapped>(&self, flash: &F) -> Result<(), Error<F::Error>> {
        let (write, erase) = (F::WRITE_SIZE, F::ERASE_SIZE);
        if write == 0 || !UNIT.is_multiple_of(write) || erase == 0 || !erase.is_multiple_of(UNIT) {
            return Err(Error::WriteSize);
        }
        let aligned =
            self.start.is_multiple_of(erase as u32) && self.slot.is_multiple_of(erase as u32);
        let end = (self.slot.checked_mul(2)).and_then(|both| both.checked_add(self.start));
        let fits = end.is_some_and(|end| end as usize <= flash.capacity());
        if !aligned || !fits || self.slot == 0 {
            return Err(Error::Layout);
        }
        Ok(())
    }

    /// Offset of a slot.
    #[must_use]
    pub const fn offset(&self, slot: Slot) -> u32 {
        match slot {
            Slot::A => self.start,
            Slot::B => self.start + self.slot,
        }
    }

    /// Bytes of the largest image that fits a slot of a flash with this write size.
    #[must_use]
    pub const fn room(&self, write: u32) -> u32 {
        self.slot - commit_bytes(write) - (SIGNATURE as u32).next_multiple_of(write)
    }

    /// Offset of a slot's signature.
    #[must_use]
    pub const fn signature(&self, slot: Slot, write: u32) -> u32 {
        self.offset(slot) + self.room(write)
    }

    /// Offset of a slot's commit word.
    #[must_use]
    pub const fn commit(&self, slot: Slot, write: u32) -> u32 {
        self.offset(slot) + self.slot - commit_bytes(write)
    }
}

/// Bytes that a commit word is written with.
pub(crate) const fn commit_bytes(write: u32) -> u32 {
    commit::BYTES.next_multiple_of(write)
}
