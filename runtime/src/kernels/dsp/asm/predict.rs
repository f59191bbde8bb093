//! The prediction pass: 16 rows at a time, in registers.

use super::dsp;
use crate::kernels::dsp::predict::{BATCH, Batch};
use core::arch::naked_asm;
use core::mem::offset_of;

/// Adds a batch of columns to the accumulators of all panels.
///
/// # Safety
///
/// There are as many panels of `stride` words as the accumulators are for,
/// one or more, and every entry of the batch is the offset of a column.
pub unsafe fn apply(accumulators: &mut [u32], panels: &[u32], stride: usize, batch: &Batch) {
    let range = accumulators.as_mut_ptr_range();
    // SAFETY: the caller's promise.
    unsafe { walk(batch, range.start, range.end, 4 * stride, panels.as_ptr()) };
}

/// For every panel: subtracts the columns to subtract, adds the others.
///
/// The accumulators of a panel are eight registers of two rows, r4 to r11. A
/// column is four loads and eight `sxtab16`, each of which adds two signed
/// bytes to two lanes. The entry of the next column is a fifth load among
/// them; it comes from the stack, because no register is left for a pointer,
/// and that is why the batch is copied there and the loop over its columns is
/// written out. A list shorter than the loop enters it late.
///
/// Subtracting is adding between two complements: `-(x + 1) + w` complemented
/// is `x - w`.
///
/// 15 cycles a column, 54 a panel beside.
///
/// # Safety
///
/// As for [`apply`]; `stride` is in bytes here.
#[unsafe(naked)]
unsafe extern "C" fn walk(
    batch: &Batch,
    accumulators: *mut u32,
    end: *mut u32,
    stride: usize,
    panels: *const u32,
) {
    naked_asm!(
        dsp!(),
        // r0 address of the column, then its entry's successor; lr panel.
        ".macro PG_COLUMN",
        "add r0, lr",
        "ldr r1, [r0]",
        "ldr r2, [r0, #4]",
        "ldr r3, [r0, #8]",
        "ldr.w r12, [r0, #12]",
        ".endm",
        ".macro PG_ADD",
        "sxtab16 r4, r4, r1",
        "sxtab16 r5, r5, r1, ror #8",
        "sxtab16 r6, r6, r2",
        "sxtab16 r7, r7, r2, ror #8",
        "sxtab16 r8, r8, r3",
        "sxtab16 r9, r9, r3, ror #8",
        "sxtab16 r10, r10, r12",
        "sxtab16 r11, r11, r12, ror #8",
        ".endm",
        // The entries from the last to the first, at `sp + first`.
        ".macro PG_COLUMNS first",
        ".irp entry, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0",
        "PG_COLUMN",
        "ldr r0, [sp, #\\first + 4 * \\entry]",
        "PG_ADD",
        ".endr",
        "PG_COLUMN",
        "PG_ADD",
        ".endm",
        ".macro PG_COMPLEMENT",
        "mvns r4, r4",
        "mvns r5, r5",
        "mvns r6, r6",
        "mvns r7, r7",
        "mvn r8, r8",
        "mvn r9, r9",
        "mvn r10, r10",
        "mvn r11, r11",
        ".endm",
        // \count: from a number of entries to where the loop is entered, a
        // column being 46 bytes and the first entry's two less.
        ".macro PG_ENTER count, end",
        "ldr r1, [sp, #\\count]",
        "adr.w r2, \\end",
        "adds r2, #1",
        "cmp r1, #0",
        "it ne",
        "addne r2, #2",
        "movs r3, #46",
        "mls r2, r1, r3, r2",
        "str r2, [sp, #\\count]",
        ".endm",

        "push {{r4-r11, lr}}",
        "ldr lr, [sp, #36]",
        "sub sp, #{size}",
        "strd r1, r2, [sp, #{accumulators}]",
        "str r3, [sp, #{stride}]",
        "mov r12, sp",
        ".rept 4",
        "ldm r0!, {{r1-r11}}",
        "stm r12!, {{r1-r11}}",
        ".endr",
        "PG_ENTER {minus_count}, 2f",
        "PG_ENTER {plus_count}, 3f",

        "1:",
        "ldr r0, [sp, #{accumulators}]",
        "ldm r0, {{r4-r11}}",
        "PG_COMPLEMENT",
        "ldr r0, [sp, #{minus_last}]",
        "ldr pc, [sp, #{minus_count}]",
        "PG_COLUMNS {minus}",
        "2:",
        "PG_COMPLEMENT",
        "ldr r0, [sp, #{plus_last}]",
        "ldr pc, [sp, #{plus_count}]",
        "PG_COLUMNS {plus}",
        "3:",
        "ldr r1, [sp, #{end}]",
        "ldr r2, [sp, #{stride}]",
        "ldr r0, [sp, #{accumulators}]",
        "add lr, r2",
        "stm r0!, {{r4-r11}}",
        "str r0, [sp, #{accumulators}]",
        "cmp r0, r1",
        "blo 1b",
        "add sp, #{size}",
        "pop {{r4-r11, pc}}",
        ".purgem PG_COLUMN",
        ".purgem PG_ADD",
        ".purgem PG_COLUMNS",
        ".purgem PG_COMPLEMENT",
        ".purgem PG_ENTER",
        size = const FRAME,
        minus = const offset_of!(Batch, minus.offsets),
        minus_count = const offset_of!(Batch, minus.count),
        minus_last = const offset_of!(Batch, minus.last),
        plus = const offset_of!(Batch, plus.offsets),
        plus_count = const offset_of!(Batch, plus.count),
        plus_last = const offset_of!(Batch, plus.last),
        accumulators = const BATCH_BYTES,
        end = const BATCH_BYTES + 4,
        stride = const BATCH_BYTES + 8,
    )
}

/// Bytes of a batch on the stack.
const BATCH_BYTES: usize = size_of::<Batch>();
/// Bytes of the frame: behind the batch are the accumulators of the panel,
/// their end and the bytes of a panel.
const FRAME: usize = (BATCH_BYTES + 12).next_multiple_of(8);
const _: () = assert!(BATCH_BYTES == 4 * 44, "copied by eleven words");
const _: () = assert!(BATCH == 20, "the loop is written out for this many");
