//! The cells of an LSTM, one unit a turn.

use super::dsp;
use crate::kernels::cell::Constants;
use crate::kernels::changes::ONES;
use crate::kernels::dsp::cells::{MIDDLE, TABLES};
use core::arch::naked_asm;

/// What [`units_of`] works on.
#[repr(C)]
struct Job {
    preactivations: *const i16,
    mult: *const u16,
    state: *mut i16,
    codes: *mut i8,
    sigmoid: *const u32,
    tanh: *const u32,
    /// Shift of the preactivations; multiplier of the code in the upper half.
    gates: u32,
    /// Shift of the code less one; number of units less one in the upper half.
    code: u32,
}

/// Updates states and codes, saturated to eight bits. `codes` has 1 to 2^14
/// units; otherwise, or if another slice is shorter, nothing is done.
/// `constants.hidden.post` is not 0.
pub fn cells(
    preactivations: &[i16],
    mult: &[u16],
    state: &mut [i16],
    codes: &mut [i8],
    constants: &Constants<'_>,
) {
    let units = codes.len();
    let rows = preactivations.len().min(mult.len());
    if units == 0 || units > 1 << 14 || rows < 4 * units || state.len() < units {
        return;
    }
    let hidden = constants.hidden;
    let job = Job {
        preactivations: preactivations.as_ptr(),
        mult: mult.as_ptr(),
        state: state.as_mut_ptr(),
        codes: codes.as_mut_ptr(),
        sigmoid: &raw const TABLES.sigmoid[MIDDLE],
        tanh: &raw const TABLES.tanh[MIDDLE],
        gates: (u32::from(hidden.mult) << 16) | u32::from(constants.post & 31),
        code: ((units as u32 - 1) << 16) | u32::from(hidden.post.wrapping_sub(1) & 31),
    };
    // SAFETY: all slices hold as many units as the job says.
    unsafe { units_of(&job) }
}

/// 49 cycles a unit: 30 in arithmetic, 10 loads in four runs, 2 stores, 4 to
/// count.
///
/// Shifts by a register read its lowest byte only, so their registers hold
/// another number above it. The values of the tables are right in their lower
/// halves, which is what `smulbb` and the others read.
///
/// # Safety
///
/// There must be as many units as the job says.
#[unsafe(naked)]
unsafe extern "C" fn units_of(job: &Job) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        // As in the job, in order.
        "ldm r0, {{r0-r7}}",
        "1:",
        "ldr r8, [r0], #4",
        "ldr r9, [r1], #4",
        "ldr r10, [r0], #4",
        "ldr r11, [r1], #4",
        // Arguments: r12 i, r8 f, r9 g, r10 o.
        "smulbb r12, r8, r9",
        "smultt r8, r8, r9",
        "smulbb r9, r10, r11",
        "smultt r10, r10, r11",
        "asr.w r12, r12, r6",
        "asr.w r8, r8, r6",
        "asr.w r9, r9, r6",
        "asr.w r10, r10, r6",
        // r12 = i g.
        "ssat r11, #8, r12, asr #16",
        "ssat lr, #8, r9, asr #16",
        "ldr r11, [r4, r11, lsl #2]",
        "ldr lr, [r5, lr, lsl #2]",
        "smlawt r12, r12, r11, r11",
        "smlawt r9, r9, lr, lr",
        "smulbb r12, r12, r9",
        // r8 = f, r10 = o, lr = c.
        "ssat r9, #8, r8, asr #16",
        "ssat r11, #8, r10, asr #16",
        "ldr r9, [r4, r9, lsl #2]",
        "ldr r11, [r4, r11, lsl #2]",
        "ldrsh lr, [r2]",
        "smlawt r8, r8, r9, r9",
        "smlawt r10, r10, r11, r11",
        // r8 = the new state.
        "smulbb r8, r8, lr",
        "add r8, r8, r12, asr #4",
        "add r8, r8, #0x4000",
        "ssat r8, #16, r8, asr #15",
        // Its tanh: the argument is the state times 2^9.
        "ssat r9, #8, r8, asr #7",
        "ldr r9, [r5, r9, lsl #2]",
        "strh r8, [r2], #2",
        "lsl r8, r8, #9",
        "smlawt r8, r8, r9, r9",
        // The code, rounded.
        "smulbb r8, r8, r10",
        "asr r8, r8, #15",
        "smulbt r8, r8, r6",
        "asr.w r8, r8, r7",
        "add r8, r8, #1",
        "ssat r8, #8, r8, asr #1",
        "strb r8, [r3], #1",
        "subs r7, #0x10000",
        "bpl 1b",
        "pop {{r4-r11, pc}}",
    )
}

/// Clamps codes to `-limit..=limit`; `limit` is not negative.
pub fn clamp(codes: &mut [i8], limit: i8) {
    let repeated = |byte: u8| u32::from(byte) * ONES;
    let (words, rest) = codes.as_chunks_mut::<4>();
    if !words.is_empty() {
        let above = repeated(127 - (limit as u8 & 0x7f));
        let below = repeated(128 - (limit as u8 & 0x7f));
        // SAFETY: there are so many words, one or more.
        unsafe { clamp_words(words.as_mut_ptr(), words.len(), above, below) };
    }
    for code in rest {
        *code = (*code).min(limit).max(-limit);
    }
}

/// Four codes a word: what is added saturates above, what is taken away below.
/// 11 cycles a word.
///
/// # Safety
///
/// There are `count` words, one or more, on any address.
#[unsafe(naked)]
unsafe extern "C" fn clamp_words(words: *mut [i8; 4], count: usize, above: u32, below: u32) {
    naked_asm!(
        dsp!(),
        "1:",
        "ldr r12, [r0]",
        "qadd8 r12, r12, r2",
        "qsub8 r12, r12, r2",
        "qsub8 r12, r12, r3",
        "sadd8 r12, r12, r3",
        "str r12, [r0], #4",
        "subs r1, #1",
        "bne 1b",
        "bx lr",
    )
}
