//! The LSTM's cell on Thumb-1.

use crate::activation::{SIGMOID, TANH, Table};
use crate::kernels::cell::Constants;
use core::arch::naked_asm;

/// What [`units`] works on.
#[repr(C)]
struct Job {
    codes: *mut i8,
    codes_end: *const i8,
    hidden_mult: u32,
    hidden_post: u32,
    limit: u32,
    post: u32,
    preactivations: *const [i16; 4],
    mult: *const [u16; 4],
    state: *mut i16,
    sigmoid: *const Table,
    tanh: *const Table,
}

/// See [`crate::kernels::cell::update`].
pub fn cells(constants: &Constants<'_>, a: &[i16], state: &mut [i16], codes: &mut [i8]) {
    let (a, _) = a.as_chunks::<4>();
    let (mult, _) = constants.mult.as_chunks::<4>();
    let count = a.len().min(mult.len()).min(state.len());
    let codes = match codes.get_mut(..count) {
        Some(codes) => codes,
        None => codes,
    };
    // Two numbers are read at a time.
    let aligned = a.as_ptr().cast::<u32>().is_aligned() && mult.as_ptr().cast::<u32>().is_aligned();
    if codes.is_empty() || !aligned {
        return;
    }
    let job = Job {
        codes: codes.as_mut_ptr(),
        codes_end: codes.as_ptr_range().end,
        hidden_mult: constants.hidden.mult.into(),
        hidden_post: (constants.hidden.post & 31).into(),
        limit: i32::from(constants.limit) as u32,
        post: (constants.post & 31).into(),
        preactivations: a.as_ptr(),
        mult: mult.as_ptr(),
        state: state.as_mut_ptr(),
        sigmoid: &raw const SIGMOID,
        tanh: &raw const TANH,
    };
    // SAFETY: there are as many units as codes, one or more.
    unsafe { units(&job) }
}

