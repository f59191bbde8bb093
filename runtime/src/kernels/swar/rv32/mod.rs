//! [`super::Swar`] on RV32: the sums and planes of the portable kernels, the
//! two hot loops in assembly.
//!
//! The compiler's code of these loops spills accumulators and forms every
//! address anew; what is left here is one load and four operations a word.
#![allow(unsafe_code)]

mod dots;
mod predict;

pub use super::portable::{cells, load, load_within, plane, store};
pub use dots::dots;
pub use predict::predict;
