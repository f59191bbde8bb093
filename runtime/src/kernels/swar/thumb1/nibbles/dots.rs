//! Dot products on Thumb-1: two rows share the digits.
//!
//! `rev16` exchanges the bytes in both halves of a word. With `P = (W >> 4) &
//! 0x0f0f0f0f`, a dot product is `W Y0 + rev16(W) Y1 + P Y2 + rev16(P) Y3`, and
//! each weight must meet its digit:
//!
//! ```text
//! Y0 + 2^8 Y1 = X0      Y2 + 2^8 Y3 + 2^4 (Y0 + 2^8 Y1) = X1
//! 2^8 Y0 + Y1 = X2      2^8 Y2 + Y3 + 2^4 (2^8 Y0 + Y1) = X3
//! ```

use crate::kernels::Plane;
use crate::kernels::swar::thumb1::combine;
use crate::kernels::swar::thumb1::dots::{Job, listed};
use core::arch::naked_asm;

/// What the words that [`pairs`] takes out are multiplied with.
pub const fn factors([x0, x1, x2, x3]: [u32; 4]) -> [u32; 4] {
    let [y0, y1] = combine(x0, x2);
    let [y2, y3] = combine(x1.wrapping_sub(x0 << 4), x3.wrapping_sub(x2 << 4));
    [y0, y1, y2, y3]
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    // SAFETY: that is what the loop takes.
    unsafe { listed::<2, 1, 4>(rows, plane, list, sums, pairs) }
}

/// Dot products of two listed rows at a time; the last two overlap those before
/// them where their number is odd.
///
/// Eight columns of two rows take 38 cycles, 2.4 a multiply-accumulate: the
/// digits 6, and for each row its word 2, three operations to its upper halves,
/// which wait in a high register, two `rev16`, four multiplications and four
/// additions; 1.5 more for the loop, which is written out twice and entered in
/// the middle for an odd number of words.
///
/// # Safety
///
/// As for [`listed`].
#[unsafe(naked)]
unsafe extern "C" fn pairs(job: &Job) {
    naked_asm!(
        // r0, r1 rows, r2 plane, r3, r4 digits, r7 mask; r8, r9 upper halves,
        // r10 end of the chunk, r12, lr sums.
        ".macro pg_products sum",
        "rev16 r6, r5",
        "muls r5, r3, r5",
        "muls r6, r4, r6",
        "add \\sum, r5",
        "add \\sum, r6",
        ".endm",
        ".macro pg_lower row, upper, sum",
        "ldm \\row!, {{r5}}",
        "lsrs r6, r5, #4",
        "ands r6, r7",
        "mov \\upper, r6",
        "pg_products \\sum",
        ".endm",
        ".macro pg_upper upper, sum",
        "mov r5, \\upper",
        "pg_products \\sum",
        ".endm",
        ".macro pg_eight",
        "ldm r2!, {{r3, r4}}",
        "pg_lower r0, r8, r12",
        "pg_lower r1, r9, lr",
        "ldm r2!, {{r3, r4}}",
        "pg_upper r8, r12",
        "pg_upper r9, lr",
        ".endm",
        ".macro pg_fold to, from",
        "mov \\to, \\from",
        "sxth r6, \\to",
        "subs \\to, \\to, r6",
        "asrs \\to, \\to, #16",
        ".endm",
        enter!(),
        "ldm r0, {{r0-r7}}",
        "push {{r0-r7}}",
        "movs r7, #15",
        "lsls r6, r7, #8",
        "orrs r7, r6",
        "lsls r6, r7, #16",
        "orrs r7, r6",
        // sp: rows, stride, list, sums, count, plane, plane end, chunk.
        "2:",
        "mov r6, sp",
        "ldm r6!, {{r4, r5}}",
        "ldr r6, [r6]",
        "ldrh r0, [r6]",
        "ldrh r1, [r6, #2]",
        "muls r0, r5, r0",
        "muls r1, r5, r1",
        "adds r0, r0, r4",
        "adds r1, r1, r4",
        "ldr r2, [sp, #20]",
        // r11 is 0 in the first chunk of a group.
        "movs r5, #0",
        "mov r11, r5",
        "3:",
        "ldm r2!, {{r4}}",
        "mov r12, r4",
        "mov lr, r4",
        "ldr r4, [sp, #28]",
        "ldr r6, [sp, #24]",
        "adds r4, r4, r2",
        "cmp r4, r6",
        "bls 4f",
        "movs r4, r6",
        "4:",
        "mov r10, r4",
        // Bit 4: 16 bytes of the plane for every word of a row.
        "subs r4, r4, r2",
        "lsls r4, r4, #28",
        "bcs 6f",
        "5:",
        "pg_eight",
        "6:",
        "pg_eight",
        "cmp r2, r10",
        "bne 5b",
        "pg_fold r4, r12",
        "pg_fold r5, lr",
        "mov r6, r11",
        "cmp r6, #0",
        "bne 7f",
        "1:",
        "ldr r6, [sp, #12]",
        "mov r11, r6",
        "stm r6!, {{r4, r5}}",
        "ldr r6, [sp, #24]",
        "cmp r2, r6",
        "bne 3b",
        // The next two rows, as many of them new as there are.
        "ldr r4, [sp, #16]",
        "subs r4, r4, #2",
        "beq 9f",
        "movs r5, #2",
        "cmp r4, r5",
        "bhs 8f",
        "movs r5, r4",
        "movs r4, #2",
        "8:",
        "str r4, [sp, #16]",
        "lsls r5, r5, #1",
        "ldr r4, [sp, #8]",
        "adds r4, r4, r5",
        "str r4, [sp, #8]",
        "lsls r5, r5, #1",
        "ldr r4, [sp, #12]",
        "adds r4, r4, r5",
        "str r4, [sp, #12]",
        "b 2b",
        "7:",
        "ldm r6!, {{r3}}",
        "adds r4, r4, r3",
        "ldm r6!, {{r3}}",
        "adds r5, r5, r3",
        "b 1b",
        "9:",
        "add sp, #32",
        leave!(),
        ".purgem pg_products",
        ".purgem pg_lower",
        ".purgem pg_upper",
        ".purgem pg_eight",
        ".purgem pg_fold",
    )
}
