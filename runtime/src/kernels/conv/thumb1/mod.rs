//! Both walks on Thumb-1, for cores whose eight full registers are too few for
//! the compiler.
//!
//! | loop | work | least | reached (Cortex-M0+) |
//! |---|---|---|---|
//! | planes | an entry, 16 rows: 5 loads, 12 in arithmetic, an address | 20 | 22, and 1.5 for the loop, 60 a run |
//! | rows | an entry, 1 or 2 rows: 2 or 3 loads, 2 or 4 in arithmetic, digit and address | 9 or 13 | 10 or 14, and 1.5 for the loop, 55 a run |
//!
//! The sums of 16 rows stay in registers. As in [`crate::kernels::swar`], the
//! second sum is that of the words with the bytes of both halves exchanged, which
//! takes one instruction and no mask.
#![allow(unsafe_code)]

/// Defines `pg_aim`, which begins a walk over the patch in r0 and the panel in
/// r1, and `pg_run`, which takes the next of the patch's starts: it leaves the
/// first entry in r0, the column of offset 0 in r1 and the bytes of all entries
/// in r5, or goes to a label if there are none.
///
/// From sp on: the next start, the end of the starts; the store and an index's
/// start moved to the window's first pixel, the same moved to the one after its
/// last; the column of offset 0 of the window's first row; the store; the end of
/// the entries. r2 to r4 are overwritten.
macro_rules! run {
    () => {
        ".macro pg_aim
        ldr r2, [r0, #4]
        ldr r3, [r0, #8]
        str r2, [sp]
        str r3, [sp, #4]
        ldr r2, [r0]
        str r2, [sp, #20]
        ldr r3, [r0, #16]
        adds r3, r3, r2
        str r3, [sp, #8]
        ldr r3, [r0, #20]
        adds r3, r3, r2
        str r3, [sp, #12]
        ldr r3, [r0, #24]
        subs r1, r1, r3
        str r1, [sp, #16]
        .endm
        .macro pg_run empty
        ldr r2, [sp]
        ldm r2!, {{r3, r4}}
        str r2, [sp]
        ldr r2, [sp, #8]
        ldr r0, [r2, r3]
        ldr r2, [sp, #12]
        ldr r2, [r2, r3]
        subs r5, r2, r0
        bne 9f
        b \\empty
        9:
        ldr r3, [sp, #16]
        adds r1, r4, r3
        ldr r3, [sp, #20]
        adds r0, r0, r3
        adds r2, r2, r3
        str r2, [sp, #24]
        .endm
        .macro pg_times4 entry, end
        lsls r3, r5, #28
        lsrs r3, r3, #30
        beq 3f
        cmp r3, #2
        blo 2f
        beq 1f
        \\entry
        1:
        \\entry
        2:
        \\entry
        ldr r2, [sp, #24]
        cmp r0, r2
        beq \\end
        3:
        \\entry
        \\entry
        \\entry
        \\entry
        ldr r2, [sp, #24]
        cmp r0, r2
        bne 3b
        .endm"
    };
}
// Below the macro, which they use.
mod planes;
mod rows;

pub(super) use planes::walk;
pub(super) use rows::rows;
