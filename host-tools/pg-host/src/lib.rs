//! Host side.

#[cfg(feature = "bench")]
pub mod bench;
pub mod data;
pub mod emulator;
pub mod eval;
pub mod export;
pub mod fsio;
pub mod image;
pub mod inspect;
pub mod mel;
pub mod model;
pub mod quantise;
pub mod spotter;
pub mod stream;
#[cfg(feature = "train")]
pub mod train;
