//! Whole panels with digits: multiplications.

use super::{HEIGHT, Job};
use crate::kernels::conv::{Patch, Run};
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Entries of the stretches that lanes can sum.
const PART: usize = 16;

/// See [`crate::kernels::conv::ConvKernels::panel`].
pub(super) fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32; HEIGHT]) {
    sums.fill(0);
    let mut add = |runs: &[Run]| {
        let digits = runs.iter().flat_map(|run| patch.of(run));
        let digits = digits.fold(0, |sum: i32, &entry| {
            sum.wrapping_add(i32::from(entry as i8))
        });
        if let Some(job) = Job::new(panel, patch, runs, sums) {
            // SAFETY: a patch's entries are offsets of columns in a panel of its
            // size, which this one has; parts of runs are runs.
            unsafe { walk(&job, digits.wrapping_mul(0x0080_0080)) };
        }
    };
    if patch.limit() >= patch.columns() {
        add(patch.runs());
        return;
    }
    let limit = patch.limit().min(PART);
    for run in patch.runs() {
        let mut left = *run;
        while left.count > 0 {
            let count = left.count.min(limit as u32);
            add(&[Run { count, ..left }]);
            left.first += count;
            left.count -= count;
        }
    }
}

/// Adds the sums of the runs, which lanes of 16 bits hold, to the job's.
///
/// With the bytes of a word as `u = w + 128`, r4, r6, r8 and r10 hold the sums of
/// the words times digits, r5, r7, r9 and r11 those of their odd bytes, which taken
/// off the former leave the even ones. `offset` is what 128 adds to either. r0 is
/// the place in the list, r3 the digit, lr the column of offset 0, r12 the column.
///
/// # Safety
///
/// The job is as [`Job::new`] makes it, of a weighted patch.
#[unsafe(naked)]
unsafe extern "C" fn walk(job: &Job, offset: i32) {
    naked_asm!(
        dsp!(),
        ".macro PG_WORD word, all, odd",
        "eor \\word, \\word, #0x80808080",
        "mla \\all, \\word, r3, \\all",
        "uxtb16 \\word, \\word, ror #8",
        "mla \\odd, \\word, r3, \\odd",
        ".endm",
        // The upper lane is the word less the lower one.
        ".macro PG_SUMS even, odd",
        "ldr lr, [sp, #24]",
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
        "push {{r4-r11, lr}}",
        "sub sp, #28",
        // sp: run, end of the runs, entries, panel, sums; end of the list, offset.
        "str r1, [sp, #24]",
        "ldm r0, {{r1, r2, r3, r4, r5}}",
        "stm sp, {{r1, r2, r3, r4, r5}}",
        "mov r12, r1",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, #0",
        "mov r9, #0",
        "mov r10, #0",
        "mov r11, #0",
        "2:",
        "ldm r12!, {{r0, r1, r2}}",
        "cmp r1, #0",
        "beq.w 5f",
        "str r12, [sp]",
        "ldrd r3, lr, [sp, #8]",
        "add r0, r3, r0, lsl #2",
        "add lr, r2",
        "add r1, r0, r1, lsl #2",
        "str r1, [sp, #20]",
        "3:",
        "ldr r3, [r0], #4",
        "add r12, lr, r3, lsr #8",
        "sxtb r3, r3",
        "ldrd r1, r2, [r12]",
        "PG_WORD r1, r4, r5",
        "PG_WORD r2, r6, r7",
        "ldrd r1, r2, [r12, #8]",
        "PG_WORD r1, r8, r9",
        "PG_WORD r2, r10, r11",
        "ldr r1, [sp, #20]",
        "cmp r0, r1",
        "bne 3b",
        "ldr r12, [sp]",
        "5:",
        "ldr r0, [sp, #4]",
        "cmp r12, r0",
        "bne 2b",
        "ldr r0, [sp, #16]",
        "PG_SUMS r4, r5",
        "PG_SUMS r6, r7",
        "PG_SUMS r8, r9",
        "PG_SUMS r10, r11",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
        ".purgem PG_WORD",
        ".purgem PG_SUMS",
    )
}
