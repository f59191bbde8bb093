//! Dot products of four rows.

use super::dsp;
use core::arch::naked_asm;

/// What [`multiply`] works on; it moves the lists on.
#[repr(C)]
struct Job {
    rows: *const u32,
    /// Bytes of a row.
    stride: usize,
    list: *const [u16; 4],
    sums: *mut [i32; 4],
    /// Groups of four rows, at least 1.
    count: usize,
    plane: *const u32,
    /// Times 8 columns, at least 1.
    blocks: usize,
}

/// Dot products of groups of four listed rows.
///
/// # Safety
///
/// The listed rows of `stored` words, a multiple of 2 and not 0, lie in `rows`,
/// and `plane` has twice as many words.
pub unsafe fn groups(
    rows: &[u32],
    stored: usize,
    plane: &[u32],
    list: &[[u16; 4]],
    sums: &mut [[i32; 4]],
) {
    let count = list.len().min(sums.len());
    if count == 0 {
        return;
    }
    let mut job = Job {
        rows: rows.as_ptr(),
        stride: 4 * stored,
        list: list.as_ptr(),
        sums: sums.as_mut_ptr(),
        count,
        plane: plane.as_ptr(),
        blocks: stored / 2,
    };
    // SAFETY: the caller's promise, for `count` groups and sums, at least one.
    unsafe { multiply(&mut job) };
}

/// Four rows at a time.
///
/// A word of weights is read once and multiplied twice; the two words of the
/// plane serve four rows. 14 registers hold four sums, four rows, the plane,
/// the counter and four of the six words: two rows after the other.
///
/// 20 cycles for 4 columns: 12 in arithmetic, 6 loads in two runs. The loop is
/// written out for 16 columns and entered in the middle for an odd number of
/// blocks. 50 cycles more for a group.
///
/// # Safety
///
/// As [`groups`], and `count` is at least 1.
#[unsafe(naked)]
unsafe extern "C" fn multiply(job: &mut Job) {
    naked_asm!(
        dsp!(),
        // r4-r7 sums, r8-r10 and lr rows, r1 plane, r2 blocks.
        ".macro PG_FOUR",
        "ldr r11, [r1], #4",
        "ldr r12, [r1], #4",
        "ldr r0, [r8], #4",
        "ldr r3, [r9], #4",
        "smlad r4, r0, r11, r4",
        "smlad r5, r3, r11, r5",
        "sxtb16 r0, r0",
        "sxtb16 r3, r3",
        "smlad r4, r0, r12, r4",
        "smlad r5, r3, r12, r5",
        "ldr r0, [r10], #4",
        "ldr r3, [lr], #4",
        "smlad r6, r0, r11, r6",
        "smlad r7, r3, r11, r7",
        "sxtb16 r0, r0",
        "sxtb16 r3, r3",
        "smlad r6, r0, r12, r6",
        "smlad r7, r3, r12, r7",
        ".endm",
        "push {{r0, r4-r11, lr}}",
        "3:",
        "ldr r1, [r0, #8]",
        "ldrh r8, [r1], #2",
        "ldrh r9, [r1], #2",
        "ldrh r10, [r1], #2",
        "ldrh r11, [r1], #2",
        "str r1, [r0, #8]",
        "ldrd r1, r2, [r0]",
        "mla r8, r8, r2, r1",
        "mla r9, r9, r2, r1",
        "mla r10, r10, r2, r1",
        "mla lr, r11, r2, r1",
        "ldrd r1, r2, [r0, #20]",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "lsrs r2, r2, #1",
        "bcs 2f",
        "subs r2, #1",
        "1:",
        "PG_FOUR",
        "PG_FOUR",
        "2:",
        "PG_FOUR",
        "PG_FOUR",
        "subs r2, #1",
        "bpl 1b",
        "ldr r0, [sp]",
        "ldrd r1, r2, [r0, #12]",
        "asrs r4, r4, #8",
        "asrs r5, r5, #8",
        "asrs r6, r6, #8",
        "asrs r7, r7, #8",
        "stm r1!, {{r4-r7}}",
        "subs r2, #1",
        "strd r1, r2, [r0, #12]",
        "bne 3b",
        "add sp, #4",
        "pop {{r4-r11, pc}}",
        ".purgem PG_FOUR",
    )
}
