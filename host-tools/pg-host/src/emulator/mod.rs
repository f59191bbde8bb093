//! The emulated boards: building the firmware, running it, comparing its
//! bytes with the host's.

mod board;
mod protocol;
mod run;
mod verify;

pub use board::{Board, Sizes, boards, find};
pub use protocol::{Outputs, Record, Statistics, host_outputs};
pub use run::{LogLine, Run, run};
pub use verify::{Verification, verify};
