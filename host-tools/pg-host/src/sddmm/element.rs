//! The numbers that a product can be of.

use super::{Mask, Operands, Patches, SddmmError, plain};
use std::fmt::Debug;
use std::ops::Range;

/// An activation: [`f32`] with weights and sums of the same, or a digit without a sign,
/// [`u8`] up to 127, with weights of [`i8`] and sums of [`i32`].
pub trait Element: sealed::Sealed {}

impl Element for f32 {}
impl Element for u8 {}

/// What products are added up in 16 bits before 32 are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// All of a patch.
    Patch,
    /// Those of a run.
    Run,
    /// Those of a vector, two in each lane.
    Vector,
}

pub mod sealed {
    use super::*;

    /// An output.
    pub trait Sum: Copy + Debug + Default + Send + Sync {
        /// The sum of both, modulo 2^32 if they are whole.
        #[must_use]
        fn plus(self, other: Self) -> Self;
    }

    impl Sum for f32 {
        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            self + other
        }
    }

    impl Sum for i32 {
        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            self.wrapping_add(other)
        }
    }

    /// What [`Element`] needs; out of reach of other crates.
    pub trait Sealed: Copy + Default + Debug + Send + Sync + 'static {
        /// Of a weight.
        type Weight: Copy + Debug + Send + Sync;
        /// Of an output.
        type Sum: Sum;

        /// Refuses what the kernels cannot multiply.
        fn fold(
            weights: &[Self::Weight],
            inputs: &[Self],
            patches: &Patches,
        ) -> Result<Fold, SddmmError>;
        /// `sum + weight * self`.
        fn accumulate(self, sum: Self::Sum, weight: Self::Weight) -> Self::Sum;
        /// Computes the columns of a part, for rows from `row` on, whose outputs of
        /// these columns are given.
        fn tile<'a>(
            operands: &Operands<'_, Self>,
            mask: &Mask,
            part: Range<usize>,
            row: usize,
            out: impl Iterator<Item = &'a mut [Self::Sum]>,
        ) where
            Self: Element;
    }
}

/// Calls the fastest kernel there is.
macro_rules! tile {
    ($kernel:ident) => {
        fn tile<'a>(
            operands: &Operands<'_, Self>,
            mask: &Mask,
            part: Range<usize>,
            row: usize,
            out: impl Iterator<Item = &'a mut [Self::Sum]>,
        ) {
            #[cfg(target_arch = "x86_64")]
            if super::x86::available() {
                return super::x86::$kernel::tile(operands, mask, part, row, out);
            }
            plain::tile(operands, mask, part, row, out);
        }
    };
}

impl sealed::Sealed for f32 {
    type Weight = f32;
    type Sum = f32;

    fn fold(_: &[f32], _: &[f32], _: &Patches) -> Result<Fold, SddmmError> {
        Ok(Fold::Patch)
    }

    fn accumulate(self, sum: f32, weight: f32) -> f32 {
        sum + weight * self
    }

    tile!(floats);
}

impl sealed::Sealed for u8 {
    type Weight = i8;
    type Sum = i32;

    fn fold(weights: &[i8], inputs: &[u8], patches: &Patches) -> Result<Fold, SddmmError> {
        let largest = inputs.iter().copied().max().unwrap_or(0);
        // 127 * (128 + 128) is less than 2^15, so that a vector always fits.
        if largest > i8::MAX as u8 {
            return Err(SddmmError::Digit { largest });
        }
        // No partial sum of a lane exceeds what the weights of either sign alone
        // would give.
        let fits = |numbers: usize| {
            weights.chunks(numbers.max(1)).all(|weights| {
                let mut lanes = [[0u32; 2]; 16];
                for run in weights.chunks(patches.length.max(1)) {
                    for (at, &weight) in run.iter().enumerate() {
                        let sum = &mut lanes[lane(at, run.len())][usize::from(weight < 0)];
                        *sum += u32::from(weight.unsigned_abs());
                    }
                }
                let most = lanes.into_iter().flatten().max().unwrap_or(0);
                u64::from(most) * u64::from(largest) <= i16::MAX as u64
            })
        };
        Ok(if fits(patches.columns()) {
            Fold::Patch
        } else if fits(patches.length) {
            Fold::Run
        } else {
            Fold::Vector
        })
    }

    fn accumulate(self, sum: i32, weight: i8) -> i32 {
        sum.wrapping_add(i32::from(weight) * i32::from(self))
    }

    tile!(digits);
}

/// The lane of 16 bits that digit `at` of a run of `length` is added in: of vectors of
/// 32 digits, then one of 16, then one of fewer.
const fn lane(at: usize, length: usize) -> usize {
    let whole = length / 32 * 32;
    if at < whole {
        return at % 32 / 2;
    }
    (at - whole) % 16 / 2
}
