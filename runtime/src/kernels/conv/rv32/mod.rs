//! Both walks on RV32IM.
//!
//! | loop | work | reached (two stages) |
//! |---|---|---|
//! | planes | an entry, 16 rows: 5 loads, 16 in arithmetic, an address | 27, and 1 for the loop, 40 a run |
//! | rows | an entry, 1 to 4 rows: 2 to 5 loads, 2 to 8 in arithmetic, 1 to 4 addresses, digit | 11 to 26, and 2 for the loop, 35 a run |
//!
//! The sums of 16 rows stay in registers, as in [`super::portable`].
#![allow(unsafe_code)]

/// Defines `PG_AIM`, which begins a walk over the patch in a0 and the panel in
/// a1, and `PG_RUN`, which takes the next of the patch's starts: it leaves the
/// first entry in a3, the end in a4 and the column of offset 0 in t3, or goes to
/// a label if there are none.
///
/// t4 is the next start, t5 their end; a6 is an index's start moved to the
/// window's first pixel, a7 the same moved to the one after its last, t6 the
/// store; a1 is the column of offset 0 of the window's first row. t0 to t2 are
/// overwritten.
macro_rules! run {
    () => {
        ".macro PG_AIM
        lw t6, 0(a0)
        lw t4, 4(a0)
        lw t5, 8(a0)
        lw a6, 16(a0)
        lw a7, 20(a0)
        lw t0, 24(a0)
        add a6, a6, t6
        add a7, a7, t6
        sub a1, a1, t0
        .endm
        .macro PG_RUN empty
        lw t0, 0(t4)
        lw t3, 4(t4)
        addi t4, t4, 8
        add t1, a6, t0
        lw a3, 0(t1)
        add t2, a7, t0
        lw a4, 0(t2)
        add t3, t3, a1
        beq a3, a4, \\empty
        add a3, a3, t6
        add a4, a4, t6
        .endm"
    };
}
// Below the macro, which they use.
mod planes;
mod rows;

pub(super) use planes::walk;
pub(super) use rows::rows;
