//! The emulated boards: building the firmware, running it, comparing its
//! bytes with the host's.

mod board;
mod feed;
pub(crate) mod process;
mod protocol;
mod run;
mod verify;

pub use board::{Board, Chip, Input, Sizes, boards, devices, find};
#[cfg(feature = "bench")]
pub(crate) use board::{firmware_folder, layout};
pub use feed::{Feed, Record};
pub use process::LogLine;
pub use protocol::{Outputs, Statistics};
pub use run::{Run, run};
pub use verify::{Verification, verify};
