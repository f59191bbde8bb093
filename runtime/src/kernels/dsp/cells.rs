//! The cell of [`super::Dsp`].
//!
//! The numbers are those of [`crate::kernels::cell`]. What is different is the
//! form of the tables, which saves two instructions an activation:
//!
//! - The base is stored less `segment * slope`, modulo 2^16. Then the product
//!   of the slope with the whole argument, not only with its fraction, gives
//!   the value in the lower half of the register, which is all that the next
//!   multiplication reads.
//! - The first and the last segment are flat: their slope is at most 1, and
//!   `(1 * fraction) >> 16` is 0. So an argument beyond them needs no clamp,
//!   only its segment does.

use super::inner;
use crate::activation::{SEGMENTS, Table, table};
use crate::kernels::cell::Constants;

/// Both tables, as one block.
#[repr(C)]
pub struct Tables {
    /// Logistic sigmoid.
    pub sigmoid: Table,
    /// Hyperbolic tangent.
    pub tanh: Table,
}

/// The tables in the form stated above.
pub static TABLES: Tables = Tables {
    sigmoid: tilt(&table(false)),
    tanh: tilt(&table(true)),
};

/// Where a table's segment 0 is.
pub const MIDDLE: usize = SEGMENTS / 2;

const fn tilt(table: &Table) -> Table {
    let mut out = [0; SEGMENTS];
    let mut i = 0;
    while i < SEGMENTS {
        let (base, mut slope) = (table[i] as u16, (table[i] >> 16) as u16);
        if i == 0 || i == SEGMENTS - 1 {
            assert!(slope <= 1, "the tables end flat");
            slope = 0;
        }
        let segment = (i as u16).wrapping_sub(MIDDLE as u16);
        let base = base.wrapping_sub(segment.wrapping_mul(slope));
        out[i] = base as u32 | ((slope as u32) << 16);
        i += 1;
    }
    out
}

/// Most units a call may have.
const UNITS: usize = 1 << 14;

/// See [`crate::kernels::Kernels::cells`].
pub fn cells(
    constants: &Constants<'_>,
    preactivations: &[i16],
    state: &mut [i16],
    codes: &mut [i8],
) {
    let rows = preactivations.len().min(constants.mult.len());
    let units = (rows / 4).min(state.len()).min(codes.len()).min(UNITS);
    let hidden = constants.hidden;
    let slices = (
        preactivations.get(..4 * units),
        constants.mult.get(..4 * units),
        state.get_mut(..units),
        codes.get_mut(..units),
    );
    let (Some(a), Some(mult), Some(state), Some(codes)) = slices else {
        return;
    };
    if units == 0 {
        return;
    }
    if hidden.post == 0 {
        // The loop rounds after a shift by one less; the loader sees to it.
        return;
    }
    inner::cells(a, mult, state, codes, constants);
    // The loop saturates to eight bits; most layers need no more.
    let limit = i32::from(constants.limit);
    let code = |p: i32| {
        let product = p * i32::from(hidden.mult) + (1 << ((hidden.post - 1) & 31));
        product >> (hidden.post & 31)
    };
    if code(32767) > limit || code(-32767) < -limit {
        inner::clamp(codes, constants.limit);
    }
}
