//! The emulated boards: building the firmware, running it, comparing its
//! bytes with the host's.

mod board;
pub(crate) mod process;
mod protocol;
mod run;
mod verify;

pub use board::{Board, Chip, Input, Sizes, boards, devices, find};
#[cfg(feature = "bench")]
pub(crate) use board::{firmware_folder, layout};
pub use process::LogLine;
pub use protocol::{Feed, Outputs, Record, Statistics};
pub use run::{Run, run};
pub use verify::{Verification, verify};
