//! Whole panels with digits: multiplications.

use super::{HEIGHT, run};
use crate::kernels::conv::patch::{Patch, Start};
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Entries of the stretches that lanes can sum.
const PART: usize = 16;

/// What 128 in every byte adds to the sums of two lanes.
fn offset(entries: &[u32]) -> i32 {
    let add = |sum: i32, &entry: &u32| sum.wrapping_add(entry as i32 >> 16);
    entries.iter().fold(0, add).wrapping_mul(0x0080_0080)
}

/// See [`crate::kernels::conv::ConvKernels::panel`]. The panel has the columns of
/// the patch, which is weighted.
pub(super) fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32; HEIGHT]) {
    *sums = [0; HEIGHT];
    if patch.limit() >= patch.columns() {
        let offset = patch.runs().map(|run| offset(run.entries)).sum();
        // SAFETY: a patch's entries are offsets of columns in a panel of its size,
        // which this one has.
        unsafe { walk(patch, panel.as_ptr(), sums, offset) };
        return;
    }
    for run in patch.runs() {
        for part in run.entries.chunks(patch.limit().min(PART)) {
            // A store of these entries only, with an index wherever it lies.
            let index = [0, size_of_val(part) as u32];
            let store = part.as_ptr();
            let start = Start {
                index: (index.as_ptr() as usize).wrapping_sub(store as usize) as u32,
                base: run.base.wrapping_add(patch.left),
            };
            let starts = core::slice::from_ref(&start).as_ptr_range();
            let part_patch = Patch {
                store,
                starts: starts.start,
                starts_end: starts.end,
                from: 0,
                to: size_of::<u32>(),
                ..*patch
            };
            // SAFETY: as above, of a part of a run.
            unsafe { walk(&part_patch, panel.as_ptr(), sums, offset(part)) };
        }
    }
}

/// Adds the sums of the runs, which lanes of 16 bits hold, to `sums`.
///
/// With the bytes of a word as `u = w + 128`, r4, r6, r8 and r10 hold the sums of
/// the words times digits, r5, r7, r9 and r11 those of their odd bytes, which taken
/// off the former leave the even ones. `offset` is what 128 adds to either. r0 is
/// the place in the list, r3 the digit, lr the column of offset 0, r12 the column.
///
/// # Safety
///
/// The panel has the columns of the patch, which is weighted.
#[unsafe(naked)]
unsafe extern "C" fn walk(
    patch: &Patch<'_>,
    panel: *const u32,
    sums: &mut [i32; HEIGHT],
    offset: i32,
) {
    naked_asm!(
        dsp!(),
        run!(),
        ".macro PG_WORD word, all, odd",
        "eor \\word, \\word, #0x80808080",
        "mla \\all, \\word, r3, \\all",
        "uxtb16 \\word, \\word, ror #8",
        "mla \\odd, \\word, r3, \\odd",
        ".endm",
        // The upper lane is the word less the lower one.
        ".macro PG_SUMS even, odd",
        "ldr lr, [sp, #32]",
        "sub \\even, \\even, \\odd, lsl #8",
        "sub \\even, \\even, lr",
        "sub \\odd, \\odd, lr",
        "ldm r0, {{r1, r2, r3, r12}}",
        "sxtah r1, r1, \\even",
        "add \\even, \\even, #0x8000",
        "add r2, r2, \\even, asr #16",
        "sxtah r3, r3, \\odd",
        "add \\odd, \\odd, #0x8000",
        "add r12, r12, \\odd, asr #16",
        "stm r0!, {{r1, r2, r3, r12}}",
        ".endm",
        // sp: see PG_RUN; end of the list, end of the starts; sums, offset.
        "push {{r2-r11, lr}}",
        "sub sp, #28",
        "ldr r4, [r0, #8]",
        "str r4, [sp, #24]",
        "PG_AIM r0, r1",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, #0",
        "mov r9, #0",
        "mov r10, #0",
        "mov r11, #0",
        "ldr r12, [sp]",
        "2:",
        "PG_RUN 5f",
        "add r1, r0",
        "str r1, [sp, #20]",
        "3:",
        "ldr r3, [r0], #4",
        "uxth r12, r3",
        "add r12, lr, r12, lsl #3",
        "asrs r3, r3, #16",
        "ldrd r1, r2, [r12]",
        "PG_WORD r1, r4, r5",
        "PG_WORD r2, r6, r7",
        "ldrd r1, r2, [r12, #8]",
        "PG_WORD r1, r8, r9",
        "PG_WORD r2, r10, r11",
        "ldr r1, [sp, #20]",
        "cmp r0, r1",
        "bne 3b",
        "5:",
        "ldr r12, [sp]",
        "ldr r0, [sp, #24]",
        "cmp r12, r0",
        "bne 2b",
        "ldr r0, [sp, #28]",
        "PG_SUMS r4, r5",
        "PG_SUMS r6, r7",
        "PG_SUMS r8, r9",
        "PG_SUMS r10, r11",
        "add sp, #36",
        "pop {{r4-r11, pc}}",
        ".purgem PG_AIM",
        ".purgem PG_RUN",
        ".purgem PG_WORD",
        ".purgem PG_SUMS",
    )
}
