//! The prediction pass: 16 rows at a time, in registers.

use super::dsp;
use core::arch::naked_asm;

/// Entries of each list that one walk over the panels applies.
pub const BATCH: usize = 20;

/// What [`walk`] works on.
#[repr(C)]
struct Job {
    minus: *const u32,
    minus_count: usize,
    plus: *const u32,
    plus_count: usize,
    accumulators: *mut u32,
    accumulators_end: *mut u32,
    panel: *const u32,
    /// Bytes of a panel.
    stride: usize,
}

/// Subtracts some columns from the accumulators of all panels, adds others.
///
/// # Safety
///
/// There are as many panels of `stride` words as the accumulators are for,
/// one or more, and every entry of both lists is the offset of a column.
pub unsafe fn apply(
    accumulators: &mut [u32],
    panels: &[u32],
    stride: usize,
    minus: &[u32],
    plus: &[u32],
) {
    if minus.len().max(plus.len()) > BATCH {
        return;
    }
    let range = accumulators.as_mut_ptr_range();
    let job = Job {
        minus: minus.as_ptr(),
        minus_count: minus.len(),
        plus: plus.as_ptr(),
        plus_count: plus.len(),
        accumulators: range.start,
        accumulators_end: range.end,
        panel: panels.as_ptr(),
        stride: 4 * stride,
    };
    // SAFETY: the caller's promise, and the lists are no longer than a batch.
    unsafe { walk(&job) };
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
/// As for [`apply`], with lists no longer than [`BATCH`].
#[unsafe(naked)]
unsafe extern "C" fn walk(job: &Job) {
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
        // Copies \count entries at \list to the stack at \first, and the last of
        // them to r3. Then \count is where the loop up to \end is entered: a
        // column is 46 bytes of code, the first entry's two less.
        ".macro PG_LIST list, count, first, end",
        "adr.w r1, \\end",
        "adds r1, #1",
        "cbz \\count, 11f",
        "movs r2, #46",
        "mls r1, \\count, r2, r1",
        "adds r1, #2",
        "add r0, sp, #\\first",
        "10:",
        "ldr r3, [\\list], #4",
        "str r3, [r0], #4",
        "subs \\count, #1",
        "bne 10b",
        "11:",
        "mov \\count, r1",
        ".endm",

        "push {{r4-r11, lr}}",
        "sub sp, #{frame}",
        "ldm r0, {{r4-r10, r12}}",
        "strd r8, r9, [sp, #{accumulators}]",
        "str r12, [sp, #{stride}]",
        "mov lr, r10",
        "PG_LIST r4, r5, {minus}, 2f",
        "strd r5, r3, [sp, #{minus_enter}]",
        "PG_LIST r6, r7, {plus}, 3f",
        "strd r7, r3, [sp, #{plus_enter}]",

        "1:",
        "ldr r0, [sp, #{accumulators}]",
        "ldm r0, {{r4-r11}}",
        "PG_COMPLEMENT",
        "ldr r0, [sp, #{minus_enter} + 4]",
        "ldr pc, [sp, #{minus_enter}]",
        "PG_COLUMNS {minus}",
        "2:",
        "PG_COMPLEMENT",
        "ldr r0, [sp, #{plus_enter} + 4]",
        "ldr pc, [sp, #{plus_enter}]",
        "PG_COLUMNS {plus}",
        "3:",
        "ldr r1, [sp, #{accumulators} + 4]",
        "ldr r2, [sp, #{stride}]",
        "ldr r0, [sp, #{accumulators}]",
        "add lr, r2",
        "stm r0!, {{r4-r11}}",
        "str r0, [sp, #{accumulators}]",
        "cmp r0, r1",
        "blo 1b",
        "add sp, #{frame}",
        "pop {{r4-r11, pc}}",
        ".purgem PG_COLUMN",
        ".purgem PG_ADD",
        ".purgem PG_COLUMNS",
        ".purgem PG_COMPLEMENT",
        ".purgem PG_LIST",
        minus = const 0,
        plus = const 4 * BATCH,
        minus_enter = const 8 * BATCH,
        plus_enter = const 8 * BATCH + 8,
        accumulators = const 8 * BATCH + 16,
        stride = const 8 * BATCH + 24,
        frame = const 8 * BATCH + 32,
    )
}

const _: () = assert!(BATCH == 20, "the loop is written out for this many");
