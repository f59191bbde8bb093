//! A QEMU (TCG) plugin that counts what a firmware executes between two
//! markers.
//!
//! ```text
//! -plugin libpg_emulator_plugin.so,start=ADDR,stop=ADDR,end=ADDR,out=FILE
//! ```
//! The three addresses are functions of the firmware that do nothing: `start`
//! and `stop` enclose what is measured, any number of times, and `end` closes
//! the region, whose profile is then appended to FILE. The profile is text:
//!
//! ```text
//! region ENTRIES            one per `end`; ENTRIES: how often `start` was called
//! i ADDRESS COUNT           instruction executed COUNT times, addresses in hex
//! t ADDRESS COUNT           control left the instruction for another than the next
//! error WORDS               what follows cannot be trusted
//! ```
//! The call of `stop` is counted, the return from `start` is not. Counting is
//! done once per translated block, not per instruction: QEMU ends a block at
//! every branch, so all instructions of a block run equally often.

mod arguments;
mod ffi;
mod profile;
