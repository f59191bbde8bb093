//! The inner loops of convolutions.
//!
//! One output pixel at a time, and of its channels one panel: the sums stay in
//! registers while the non-zero digits of the input pixels under the window are
//! walked. The digits of an input row are listed once ([`RowLists`]), in order of
//! the pixels, with an index of where each pixel's begin; those of neighbouring
//! pixels stand in one stretch of the list, a [`Run`], and a window of k rows is k
//! runs ([`Patch`]). An entry is the byte offset of its column in a panel counted
//! from the left edge of the *row*; the base of a run moves it to where the window
//! stands, so no list is ever made again, and kernels find the runs themselves.
//!
//! # Two forms of lists
//!
//! [`Form::Planes`], for unsigned digits of one to three bits: one list per bit,
//! of the columns whose digit has it. Sums are formed by Horner's rule from the
//! highest bit on, and a column costs additions only. [`Form::Weighted`], for all
//! other digits and for the update pass: an entry holds the digit, and a column
//! costs multiplications. Of half-normal digits that are not zero, about one bit
//! in two-bit digits is set, 1.4 of three-bit digits, 1.8 of four-bit ones;
//! additions are that much cheaper than multiplications up to three bits.
//!
//! # Bounds
//!
//! Kernels may sum in lanes of 16 bits, modulo 2^16. That is exact in the end
//! where the sum itself lies within ±32767, whatever it was on the way.
//! With `R` the largest `sum |w|` of a row, `L` the largest digit, and `T` the
//! largest sum of a row's weights of one sign, which is about half of R and bounds
//! what digits without a sign sum (`T = R` for signed ones, [`Geometry::reach`]):
//!
//! - Planes where `L T <= 32767`: all planes together need one fold into 32
//!   bits, at the end. Otherwise, where `R <= 32767`, every plane is folded by
//!   itself: its digits are 0 and 1, so its sum is at most T; of three planes the
//!   upper two together where `3 T <= 32767`. Where R is larger, the form is
//!   weighted.
//! - Weighted where `L T <= 32767`: one fold at the end. Otherwise after
//!   `32767 / (127 L)` entries ([`Patch::limit`]), two or more since `L <= 127`.
//!
//! Sums of 32 bits are below `2^16 columns * 127 * 127 < 2^30`.

#[cfg(pg_isa = "dsp")]
mod dsp;
mod geometry;
mod lists;
pub mod outputs;
mod patch;
mod portable;
#[cfg(pg_isa = "rv32")]
mod rv32;
mod scan;
#[cfg(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(
        target_arch = "aarch64",
        target_feature = "neon",
        target_endian = "little"
    ),
))]
mod simd;
#[cfg(pg_isa = "thumb1")]
mod thumb1;

pub use geometry::Geometry;
pub use lists::{RowLists, Windows};
pub use patch::{Patch, Run};

use super::{Kernels, Selected};
use crate::layout::Target;
use crate::quant::Split;
use outputs::{Addend, Decided, Levels, Mixed, Rows, Scale};

/// Sums of 16-bit lanes are exact up to here.
const LANE: u32 = i16::MAX as u32;
/// Most bits of a digit that is listed bit by bit.
const MOST_PLANES: u8 = 3;

/// How the digits of a pass are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One list for each of so many bits, 1 to 3: entries are offsets.
    Planes(u8),
    /// One list: entries are `digit * 2^16`, the digit signed, and in the lower
    /// half twice the number of the column, which is the offset in units of half
    /// a column.
    Weighted,
}

impl Form {
    /// The form of prediction digits, for rows with `sum |w| <= row_sum`.
    #[must_use]
    pub const fn of(split: Split, row_sum: u32) -> Self {
        if !split.signed() && split.msb_bits() <= MOST_PLANES && row_sum <= LANE {
            Self::Planes(split.msb_bits())
        } else {
            Self::Weighted
        }
    }

    /// Lists of a row.
    #[must_use]
    pub const fn lists(self) -> usize {
        match self {
            Self::Planes(bits) => bits as usize,
            Self::Weighted => 1,
        }
    }
}

/// Most rows of a panel of the kernels that this target has.
pub const MOST_ROWS: usize = Selected::TARGET.panel();

/// Whether [`Levels`] of a layer are narrow: kernels that keep two sums in a
/// register compare both at once.
#[must_use]
pub fn are_narrow(target: Target, geometry: &Geometry) -> bool {
    target == Target::Dsp
        && matches!(geometry.form(), Form::Planes(_))
        && (geometry.split.largest_digit()).saturating_mul(geometry.reach) <= LANE
}

/// The operations of convolutions.
///
/// `panel` is one panel of a matrix in panels, from its first word on, of at
/// least as many columns as the patch has ([`Patch::columns`]); where it is
/// shorter, sums are not touched. `sums` has [`crate::layout::Target::panel`]
/// numbers, one for each row of the panel.
pub trait ConvKernels: Kernels {
    /// From how many rows of a panel on [`Self::panel`] is cheaper than
    /// [`Self::rows`].
    const WHOLE: usize;

    /// Sets the sums of all rows of a panel: `sums[r] = sum w digit`.
    fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32]);

    /// [`Self::panel`], and which of the rows exceed their levels. They are as
    /// [`are_narrow`] says of the patch's geometry.
    #[inline(always)]
    fn decide(
        panel: &[u32],
        patch: &Patch<'_>,
        levels: Levels<'_>,
        sums: &mut [i32],
        decided: &mut Decided,
    ) {
        Self::panel(panel, patch, sums);
        decided.find(levels, sums);
    }

    /// Adds to the sums of the listed rows of a panel; `patch` is weighted.
    /// Where one is beyond the panel, or the sums, none is added to.
    fn rows(panel: &[u32], patch: &Patch<'_>, rows: &[u8], sums: &mut [i32]);

    /// Writes the codes of the listed outputs of a panel to `codes`, every `step`th
    /// of which belongs to an output; `sums` are multiplied by `2^shift` before.
    /// Where one of them is not there, none is written.
    #[inline(always)]
    fn codes(
        scales: &[Scale],
        sums: (&[i32], u8),
        rows: &Rows,
        range: (i32, i32),
        codes: (&mut [i8], usize),
    ) {
        outputs::codes(scales, sums, rows, range, codes);
    }

    /// Writes the codes of the listed outputs of a panel, in sixteenths of a code
    /// as their scales have them, and what is added to them. Where one of them is
    /// not there, none is written.
    #[inline(always)]
    fn added_codes(
        scales: &[Scale],
        sums: (&[i32], u8),
        rows: &Rows,
        range: (i32, i32),
        mixed: Mixed<'_>,
        addend: &Addend,
    ) {
        outputs::added_codes(scales, sums, rows, range, mixed, addend);
    }
}
