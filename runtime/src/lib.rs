//! Precision-gated fixed-point inference for microcontrollers.
//!
//! Precision gating (Zhang et al., ICLR 2020) computes every output from the
//! most significant digit of its activations, and spends the remaining bits
//! only on the outputs that a learned threshold says matter. This crate runs
//! such models from an image in flash, without a heap, without floating
//! point, and with the same bytes on every core.
//!
//! ```text
//! samples -> audio::Frontend -> codes -> engine::Engine -> posteriors -> detector::Detector -> events
//! ```
//!
//! - [`image`]: the model image, validated once and read in place
//! - [`engine`]: the streaming engine
//! - [`audio`], [`detector`]: the front-end before it and the detector behind it
//! - `Engine::push_token`: language models, a token at a time (feature `embedding`)
//! - `pixels`: from a picture to the input of an image network (feature `conv`)
//! - [`layers`], [`gate`], [`quant`], [`activation`]: the arithmetic
//! - [`layout`]: how weights lie in memory, per family of cores
//! - [`kernels`]: the inner loops, with a naive oracle
//! - [`mod@probe`], the counters

#![no_std]

pub mod activation;
mod arena;
pub mod audio;
pub mod detector;
pub mod engine;
pub mod error;
pub mod gate;
pub mod image;
pub mod kernels;
pub mod layers;
pub mod layout;
#[cfg(feature = "conv")]
pub mod pixels;
pub mod probe;
pub mod quant;

#[cfg(test)]
extern crate std;
