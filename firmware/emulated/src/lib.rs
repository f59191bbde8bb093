//! What the emulated boards share: semihosting files as microphone and as
//! verification output, the counter of emulated instructions, the measured
//! stack, and a fault or panic that ends the emulator instead of hanging it.
//!
//! The byte formats are written down in `firmware/PROTOCOL.md`. Everything
//! here is for QEMU: a board with a microphone implements
//! [`pg_app::AudioSource`] itself and uses none of it.
#![no_std]

// The log transport: defmt frames to the semihosting standard output.
use defmt_semihosting as _;

#[cfg(target_arch = "arm")]
#[path = "arm.rs"]
mod arch;
#[cfg(target_arch = "riscv32")]
#[path = "riscv.rs"]
mod arch;
mod ending;
mod fault;
mod files;
pub mod led;
mod model;
mod once;
#[cfg(feature = "pictures")]
pub mod pictures;
mod session;
mod stack;
#[cfg(feature = "words")]
pub mod words;

pub use files::{Errno, FileError, read_file};
pub use model::region as model_region;
pub use once::Once;
pub use session::{Memory, run};
