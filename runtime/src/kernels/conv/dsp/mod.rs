//! The loops for [`Target::Dsp`] in assembly.
//!
//! Cycles as in [`crate::kernels::dsp`]: Cortex-M4, no wait states.
//!
//! | loop | work | least | reached |
//! |---|---|---|---|
//! | planes | an entry, 16 rows: 5 loads, 8 additions, an address | 15 | 16.3, and 40 a run |
//! | lists | a code, 3 planes and the rest: 4 stores, 15 in arithmetic; a code of 0 | 19; 5 | 21; 5 |
//! | levels | 16 rows, two masks: 16 loads, 48 in arithmetic | 66 | 81 |
//! | levels of 32 bits | the same: 48 loads, 96 in arithmetic | 145 | 170 |
//! | codes | an output: 6 loads, a store, 11 in arithmetic | 19 | 25 |
//! | codes and a residual | an output: 9 loads, a store, 19 in arithmetic | 29 | 35 |
//! | weighted | an entry, 16 rows: 5 loads, 8 in bytes, 8 multiplications, digit and address | 24 | 32, and 25 a run |
//! | rows | an entry, 1 to 4 rows: 2 to 5 loads, 1 to 4 multiplications, an address | 5 to 11 | 5 to 12, and 0.5 for the loop, 38 a run |
//!
//! The least has all loads next to each other. Eight registers of sums leave
//! six, and four words of a column need four of them: the next entry is loaded
//! by itself.
//!
//! All walks find their runs in the same way, `PG_RUN` of [`run`].
#![allow(unsafe_code)]

mod codes;
mod planes;
mod rows;
pub(super) mod scan;
mod weighted;

use super::outputs::{self, Addend, Decided, Level, Levels, Mixed, PairLevel, Rows, Scale};
use super::{ConvKernels, Form, Patch};
use crate::kernels::dsp::Dsp;
use crate::layout::Target;

/// Rows of a panel.
const HEIGHT: usize = Target::Dsp.panel();

/// Defines `PG_RUN`: takes the next of a patch's starts, r12, and leaves the first
/// entry in r0, the bytes of all of them in r1 and the column of offset 0 in lr;
/// goes to a label if there are none.
///
/// From sp on, a walk keeps what `PG_AIM patch, panel` puts there: the next start;
/// the store moved to the window's first pixel in an index, and to the one after
/// its last; the column of offset 0 of the window's first row; the store. r2, r3
/// and r12 are overwritten.
macro_rules! run {
    () => {
        ".macro PG_AIM patch, panel
        ldm \\patch, {{r2, r3}}
        ldr r12, [\\patch, #16]
        add r12, r2
        str r3, [sp]
        ldr r3, [\\patch, #20]
        add r3, r2
        ldr lr, [\\patch, #24]
        sub lr, \\panel, lr
        strd r12, r3, [sp, #4]
        strd lr, r2, [sp, #12]
        .endm
        .macro PG_RUN empty
        ldrd r1, lr, [r12], #8
        str r12, [sp]
        ldr r2, [sp, #4]
        ldr r3, [sp, #8]
        ldr r12, [sp, #12]
        ldr r0, [r2, r1]
        ldr r1, [r3, r1]
        ldr r2, [sp, #16]
        add lr, r12
        subs r1, r0
        beq.w \\empty
        add r0, r2
        .endm"
    };
}
use run;

/// Levels where nobody asks for rows.
static UNUSED: [Level; HEIGHT] = [Level::NONE; HEIGHT];
static UNUSED_PAIRS: [PairLevel; HEIGHT / 2] = [PairLevel {
    open: [0; 2],
    live: [0; 2],
}; HEIGHT / 2];

/// Whether a panel has the columns of a patch.
const fn covers(panel: &[u32], patch: &Patch<'_>) -> bool {
    panel.len() >= patch.columns() * (HEIGHT / 4)
}

impl ConvKernels for Dsp {
    // An entry of four rows and of two takes what one of a whole panel takes.
    const WHOLE: usize = 8;

    fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32]) {
        let (true, Some(sums)) = (covers(panel, patch), sums.first_chunk_mut()) else {
            return;
        };
        match patch.form() {
            Form::Planes(_) => {
                let levels = if patch.folds() == 0 {
                    Levels::Narrow(&UNUSED_PAIRS)
                } else {
                    Levels::Wide(&UNUSED)
                };
                let _ = planes::panel(panel, patch, levels, sums);
            }
            Form::Weighted => weighted::panel(panel, patch, sums),
        }
    }

    #[inline(always)]
    fn decide(
        panel: &[u32],
        patch: &Patch<'_>,
        levels: Levels<'_>,
        sums: &mut [i32],
        decided: &mut Decided,
    ) {
        if let (Form::Planes(_), true) = (patch.form(), covers(panel, patch))
            && let Some(sums) = sums.first_chunk_mut()
            && let Some(masks) = planes::panel(panel, patch, levels, sums)
        {
            let (open, live) = (masks & 0xffff, masks >> 16);
            decided.open.set(open);
            decided.live.set(live & !open);
            return;
        }
        Self::panel(panel, patch, sums);
        decided.find(levels, sums);
    }

    fn rows(panel: &[u32], patch: &Patch<'_>, rows: &[u8], sums: &mut [i32]) {
        if !covers(panel, patch) || patch.form() != Form::Weighted {
            return;
        }
        let beyond = |&row: &u8| usize::from(row) >= HEIGHT;
        let (Some(sums), false) = (sums.first_chunk_mut(), rows.iter().any(beyond)) else {
            return;
        };
        for rows in rows.chunks(4) {
            let (panel, list) = (panel.as_ptr(), rows.as_ptr());
            // SAFETY: a patch's entries are offsets of columns in a panel of its
            // size, which this one has, and as many rows are listed, all below the
            // height of a column.
            unsafe {
                match rows.len() {
                    1 => rows::one(patch, panel, list, sums),
                    2 => rows::two(patch, panel, list, sums),
                    3 => rows::three(patch, panel, list, sums),
                    _ => rows::four(patch, panel, list, sums),
                }
            }
        }
    }

    #[inline(always)]
    fn codes(
        scales: &[Scale],
        sums: (&[i32], u8),
        rows: &Rows,
        (low, high): (i32, i32),
        codes: (&mut [i8], usize),
    ) {
        if low == 0 {
            codes::codes(scales, sums, rows, high, codes);
        } else {
            outputs::codes(scales, sums, rows, (low, high), codes);
        }
    }

    fn added_codes(
        scales: &[Scale],
        sums: (&[i32], u8),
        rows: &Rows,
        range: (i32, i32),
        mixed: Mixed<'_>,
        addend: &Addend,
    ) {
        if codes::can_add(range, &mixed, addend) {
            codes::added(scales, sums, rows, range.1, mixed, addend);
        } else {
            outputs::added_codes(scales, sums, rows, range, mixed, addend);
        }
    }
}
