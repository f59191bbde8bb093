//! Weights of four bits in Thumb-1.

mod dots;
mod predict;

pub use dots::{dots, factors};
pub use predict::apply;
