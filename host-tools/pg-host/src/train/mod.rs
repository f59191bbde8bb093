//! Training.
pub mod lstm;
pub mod math;
pub mod matmul;
