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

use super::Patch;
use super::portable::Layout;
use core::arch::naked_asm;

/// Adds the columns of the patch to the sums, plane after plane by Horner's rule;
/// returns the sum of the digits. Sums are zero before.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
pub(super) unsafe fn walk(
    _: Layout,
    sums: &mut [[u32; 2]; 4],
    panel: &[u32],
    patch: &Patch<'_>,
) -> u32 {
    // SAFETY: the caller's promise, and what holds for every patch.
    let bytes = unsafe { columns(patch, panel.as_ptr(), sums) };
    // From sums of words and of exchanged words to those of words and odd bytes.
    for [a, r] in sums {
        let lanes = |x: u32| x.wrapping_add(x << 16);
        let even = lanes(a.wrapping_sub(*r << 8));
        let odd = lanes(r.wrapping_sub(*a << 8));
        (*a, *r) = (even.wrapping_add(odd << 8), odd);
    }
    bytes / 4
}

/// Adds the sums of listed rows.
///
/// # Safety
///
/// The panel has the columns of the patch, which is weighted; rows are below the
/// height of a column.
pub(super) unsafe fn rows(
    _: Layout,
    panel: &[u32],
    patch: &Patch<'_>,
    rows: &[u8],
    sums: &mut [i32; 16],
) {
    for rows in rows.chunks(2) {
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let lanes = [first, last].map(u32::from);
        let mut totals = [0; 2];
        // SAFETY: the caller's promise, and what holds for every patch.
        unsafe {
            if rows.len() == 1 {
                one(patch, panel.as_ptr(), &lanes, &mut totals);
            } else {
                two(patch, panel.as_ptr(), &lanes, &mut totals);
                sums[usize::from(last) % 16] += totals[1];
            }
        }
        sums[usize::from(first) % 16] += totals[0];
    }
}

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

/// Adds the columns of the patch to the sums, and returns four times the sum of
/// the digits.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
#[unsafe(naked)]
unsafe extern "C" fn columns(
    patch: &Patch<'_>,
    panel: *const u32,
    sums: &mut [[u32; 2]; 4],
) -> u32 {
    naked_asm!(
        run!(),
        // r0 list, r1 base; sums in r8 to r12, lr, r6, r7.
        ".macro pg_column",
        "ldm r0!, {{r2}}",
        "adds r2, r2, r1",
        "ldm r2, {{r2, r3, r4, r5}}",
        "add r8, r2",
        "rev16 r2, r2",
        "add r9, r2",
        "add r10, r3",
        "rev16 r3, r3",
        "add r11, r3",
        "add r12, r4",
        "rev16 r4, r4",
        "add lr, r4",
        "adds r6, r6, r5",
        "rev16 r5, r5",
        "adds r7, r7, r5",
        ".endm",
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        // sp: see pg_aim; end of the plane, bytes of a plane's starts, bytes of the
        // entries; sums.
        "sub sp, #44",
        "str r2, [sp, #40]",
        "ldr r3, [r0, #12]",
        "str r3, [sp, #32]",
        "pg_aim",
        "movs r6, #0",
        "movs r7, #0",
        "str r6, [sp, #36]",
        "mov r8, r6",
        "mov r9, r6",
        "mov r10, r6",
        "mov r11, r6",
        "mov r12, r6",
        "mov lr, r6",
        "4:",
        "ldr r2, [sp]",
        "ldr r3, [sp, #32]",
        "adds r3, r3, r2",
        "str r3, [sp, #28]",
        "5:",
        "pg_run 6f",
        "ldr r3, [sp, #36]",
        "adds r3, r3, r5",
        "str r3, [sp, #36]",
        "pg_times4 pg_column, 6f",
        "6:",
        "ldr r2, [sp]",
        "ldr r3, [sp, #28]",
        "cmp r2, r3",
        "beq 7f",
        "b 5b",
        "7:",
        "ldr r3, [sp, #4]",
        "cmp r2, r3",
        "beq 8f",
        "add r8, r8",
        "add r9, r9",
        "add r10, r10",
        "add r11, r11",
        "add r12, r12",
        "add lr, lr",
        "adds r6, r6, r6",
        "adds r7, r7, r7",
        "ldr r3, [sp, #36]",
        "adds r3, r3, r3",
        "str r3, [sp, #36]",
        "b 4b",
        "8:",
        "ldr r0, [sp, #40]",
        "mov r2, r8",
        "mov r3, r9",
        "mov r4, r10",
        "mov r5, r11",
        "stm r0!, {{r2-r5}}",
        "mov r2, r12",
        "mov r3, lr",
        "stm r0!, {{r2, r3, r6, r7}}",
        "ldr r0, [sp, #36]",
        "add sp, #44",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        ".purgem pg_column",
        ".purgem pg_aim",
        ".purgem pg_run",
        ".purgem pg_times4",
    )
}

