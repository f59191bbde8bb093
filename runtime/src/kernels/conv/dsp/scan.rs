//! Lists of the digits of a row, in planes.

use crate::kernels::conv::scan::Lists;
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// The codes of a row of a map.
pub(in crate::kernels::conv) struct Row<'r> {
    /// All of them.
    pub words: &'r [u32],
    /// Words of a pixel.
    pub pixel: usize,
    /// The first of them that is listed.
    pub first: usize,
    /// How many are listed.
    pub count: usize,
}

/// What [`walk`] works on.
#[repr(C)]
struct Job {
    /// Ends of the lists of planes, bit 0 first, then that of the remaining bits.
    ends: [*mut u32; 4],
    /// The first word that is listed, and the end of the row.
    word: *const u32,
    words_end: *const u32,
    /// Bits that remain.
    shift: u32,
    /// Bytes of a pixel that are listed, and those until the next one's.
    bytes: usize,
    gap: usize,
    /// The first list's index, the bytes to the next one's, and the store.
    index: *mut u32,
    distance: usize,
    store: *mut u32,
}

/// Lists the digits of a row, and marks where each pixel's begin.
///
/// # Safety
///
/// Every list has room for an entry of each code, every index for as many marks
/// as there are pixels and one. There are so many words in a pixel, of which those
/// that are listed are some, and the row has whole pixels.
pub(in crate::kernels::conv) unsafe fn planes<const P: usize>(lists: &mut Lists<P>, row: &Row<'_>) {
    let words = row.words.as_ptr_range();
    let job = Job {
        ends: [lists.hb, lists.hb1, lists.hb2, lists.lb],
        word: words.start.wrapping_add(row.first),
        words_end: words.end.wrapping_add(row.first),
        shift: lists.split.shift().into(),
        bytes: 4 * row.count,
        gap: 4 * (row.pixel - row.count),
        index: lists.index,
        distance: 4 * lists.distance,
        store: lists.store,
    };
    // SAFETY: the caller's promise.
    unsafe { walk::<P>(&job) };
}

/// # Safety
///
/// As [`planes`], of a job made there.
#[unsafe(naked)]
unsafe extern "C" fn walk<const P: usize>(job: &Job) {
    naked_asm!(
        dsp!(),
        // r0 to r2 ends of planes, r3 of the rest, r4 word, r5 offset of the column,
        // r6 code, r7 digit, r8 the next word, r9 the end of the pixel's, lr shift.
        ".macro PG_PLANE end, bit",
        ".if {planes} > \\bit",
        "str r5, [\\end]",
        "ubfx r10, r7, #\\bit, #1",
        "add \\end, \\end, r10, lsl #2",
        ".endif",
        ".endm",
        ".macro PG_CODE byte",
        "ubfx r6, r4, #(8 * \\byte), #8",
        "cbz r6, 9f",
        "lsr r7, r6, lr",
        "PG_PLANE r0, 0",
        "PG_PLANE r1, 1",
        "PG_PLANE r2, 2",
        "lsl r7, r7, lr",
        "subs r6, r6, r7",
        "lsr r10, r5, #3",
        "orr r10, r10, r6, lsl #16",
        "str r10, [r3]",
        "it ne",
        "addne r3, #4",
        "9:",
        "adds r5, #16",
        ".endm",
        ".macro PG_MARK planes, end",
        ".if {planes} > \\planes",
        "sub r6, \\end, r12",
        "str r6, [r10]",
        "add r10, r11",
        ".endif",
        ".endm",
        ".macro PG_MARKS",
        "ldr r10, [sp]",
        "add r11, r10, #4",
        "str r11, [sp]",
        "ldrd r11, r12, [sp, #4]",
        "PG_MARK 0, r0",
        "PG_MARK 1, r1",
        "PG_MARK 2, r2",
        "PG_MARK 0, r3",
        ".endm",
        // sp: index, distance, store; bytes, gap, end of the words.
        "push {{r4-r11, lr}}",
        "sub sp, #28",
        "ldr r1, [r0, #20]",
        "ldr r2, [r0, #28]",
        "ldr r3, [r0, #32]",
        "strd r2, r3, [sp, #12]",
        "str r1, [sp, #20]",
        "ldr r1, [r0, #36]",
        "ldr r2, [r0, #40]",
        "ldr r3, [r0, #44]",
        "str r1, [sp]",
        "strd r2, r3, [sp, #4]",
        "ldr r8, [r0, #16]",
        "ldr lr, [r0, #24]",
        "ldm r0, {{r0-r3}}",
        "movs r5, #0",
        "ldr r10, [sp, #20]",
        "cmp r8, r10",
        "beq.w 5f",
        // A pixel.
        "1:",
        "PG_MARKS",
        "ldr r9, [sp, #12]",
        "add r9, r8",
        // A word.
        "2:",
        "ldr r4, [r8], #4",
        "cbnz r4, 3f",
        "adds r5, #64",
        "b 4f",
        "3:",
        "PG_CODE 0",
        "PG_CODE 1",
        "PG_CODE 2",
        "PG_CODE 3",
        "4:",
        "cmp r8, r9",
        "bne 2b",
        "ldrd r9, r10, [sp, #16]",
        "add r8, r9",
        "cmp r8, r10",
        "bne 1b",
        "5:",
        "PG_MARKS",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
        ".purgem PG_PLANE",
        ".purgem PG_CODE",
        ".purgem PG_MARK",
        ".purgem PG_MARKS",
        planes = const P,
    )
}
