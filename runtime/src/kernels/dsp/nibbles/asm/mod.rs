//! The loops in assembly.
#![allow(unsafe_code)]

mod dots;
mod plane;
mod predict;

pub use dots::{sums, update};
pub use plane::plane;
pub use predict::apply;
