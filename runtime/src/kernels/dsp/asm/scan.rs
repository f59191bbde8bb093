//! Which digits changed, four at a time.

use super::dsp;
use crate::kernels::changes::{Lists, Masks, ONES, scan_words};
use crate::layout::Target;
use crate::quant::Split;
use core::arch::naked_asm;

/// Bytes of a column in a panel.
const HEIGHT: u32 = Target::Dsp.panel() as u32;

/// What [`words`] works on.
#[repr(C)]
struct Job {
    codes: *const u32,
    applied: *mut u32,
    rest: *mut u32,
    /// End of the columns to add.
    plus: *mut u32,
    /// Half a unit of the digit, in every byte.
    half: u32,
    /// Shift of the digit less one.
    shift: u32,
    /// Bits of a digit, in every byte.
    digit: u32,
    /// Bits of a remainder, in every byte.
    remainder: u32,
    /// Start of the columns to subtract.
    minus: *mut u32,
    codes_end: *const u32,
}

/// Lists the digits that changed and brings `applied` up to date; see
/// [`crate::kernels::changes::scan`]. Returns how many there are.
pub fn scan(
    split: Split,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    lists: &mut Lists<'_>,
) -> u32 {
    let masks = Masks::new(split);
    let words = codes.len().min(applied.len()).min(rest.len());
    let codes = codes.get(..words).unwrap_or(&[]);
    if masks.shift == 0 || codes.is_empty() {
        return scan_words(masks, codes, applied, rest, 0, HEIGHT, lists);
    }
    let range = codes.as_ptr_range();
    let gap = lists.gap();
    let (start, length) = (gap.as_mut_ptr(), gap.len());
    let gap = gap.as_mut_ptr_range();
    let mut job = Job {
        codes: range.start,
        applied: applied.as_mut_ptr(),
        rest: rest.as_mut_ptr(),
        plus: gap.start,
        half: masks.half,
        shift: masks.shift - 1,
        digit: (0xff >> ((masks.shift - 1) & 7)) * ONES,
        remainder: masks.remainder,
        minus: gap.end,
        codes_end: range.end,
    };
    // SAFETY: there is a word of codes or more, `applied` and `rest` are as
    // long, and between the lists all words may be written.
    let columns = unsafe { words_of(&mut job) };
    let words = |pointer: *mut u32| (pointer.addr() - start.addr()) / size_of::<u32>();
    lists.close_gap(words(job.plus), length - words(job.minus));
    columns
}

/// 18 cycles for four digits that did not change, about 23 more for each that
/// did, by one.
///
/// The digits are `(v + half) >> s`, byte by byte: one halving addition, whose
/// ninth bit is not lost, and a shift by what is left.
///
/// # Safety
///
/// From `codes` to `codes_end` is a word or more, `applied` and `rest` have as
/// many, and the words from `plus` to `minus` may be written.
#[unsafe(naked)]
unsafe extern "C" fn words_of(job: &mut Job) -> u32 {
    naked_asm!(
        dsp!(),
        "push {{r0, r4-r11, lr}}",
        "ldrd r12, lr, [r0, #32]",
        // r0 codes, r1 applied, r2 rest, r3 end of the columns to add, r8 half,
        // r9 shift and in its upper bits the changed columns, r10 digit, r11
        // remainder, r12 start of the columns to subtract, lr end of the codes.
        "ldr r8, [r0, #16]",
        "ldr r9, [r0, #20]",
        "ldr r10, [r0, #24]",
        "ldr r11, [r0, #28]",
        "ldm r0, {{r0-r3}}",
        "1:",
        "ldr r4, [r0], #4",
        "ldr r5, [r1]",
        "eor r4, r4, #0x80808080",
        "uhadd8 r6, r4, r8",
        "uadd8 r7, r4, r8",
        "lsr.w r6, r6, r9",
        "and r7, r7, r11",
        "and r6, r6, r10",
        "ssub8 r7, r7, r8",
        "str r7, [r2], #4",
        "str r6, [r1], #4",
        "cmp r6, r5",
        "bne 3f",
        "2:",
        "cmp r0, lr",
        "bne 1b",
        "pop {{r0}}",
        "str r3, [r0, #12]",
        "str.w r12, [r0, #32]",
        "lsr r0, r9, #8",
        "pop {{r4-r11, pc}}",
        // r5 differences, r6 offset of the column.
        "3:",
        // Full lists are of no use: only the digits are brought up to date.
        "cmp r3, r12",
        "bhs 2b",
        "ssub8 r5, r6, r5",
        "ldr r6, [sp]",
        "ldr r6, [r6]",
        "subs r6, r0, r6",
        "subs r6, #4",
        "lsls r6, r6, #4",
        // The lowest byte that is not zero.
        "4:",
        "rbit r7, r5",
        "clz r7, r7",
        "and r7, r7, #24",
        "lsrs r5, r7",
        "add r6, r6, r7, lsl #1",
        "add r9, r9, #256",
        "sxtb r7, r5",
        "cmp r7, #0",
        "blt 6f",
        "5:",
        "cmp r3, r12",
        "bhs 7f",
        "str r6, [r3], #4",
        "subs r7, #1",
        "bne 5b",
        "b 7f",
        "6:",
        "cmp r3, r12",
        "bhs 7f",
        "str r6, [r12, #-4]!",
        "adds r7, #1",
        "bne 6b",
        "7:",
        "adds r6, #16",
        "lsrs r5, r5, #8",
        "bne 4b",
        "b 2b",
    )
}
