//! Vector registers of 64-bit hosts: AVX2 and VNNI, NEON and its dot product,
//! and plain Rust where a host has none of them.
//!
//! A weight is stored as `u = w + 128`. Instructions that multiply unsigned by
//! signed bytes take it as it is, and what the offset adds to a sum,
//! `128 * sum x`, is the same for every row.
//!
//! # Prediction pass
//!
//! Rows j and j + 16 of each 32 share a 16-bit lane, `U = u0 + 2^8 u1`. Two
//! sums are kept modulo 2^16,
//!
//! ```text
//! A = sum of U,   O = sum of U >> 8;      S1 = O,   S0 = A - 2^8 O
//! ```
//!
//! so that no byte is ever unpacked: two additions and a shift serve two rows
//! a lane. Whatever wraps on the way, S0 and S1 without their offset are the
//! 16-bit predictions themselves (the layer's bound), in their natural order.
//!
//! # Update pass
//!
//! Digits stay signed bytes. What a plane holds and how many products a lane
//! may sum is said where the instructions are.
//!
//! # Selection
//!
//! What the processor has is found once and then read from a static number.
//! [`Limited`] allows a part of it, so that every variant can be tested on a
//! host that has more.

#[cfg(target_arch = "aarch64")]
#[path = "aarch64/mod.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "x86/mod.rs"]
mod arch;
#[cfg(feature = "weights4")]
mod nibbles;
mod plain;

pub use arch::Features;

use super::changes::Found;
use super::{Changes, Kernels, Plane, add_sums, cell};
use crate::layout::{Target, WeightBits};
use crate::quant::Split;
use zerocopy::{FromBytes, IntoBytes};

/// Kernels for [`Target::Simd`] with all that the processor has.
pub type Simd = Limited<{ Features::ALL }>;

/// Kernels for [`Target::Simd`] that use no instruction sets but those
/// `ALLOWED`, bits of [`Features`].
pub struct Limited<const ALLOWED: u8>;

/// Bytes of a column in a panel, and rows of it.
const HEIGHT: usize = Target::Simd.panel();
/// Words of a column in a panel, and of the accumulators of half its rows.
const WORDS: usize = HEIGHT / 4;
/// Words of the accumulators of a panel.
const ACCUMULATORS: usize = HEIGHT / 2;
/// What a weight is stored with.
const OFFSET: u8 = 128;

/// Panels and the columns to apply to them. Every entry is the byte offset of
/// a whole column of any of the panels.
#[derive(Clone, Copy)]
struct Entries<'l> {
    panels: &'l [u32],
    /// Words of a panel.
    stride: usize,
    plus: &'l [u32],
    minus: &'l [u32],
}

impl<'l> Entries<'l> {
    /// Checks every entry.
    fn new(panels: &'l [u32], columns: usize, changes: &Changes<'l>) -> Option<Self> {
        let [plus, minus] = changes.checked(columns, HEIGHT)?;
        (columns > 0).then_some(Self {
            panels,
            stride: columns * WORDS,
            plus,
            minus,
        })
    }

    /// What all entries together add to a lane beside the weights.
    const fn offset(&self) -> u16 {
        (self.plus.len().wrapping_sub(self.minus.len()) as u16).wrapping_mul(OFFSET as u16)
    }
}

impl<const ALLOWED: u8> Limited<ALLOWED> {
    #[inline(always)]
    pub(in crate::kernels) fn features() -> Features {
        Features::detected().limited_to(ALLOWED)
    }
}

impl<const ALLOWED: u8> Kernels for Limited<ALLOWED> {
    const TARGET: Target = Target::Simd;

    fn chunk(bits: WeightBits, largest: u32, row_sum: u32, columns: usize) -> usize {
        match bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => arch::nibbles::chunk(largest, row_sum, columns),
            _ => arch::chunk(largest, row_sum, columns),
        }
    }

    fn plane(bits: WeightBits, digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
        match bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => {
                arch::nibbles::plane(Self::features(), digits, columns, chunk, words);
            }
            _ => arch::plane(Self::features(), digits, columns, chunk, words),
        }
    }

    #[inline]
    fn predict(
        bits: WeightBits,
        accumulators: &mut [u32],
        panels: &[u32],
        columns: usize,
        changes: &Changes<'_>,
    ) {
        if let Some(lists) = Entries::new(panels, columns, changes) {
            match bits {
                #[cfg(feature = "weights4")]
                WeightBits::Four => nibbles::predict(Self::features(), accumulators, &lists),
                _ => arch::predict(Self::features(), accumulators, &lists),
            }
        }
    }

    #[inline]
    fn load(accumulators: &[u32], predictions: &mut [i16]) {
        let kept = <[i16]>::ref_from_bytes(accumulators.as_bytes()).unwrap_or(&[]);
        let count = kept.len().min(predictions.len());
        predictions[..count].copy_from_slice(&kept[..count]);
    }

    fn store(accumulators: &mut [u32], predictions: &[i16]) {
        let kept = <[i16]>::mut_from_bytes(accumulators.as_mut_bytes()).unwrap_or(&mut []);
        let count = kept.len().min(predictions.len());
        let (kept, rest) = kept.split_at_mut(count);
        kept.copy_from_slice(&predictions[..count]);
        rest.fill(0);
    }

    #[inline]
    fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
        match plane.bits {
            #[cfg(feature = "weights4")]
            WeightBits::Four => {
                arch::nibbles::dots(Self::features(), rows, plane, list, sums);
            }
            _ => arch::dots(Self::features(), rows, plane, list, sums),
        }
    }

    fn update(rows: &[u32], plane: &Plane<'_>, list: &[u16], shift: u8, values: &mut [i16]) {
        // Rows follow each other without a pause for as many as there are at
        // a fifth of a large layer.
        const BLOCK: usize = 256;
        let mut sums = [0; BLOCK];
        for list in list.chunks(BLOCK) {
            Self::dots(rows, plane, list, &mut sums);
            add_sums(list, &sums, shift, values);
        }
    }

    #[inline]
    fn within(predictions: &[i16], thresholds: &[i16], open: &mut [u16]) -> usize {
        arch::within(Self::features(), predictions, thresholds, open)
    }

    #[inline]
    fn cells(
        constants: &cell::Constants<'_>,
        preactivations: &[i16],
        state: &mut [i16],
        codes: &mut [i8],
    ) {
        arch::cells(Self::features(), constants, preactivations, state, codes);
    }

    #[inline]
    fn scan(
        split: Split,
        codes: &[u32],
        applied: &mut [u32],
        rest: &mut [u32],
        lists: &mut [u32],
    ) -> Found {
        arch::scan(Self::features(), split, codes, applied, rest, lists)
    }
}
