//! Keyword spotting, independent of the board: samples in, detections out.
//!
//! A board brings an [`AudioSource`] (its microphone), an LED, a [`Clock`] and,
//! where the outputs are to be compared with the host's, a [`Sink`]; the model
//! image lies in its own region of flash. [`run`] does the rest, without a
//! heap, in memory that the board provides.
#![no_std]

mod devices;
mod error;
mod spotter;
#[cfg(test)]
mod tests;

pub use devices::{AudioSource, Clock, Devices, Record, Sink};
pub use error::Error;
pub use spotter::{Report, Workspace, run};
