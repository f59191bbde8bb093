//! Inner loops on RV32IM, where the compiler's lack registers or pay for an
//! index too many.
#![allow(unsafe_code)]

mod cells;
mod dots;
mod predict;

pub use cells::cells;
pub use dots::{groups, update};
pub use predict::pairs;
