//! Dot products of four rows.

use super::dsp;
use core::arch::naked_asm;

/// What [`multiply`] works on.
#[repr(C)]
struct Job {
    rows: [*const u32; 4],
    plane: *const u32,
    blocks: usize,
    sums: [i32; 4],
}

/// Dot products of four rows with a plane. The rows have the same number of
/// words, a multiple of 2, and the plane twice as many; otherwise the sums
/// are 0.
pub fn four(rows: [&[u32]; 4], plane: &[u32]) -> [i32; 4] {
    let words = plane.len() / 2 & !1;
    let mut job = Job {
        rows: rows.map(<[u32]>::as_ptr),
        plane: plane.as_ptr(),
        blocks: words / 2,
        sums: [0; 4],
    };
    if words > 0 && rows.iter().all(|row| row.len() >= words) {
        // SAFETY: rows and plane have the words of so many blocks.
        unsafe { multiply(&mut job) };
    }
    job.sums
}

/// `blocks` times 8 columns of four rows; at least one.
///
/// A word of weights is read once and multiplied twice; the two words of the
/// plane serve four rows. 14 registers hold four sums, four rows, the plane,
/// the counter and four of the six words: two rows after the other.
///
/// 20 cycles for 4 columns: 12 in arithmetic, 6 loads in two runs. The loop is
/// written out for 16 columns and entered in the middle for an odd number of
/// blocks.
///
/// # Safety
///
/// The rows must have 2 words for every block, the plane 4.
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
        "ldm r0, {{r8, r9, r10, r11}}",
        "mov lr, r11",
        "ldrd r1, r2, [r0, #16]",
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
        "pop {{r0}}",
        "asrs r4, r4, #8",
        "asrs r5, r5, #8",
        "asrs r6, r6, #8",
        "asrs r7, r7, #8",
        "adds r0, #24",
        "stm r0!, {{r4-r7}}",
        "pop {{r4-r11, pc}}",
        ".purgem PG_FOUR",
    )
}
