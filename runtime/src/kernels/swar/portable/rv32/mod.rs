//! Inner loops on RV32IM, where the compiler's lack registers or pay for an
//! index too many.
#![allow(unsafe_code)]

mod dots;
mod predict;

pub use dots::{TOGETHER, groups};
pub use predict::pairs;