/// Updates unit after unit, about 126 cycles each.
///
/// A nonlinearity takes 10 cycles after its multiplication: 2 to its point, 2
/// to the address of its word, 2 for the word, and 4 from there: see
/// [`crate::activation`]. One
/// test covers both limits of all four points; a state beyond 16 bits is beyond
/// the table of its tanh, too. The results of shifts are rounded by the carry:
/// it holds the last bit shifted out.
///
/// # Safety
///
/// As [`cells`] has checked.
#[unsafe(naked)]
unsafe extern "C" fn units(job: &Job) {
    naked_asm!(
        // From the point of t to the function; r1, r2 scratch, r4 the table.
        ".macro pg_interpolate t",
        "lsrs r1, \\t, #16",
        "lsls r1, r1, #2",
        "ldr r2, [r4, r1]",
        "uxth r1, r2",
        "muls \\t, r1, \\t",
        "adds \\t, \\t, r2",
        "asrs \\t, \\t, #16",
        ".endm",
        ".macro pg_point t",
        "asrs \\t, \\t, r3",
        "add \\t, r8",
        ".endm",
        // 0 below the range, 2^24 - 2 above.
        ".macro pg_limit t",
        "lsrs r1, \\t, #24",
        "beq 9f",
        "asrs \\t, \\t, #31",
        "mvns \\t, \\t",
        "lsrs \\t, \\t, #9",
        "lsls \\t, \\t, #1",
        "9:",
        ".endm",
        enter!(),
        "movs r7, r0",
        "adds r7, #24",
        "ldm r7!, {{r1-r5}}",
        // r11 preactivations, r12 from behind them to their multipliers, lr
        // state, r9 and r10 the tables, r8 the offset, r3 the shift.
        "mov r11, r1",
        "subs r2, r2, r1",
        "subs r2, #8",
        "mov r12, r2",
        "mov lr, r3",
        "mov r9, r4",
        "mov r10, r5",
        "movs r1, #1",
        "lsls r1, r1, #23",
        "subs r1, #1",
        "mov r8, r1",
        "ldm r0!, {{r1-r6}}",
        "push {{r1-r6}}",
        // sp: codes, codes end, multiplier, shift and limit of codes, shift.
        "20:",
        "ldr r3, [sp, #20]",
        "mov r1, r11",
        "ldm r1!, {{r5, r6}}",
        "mov r11, r1",
        "add r1, r12",
        "ldm r1, {{r1, r2}}",
        "sxth r0, r5",
        "uxth r7, r1",
        "muls r0, r7, r0",
        "asrs r5, r5, #16",
        "lsrs r1, r1, #16",
        "muls r5, r1, r5",
        "sxth r7, r6",
        "uxth r1, r2",
        "muls r7, r1, r7",
        "asrs r6, r6, #16",
        "lsrs r2, r2, #16",
        "muls r6, r2, r6",
        "pg_point r0",
        "pg_point r5",
        "pg_point r6",
        "pg_point r7",
        "movs r1, r0",
        "orrs r1, r5",
        "orrs r1, r6",
        "orrs r1, r7",
        "lsrs r1, r1, #24",
        "bne 5f",
        "2:",
        "mov r4, r9",
        "pg_interpolate r0",
        "pg_interpolate r5",
        "pg_interpolate r6",
        "mov r4, r10",
        "pg_interpolate r7",
        // c' = sat16((f c + (i g >> 4) + 2^14) >> 15)
        "muls r0, r7, r0",
        "asrs r0, r0, #4",
        "mov r7, lr",
        "ldrh r1, [r7]",
        "sxth r1, r1",
        "muls r5, r1, r5",
        "adds r5, r5, r0",
        "movs r1, #0",
        "asrs r5, r5, #15",
        "adcs r5, r1",
        // Beyond 16 bits it is beyond the table, too.
        "strh r5, [r7]",
        "adds r7, #2",
        "mov lr, r7",
        "lsls r5, r5, #9",
        "add r5, r8",
        "lsrs r1, r5, #24",
        "bne 6f",
        "4:",
        "pg_interpolate r5",
        // h = clamp((o tanh(c') >> 15) mult_h >> post_h), rounded; the
        // addition of 0 clears the carry for a shift by 0.
        "muls r6, r5, r6",
        "asrs r6, r6, #15",
        "add r1, sp, #8",
        "ldm r1!, {{r2, r3, r4}}",
        "muls r6, r2, r6",
        "adds r3, r3, #0",
        "movs r2, #0",
        "asrs r6, r6, r3",
        "adcs r6, r2",
        "adds r1, r6, r4",
        "lsls r2, r4, #1",
        "cmp r1, r2",
        "bhi 8f",
        "1:",
        "ldr r1, [sp]",
        "strb r6, [r1]",
        "adds r1, #1",
        "str r1, [sp]",
        "ldr r2, [sp, #4]",
        "cmp r1, r2",
        "beq 9f",
        "b 20b",
        "9:",
        "add sp, #24",
        leave!(),
        "5:",
        "pg_limit r0",
        "pg_limit r5",
        "pg_limit r6",
        "pg_limit r7",
        "b 2b",
        "6:",
        // The new state again, saturated.
        "mov r1, r8",
        "subs r1, r5, r1",
        "asrs r1, r1, #9",
        "sxth r2, r1",
        "cmp r1, r2",
        "beq 7f",
        "asrs r1, r1, #31",
        "movs r2, #1",
        "lsls r2, r2, #15",
        "subs r2, #1",
        "eors r1, r2",
        "subs r7, #2",
        "strh r1, [r7]",
        "7:",
        "pg_limit r5",
        "b 4b",
        "8:",
        "mov r1, r6",
        "mov r6, r4",
        "cmp r1, #0",
        "bge 1b",
        "rsbs r6, r4, #0",
        "b 1b",
        ".purgem pg_interpolate",
        ".purgem pg_point",
        ".purgem pg_limit",
    )
}
