//! Two slots for a model image in NOR flash.
//!
//! One slot holds the model in use, the other takes the next one. An update
//! erases and writes the slot that is not in use, validates what was written
//! ([`Candidate`]), and then commits it by programming a single word. Wherever
//! the power is cut, the next start finds a whole model: the old one until that
//! word is complete, the new one afterwards.
//!
//! ```text
//! slot:  | image ...            | erased | signature, 64 bytes | commit word |
//! ```
//!
//! Signature and commit word start at multiples of the flash's write size and
//! are filled up with erased bytes. The commit word is the slot's sequence
//! number and, in its upper half, the number's complement: programming and
//! erasing move every bit in one direction only, so a word that was cut off in
//! the middle of either has a pair of equal bits and counts as none.
//!
//! What is written here survives a cut of the power between and in the middle
//! of operations. It does not survive flash whose cells read differently from
//! one time to the next, and flash with error correction may answer a read of a
//! torn word with a fault, which is then the board's to turn into an error.
#![no_std]

mod candidate;
pub mod commit;
mod error;
mod flash;
mod layout;
mod slots;
mod update;

pub use candidate::Candidate;
#[cfg(feature = "signature")]
pub use ed25519_dalek::VerifyingKey;
pub use error::Error;
pub use flash::Mapped;
pub use layout::{Layout, Slot};
pub use slots::{Active, Slots};
pub use update::Update;

/// Bytes of a signature.
pub const SIGNATURE: usize = 64;