/// Generates a walk over weighted runs for one row or two.
macro_rules! rows {
    ($name:ident, [$($second:literal),*]) => {
        /// Sets the sums of the rows at these bytes of a column.
        ///
        /// # Safety
        ///
        /// The panel has the columns of the patch, which is weighted, and lanes
        /// are below the height of a column.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            patch: &Patch<'_>,
            panel: *const u32,
            lanes: &[u32; 2],
            sums: &mut [i32; 2],
        ) {
            naked_asm!(
                run!(),
                // r0 list, r1 and r2 the rows' bytes of the column of offset 0, r6
                // and r7 their sums; the digits add up in r8.
                ".macro pg_entry",
                "ldm r0!, {{r3}}",
                "uxth r4, r3",
                "lsls r4, r4, #3",
                "asrs r3, r3, #16",
                "add r8, r3",
                "ldrb r5, [r1, r4]",
                "muls r5, r3, r5",
                "adds r6, r6, r5",
                $($second,)*
                ".endm",
                "push {{r4-r7, lr}}",
                "mov r4, r8",
                "push {{r4}}",
                // sp: see pg_aim; sums, lanes.
                "sub sp, #40",
                "str r3, [sp, #28]",
                "ldm r2, {{r2, r3}}",
                "str r2, [sp, #32]",
                "str r3, [sp, #36]",
                "pg_aim",
                "movs r6, #0",
                "movs r7, #0",
                "mov r8, r6",
                "5:",
                "pg_run 6f",
                "lsls r3, r5, #28",
                "lsrs r3, r3, #30",
                "ldr r2, [sp, #36]",
                "adds r2, r2, r1",
                "ldr r4, [sp, #32]",
                "adds r1, r1, r4",
                "cmp r3, #2",
                "blo 4f",
                "beq 3f",
                "pg_entry",
                "3:",
                "pg_entry",
                "pg_entry",
                "b 2f",
                "4:",
                "cmp r3, #0",
                "beq 1f",
                "pg_entry",
                "2:",
                "ldr r3, [sp, #24]",
                "cmp r0, r3",
                "beq 6f",
                "1:",
                "pg_entry",
                "pg_entry",
                "pg_entry",
                "pg_entry",
                "b 2b",
                "6:",
                "ldr r2, [sp]",
                "ldr r3, [sp, #4]",
                "cmp r2, r3",
                "beq 7f",
                "b 5b",
                "7:",
                // 128 for every digit.
                "mov r3, r8",
                "lsls r3, r3, #7",
                "subs r6, r6, r3",
                "subs r7, r7, r3",
                "ldr r0, [sp, #28]",
                "stm r0!, {{r6, r7}}",
                "add sp, #40",
                "pop {{r4}}",
                "mov r8, r4",
                "pop {{r4-r7, pc}}",
                ".purgem pg_entry",
                ".purgem pg_aim",
                ".purgem pg_run",
                ".purgem pg_times4",
            )
        }
    };
}

rows!(one, []);
rows!(
    two,
    ["ldrb r5, [r2, r4]", "muls r5, r3, r5", "adds r7, r7, r5"]
);
