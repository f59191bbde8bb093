//! The common test of kernels, for any core: no heap, no proptest.
//!
//! A case is drawn from a seed, in a scratch buffer that the caller gives; the
//! larger the buffer, the larger the matrices. Expected values come from
//! [`super::naive`] and from the definitions in [`super::gate`] and
//! [`super::cell`], one number at a time. The host runs these checks with
//! seeds from proptest, `firmware/conformance` on every emulated core.

#[cfg(feature = "conv")]
mod codes;
#[cfg(feature = "conv")]
pub mod conv;
mod elementwise;
mod predict;
mod products;
mod scan;
mod source;

use super::Kernels;
use crate::arena::take;
use source::Source;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Words of scratch that every check can run in, on cores with panels of 16
/// rows.
pub const SCRATCH_WORDS: usize = 2048;

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Kernels::dots`] on listed rows, some of them beyond the matrix.
    Dots,
    /// [`Kernels::update`].
    Update,
    /// [`Kernels::predict`], and that [`Kernels::load`] and
    /// [`Kernels::store`] are inverses.
    Predict,
    /// [`Kernels::scan`], lists that do not fit included.
    Scan,
    /// [`Kernels::within`].
    Within,
    /// [`Kernels::load_within`].
    LoadWithin,
    /// [`Kernels::cells`].
    Cells,
    /// Both passes at the largest sums a narrow layer may have.
    Bound,
    /// [`Kernels::dots`] at the largest products, in the widest row that the
    /// scratch buffer holds.
    Widest,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Dots,
        Self::Update,
        Self::Predict,
        Self::Scan,
        Self::Within,
        Self::LoadWithin,
        Self::Cells,
        Self::Bound,
        Self::Widest,
    ];
}

/// A kernel that does not compute what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub operation: Operation,
    /// The case, for [`check`] with a buffer of the same length.
    pub seed: u32,
}

/// Checks one case of one operation.
///
/// # Errors
///
/// The case, if a result is wrong or the scratch buffer too small for it.
pub fn check<K: Kernels>(
    operation: Operation,
    seed: u32,
    scratch: &mut [u32],
) -> Result<(), Failure> {
    let source = &mut Source::new(seed);
    let passed = match operation {
        Operation::Dots => products::random::<K>(source, scratch),
        Operation::Update => products::update::<K>(source, scratch),
        Operation::Predict => predict::random::<K>(source, scratch),
        Operation::Scan => scan::random::<K>(source, scratch),
        Operation::Within => elementwise::within::<K>(source, scratch),
        Operation::LoadWithin => elementwise::load_within::<K>(source, scratch),
        Operation::Cells => elementwise::cells::<K>(source, scratch),
        Operation::Bound => predict::at_the_bound::<K>(source, scratch),
        Operation::Widest => products::widest::<K>(source, scratch),
    };
    passed.ok_or(Failure { operation, seed })
}

/// Checks every operation with the seeds `0..cases`.
///
/// # Errors
///
/// The first case that fails.
pub fn check_all<K: Kernels>(cases: u32, scratch: &mut [u32]) -> Result<(), Failure> {
    for seed in 0..cases {
        for operation in Operation::ALL {
            check::<K>(operation, seed, scratch)?;
        }
    }
    Ok(())
}

/// Takes `count` elements of the scratch buffer, `None` where it is too short:
/// a case must not pass for want of room.
fn carve<'s, T>(scratch: &mut &'s mut [u32], count: usize) -> Option<&'s mut [T]>
where
    T: FromBytes + IntoBytes + Immutable,
{
    let slice = take(scratch, count);
    (slice.len() == count).then_some(slice)
}

/// `Some` if what must hold does.
fn ensure(holds: bool) -> Option<()> {
    holds.then_some(())
}
