//! The flash that holds the model, and the model in place.
#![allow(unsafe_code)]

use core::slice;
use embassy_nrf::Peri;
use embassy_nrf::nvmc::Nvmc;
use embassy_nrf::peripherals::NVMC;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use pg_slots::{Layout, Mapped};

unsafe extern "C" {
    static __model_start: u8;
    static __model_end: u8;
}

/// The driver of the flash, whose offsets are addresses on this chip.
pub struct Flash(Nvmc<'static>);

/// The flash, and the slots that memory.x reserves in it.
pub fn open(controller: Peri<'static, NVMC>) -> (Flash, Layout) {
    let [start, end] = [&raw const __model_start, &raw const __model_end].map(<*const u8>::addr);
    let layout = Layout {
        start: start as u32,
        slot: ((end - start) / 2) as u32,
    };
    (Flash(Nvmc::new(controller)), layout)
}

/// A slot in use, for as long as the program runs.
pub fn in_use(start: u32, bytes: u32) -> &'static [u8] {
    // SAFETY: the slot is flash on its whole length. Only `Slots` writes flash,
    // and never the slot in use: what it hands out as active stays as it is.
    unsafe { slice::from_raw_parts(start as *const u8, bytes as usize) }
}

impl ErrorType for Flash {
    type Error = embassy_nrf::nvmc::Error;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = Nvmc::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = Nvmc::WRITE_SIZE;
    const ERASE_SIZE: usize = Nvmc::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}

impl Mapped for Flash {
    fn mapped(&self, offset: u32, length: u32) -> Option<&[u8]> {
        let end = offset.checked_add(length)? as usize;
        if end > self.capacity() {
            return None;
        }
        // SAFETY: flash starts at address 0 and is mapped on its whole length;
        // writing it takes `&mut self`, which this borrow excludes.
        Some(unsafe { slice::from_raw_parts(offset as *const u8, length as usize) })
    }
}
