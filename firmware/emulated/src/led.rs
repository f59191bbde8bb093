//! The boards' indicator LEDs as embedded-hal pins.
#![allow(unsafe_code)]

use core::convert::Infallible;
#[cfg(target_arch = "arm")]
use core::ptr;

use embedded_hal::digital::{ErrorType, OutputPin};

/// A board without an LED.
pub struct NoLed;

impl ErrorType for NoLed {
    type Error = Infallible;
}

impl OutputPin for NoLed {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Writes a peripheral register.
#[cfg(target_arch = "arm")]
fn write(address: Peripheral, value: u32) {
    // SAFETY: a `Peripheral` is an aligned address in the peripheral part of
    // the memory map that every Cortex-M has, where no Rust object lies; a
    // board that has no such register answers with a bus fault.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(address.0).write_volatile(value) }
}

/// Address of a peripheral register, 0x4000_0000 to 0x5fff_ffff.
#[cfg(target_arch = "arm")]
#[derive(Clone, Copy)]
struct Peripheral(usize);

#[cfg(target_arch = "arm")]
impl Peripheral {
    const fn new(address: usize) -> Self {
        assert!(address >= 0x4000_0000 && address < 0x6000_0000 && address.is_multiple_of(4));
        Self(address)
    }
}

/// LED 0 of an MPS2 board, in the register FPGAIO LED0.
#[cfg(target_arch = "arm")]
pub struct Mps2(Peripheral);

#[cfg(target_arch = "arm")]
impl Mps2 {
    /// On the AN386 image.
    pub const AN386: Self = Self(Peripheral::new(0x4002_8000));
    /// On the AN505 image, by its secure address.
    pub const AN505: Self = Self(Peripheral::new(0x5030_2000));
}

#[cfg(target_arch = "arm")]
impl ErrorType for Mps2 {
    type Error = Infallible;
}

#[cfg(target_arch = "arm")]
impl OutputPin for Mps2 {
    fn set_low(&mut self) -> Result<(), Infallible> {
        write(self.0, 0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        write(self.0, 1);
        Ok(())
    }
}

/// First LED of the micro:bit's matrix: row 1 (P0.13) high, column 1 (P0.04)
/// low.
#[cfg(target_arch = "arm")]
pub struct Microbit(());

#[cfg(target_arch = "arm")]
impl Microbit {
    const OUTSET: Peripheral = Peripheral::new(0x5000_0508);
    const OUTCLR: Peripheral = Peripheral::new(0x5000_050c);
    const DIRSET: Peripheral = Peripheral::new(0x5000_0518);
    const ROW_1: u32 = 1 << 13;
    const COLUMN_1: u32 = 1 << 4;

    /// Makes both pins outputs, LED off.
    pub fn new() -> Self {
        write(Self::OUTCLR, Self::ROW_1 | Self::COLUMN_1);
        write(Self::DIRSET, Self::ROW_1 | Self::COLUMN_1);
        Self(())
    }
}

#[cfg(target_arch = "arm")]
impl Default for Microbit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_arch = "arm")]
impl ErrorType for Microbit {
    type Error = Infallible;
}

#[cfg(target_arch = "arm")]
impl OutputPin for Microbit {
    fn set_low(&mut self) -> Result<(), Infallible> {
        write(Self::OUTCLR, Self::ROW_1);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        write(Self::OUTSET, Self::ROW_1);
        Ok(())
    }
}
