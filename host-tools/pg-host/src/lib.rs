//! Host side.

#[cfg(feature = "bench")]
pub mod bench;
pub mod conform;
pub mod data;
pub mod emulator;
pub mod eval;
pub mod export;
pub mod flash;
pub mod fsio;
pub mod image;
pub mod inspect;
pub mod language;
pub mod mel;
pub mod model;
pub mod network;
pub mod quantise;
mod runs;
pub mod sddmm;
pub mod spotter;
pub mod stream;
mod tensors;
#[cfg(feature = "train")]
pub mod train;
