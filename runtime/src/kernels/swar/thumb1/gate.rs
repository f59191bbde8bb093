//! Predictions and the gate on Thumb-1, four rows at a time.

use crate::kernels::gate;
use core::arch::naked_asm;

/// What [`fours`] works on.
#[repr(C)]
struct Job {
    accumulators: *const u32,
    predictions: *mut i16,
    thresholds: *const i16,
    accumulators_end: *const u32,
    open: *mut u16,
}

/// See [`crate::kernels::Kernels::load_within`].
pub fn load_within(
    accumulators: &[u32],
    predictions: &mut [i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    let whole = predictions.len() / 4 * 4;
    let (Some(words), Some(_), Some(_)) = (
        accumulators.get(..whole / 2),
        thresholds.get(..whole),
        open.get(..whole),
    ) else {
        return 0;
    };
    let mut count = 0;
    let aligned = |slice: *const i16| slice.cast::<u32>().is_aligned();
    if !words.is_empty() && aligned(predictions.as_ptr()) && aligned(thresholds.as_ptr()) {
        let job = Job {
            accumulators: words.as_ptr(),
            predictions: predictions.as_mut_ptr(),
            thresholds: thresholds.as_ptr(),
            accumulators_end: words.as_ptr_range().end,
            open: open.as_mut_ptr(),
        };
        // SAFETY: there is one group of four rows or more, and all slices
        // hold them all.
        count = unsafe { fours(&job) };
    }
    // Rows beyond the last whole group.
    let rest = predictions.get_mut(whole..).unwrap_or(&mut []);
    super::load(accumulators.get(whole / 2..).unwrap_or(&[]), rest);
    let thresholds = thresholds.get(whole..).unwrap_or(&[]);
    for (row, (&a, &t)) in rest.iter().zip(thresholds).enumerate() {
        if gate::is_within(a, t)
            && let Some(entry) = open.get_mut(count)
        {
            *entry = (whole + row) as u16;
            count += 1;
        }
    }
    count
}

/// Unpacks the predictions of four rows and compares two at a time, lane by
/// lane: `t + (2^15 - 1 - |a|)` has bit 15 if, and only if, `|a| < t`, and no
/// lane overflows while `|a| <= 2^15 - 1`. The complement of a negative number
/// is one less than its magnitude. 44 cycles where no row opens, about
/// 30 more where one does. Returns the number of rows listed.
///
/// # Safety
///
/// As [`load_within`] has checked.
#[unsafe(naked)]
unsafe extern "C" fn fours(job: &Job) -> usize {
    naked_asm!(
        // From two rows to 2^15 - 1 - |a|.
        ".macro pg_rest lanes",
        "lsrs r6, \\lanes, #15",
        "ands r6, r3",
        "movs r7, r6",
        "add r7, r8",
        "eors \\lanes, r7",
        "subs \\lanes, \\lanes, r6",
        ".endm",
        ".macro pg_list bits",
        "lsrs \\bits, \\bits, #16",
        "bcc 3f",
        "strh r5, [r4]",
        "adds r4, #2",
        "3:",
        "adds r5, #1",
        ".endm",
        enter!(),
        "ldm r0!, {{r1, r2, r3, r4, r5}}",
        "movs r0, r1",
        "movs r1, r2",
        "movs r2, r3",
        "mov r11, r4",
        "mov r10, r5",
        "mov lr, r5",
        // r12: from behind a group's predictions to twice its first row.
        "movs r3, #8",
        "adds r3, r3, r1",
        "rsbs r3, r3, #0",
        "mov r12, r3",
        // r3, r8 and r9: 2^16 + 1, 2^15 - 1 in both lanes, 2^15.
        "movs r3, #1",
        "lsls r4, r3, #16",
        "adds r3, r3, r4",
        "lsls r4, r3, #15",
        "subs r4, r4, r3",
        "mov r8, r4",
        "movs r4, #1",
        "lsls r4, r4, #15",
        "mov r9, r4",
        "1:",
        "ldm r0!, {{r4, r5}}",
        "lsls r6, r5, #8",
        "subs r6, r4, r6",
        "lsls r4, r4, #8",
        "subs r5, r5, r4",
        // r6 = S0 + 2^16 (S2 - S0), r5 = S1 + 2^16 (S3 - S1)
        "lsls r4, r5, #16",
        "sxth r7, r5",
        "subs r5, r5, r7",
        "adds r5, r5, r4",
        "uxth r7, r6",
        "orrs r4, r7",
        "lsls r7, r6, #16",
        "adds r6, r6, r7",
        "add r6, r9",
        "lsrs r6, r6, #16",
        "orrs r5, r6",
        // r4 = rows 0 and 1, r5 = rows 2 and 3
        "stm r1!, {{r4, r5}}",
        "pg_rest r4",
        "pg_rest r5",
        "ldm r2!, {{r6, r7}}",
        "adds r6, r6, r4",
        "adds r7, r7, r5",
        "movs r4, r6",
        "orrs r4, r7",
        "lsrs r4, r4, #15",
        "tst r4, r3",
        "bne 4f",
        "2:",
        "cmp r0, r11",
        "bne 1b",
        "mov r0, r10",
        "mov r1, lr",
        "subs r0, r0, r1",
        "lsrs r0, r0, #1",
        leave!(),
        "4:",
        "mov r4, r10",
        "movs r5, r1",
        "add r5, r12",
        "lsrs r5, r5, #1",
        "pg_list r6",
        "pg_list r6",
        "pg_list r7",
        "pg_list r7",
        "mov r10, r4",
        "b 2b",
        ".purgem pg_rest",
        ".purgem pg_list",
    )
}
