//! Bit planes: additions only.

use super::{HEIGHT, run};
use crate::kernels::conv::Patch;
use crate::kernels::conv::outputs::Levels;
#[cfg(doc)]
use crate::kernels::conv::outputs::{Level, PairLevel};
use crate::kernels::dsp::dsp;
use core::arch::naked_asm;

/// Sets the sums, and returns the rows that exceed their levels as [`walk`] does;
/// `None` if there are no levels of the kind that the patch's sums have. The panel
/// has the columns of the patch, which is of planes.
#[inline(always)]
pub(super) fn panel(
    panel: &[u32],
    patch: &Patch<'_>,
    levels: Levels<'_>,
    sums: &mut [i32; HEIGHT],
) -> Option<u32> {
    let levels = match levels {
        Levels::Narrow(narrow) if patch.folds() == 0 && narrow.len() >= HEIGHT / 2 => {
            narrow.as_ptr().cast()
        }
        Levels::Wide(wide) if patch.folds() != 0 && wide.len() >= HEIGHT => wide.as_ptr().cast(),
        _ => return None,
    };
    // SAFETY: a patch's entries are offsets of columns in a panel of its size, which
    // this one has, the sums are those of a panel, and so are the levels.
    Some(unsafe { walk(patch, panel.as_ptr(), sums, levels) })
}

/// Sets the 16 sums of a panel: those of each plane's runs, added up by
/// Horner's rule in lanes of 16 bits, or, where the patch folds, in the sums
/// themselves. Returns the rows that open in the lower half, those that live in the
/// upper one.
///
/// The lanes are r4 to r11, two rows each; r0 is the place in the list, lr the
/// column of offset 0, r12 the column. The loop over 16 columns is written out
/// and entered where as many are left as remain modulo 16.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes. Levels are of all rows
/// of a panel: [`Level`] where the patch folds, [`PairLevel`] where it does not.
#[unsafe(naked)]
unsafe extern "C" fn walk(
    patch: &Patch<'_>,
    panel: *const u32,
    sums: &mut [i32; HEIGHT],
    levels: *const u32,
) -> u32 {
    naked_asm!(
        dsp!(),
        run!(),
        // 48 bytes, and 6 with the next entry.
        ".macro PG_COLUMN",
        "ldr.w r1, [r12]",
        "ldr.w r2, [r12, #4]",
        "ldr.w r3, [r12, #8]",
        "ldr.w r12, [r12, #12]",
        "sxtab16 r4, r4, r1",
        "sxtab16 r5, r5, r1, ror #8",
        "sxtab16 r6, r6, r2",
        "sxtab16 r7, r7, r2, ror #8",
        "sxtab16 r8, r8, r3",
        "sxtab16 r9, r9, r3, ror #8",
        "sxtab16 r10, r10, r12",
        "sxtab16 r11, r11, r12, ror #8",
        ".endm",
        ".macro PG_NEXT",
        "ldr r12, [r0], #4",
        "add r12, lr",
        ".endm",
        ".macro PG_SUMS first, second",
        "sxth r1, \\first",
        "asr r2, \\first, #16",
        "sxth r3, \\second",
        "asr r12, \\second, #16",
        "stm r0!, {{r1, r2, r3, r12}}",
        ".endm",
        // The same added to twice the sums; the lanes start anew.
        ".macro PG_FOLD first, second",
        "ldm r0, {{r1, r2, r3, r12}}",
        "sxth lr, \\first",
        "add r1, lr, r1, lsl #1",
        "asr lr, \\first, #16",
        "add r2, lr, r2, lsl #1",
        "sxth lr, \\second",
        "add r3, lr, r3, lsl #1",
        "asr lr, \\second, #16",
        "add r12, lr, r12, lsl #1",
        "stm r0!, {{r1, r2, r3, r12}}",
        "mov \\first, #0",
        "mov \\second, #0",
        ".endm",
        // A mask grows downwards, the even row's bits in its lower half.
        ".macro PG_LEVEL mask, level, sums",
        "ssub16 \\level, \\level, \\sums",
        "sel \\level, r12, lr",
        "orr \\mask, \\level, \\mask, lsr #2",
        ".endm",
        ".macro PG_LEVELS sums",
        "ldrd r1, r4, [r0], #8",
        "PG_LEVEL r2, r1, \\sums",
        "PG_LEVEL r3, r4, \\sums",
        ".endm",
        // sp: see PG_RUN; end of the list, end of the plane, patch, planes until a
        // fold or 0; sums, levels.
        "push {{r2-r11, lr}}",
        "sub sp, #36",
        "str r0, [sp, #28]",
        "PG_AIM r0, r1",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, #0",
        "mov r9, #0",
        "mov r10, #0",
        "mov r11, #0",
        "ldr r0, [sp, #28]",
        "ldr r0, [r0, #28]",
        "str r0, [sp, #32]",
        "cbz r0, 1f",
        "ldr r0, [sp, #36]",
        "stm r0!, {{r4-r11}}",
        "stm r0!, {{r4-r11}}",
        // A plane.
        "1:",
        "ldr r0, [sp, #28]",
        "ldr r12, [sp]",
        "ldr r0, [r0, #12]",
        "add r0, r12",
        "str r0, [sp, #24]",
        // A run.
        "2:",
        "PG_RUN 5f",
        "add r3, r0, r1",
        "str r3, [sp, #20]",
        "subs r1, #4",
        "ubfx r1, r1, #2, #4",
        "movs r2, #54",
        "adr.w r3, 4f",
        "mls r3, r1, r2, r3",
        "PG_NEXT",
        "mov pc, r3",
        ".p2align 2",
        "3:",
        "PG_NEXT",
        ".irp entry, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1",
        "PG_COLUMN",
        "PG_NEXT",
        ".endr",
        "4:",
        "PG_COLUMN",
        "ldr r1, [sp, #20]",
        "cmp r0, r1",
        "bne.w 3b",
        "5:",
        "ldr r12, [sp]",
        "ldr r0, [sp, #24]",
        "cmp r12, r0",
        "bne.w 2b",
        "ldr r1, [sp, #28]",
        "ldr r3, [sp, #32]",
        "ldr r1, [r1, #8]",
        "cbz r3, 9f",
        "subs r3, #1",
        "beq.w 7f",
        "str r3, [sp, #32]",
        "b 10f",
        "9:",
        "cmp r12, r1",
        "beq.w 6f",
        "10:",
        "sadd16 r4, r4, r4",
        "sadd16 r5, r5, r5",
        "sadd16 r6, r6, r6",
        "sadd16 r7, r7, r7",
        "sadd16 r8, r8, r8",
        "sadd16 r9, r9, r9",
        "sadd16 r10, r10, r10",
        "sadd16 r11, r11, r11",
        "b.w 1b",
        "6:",
        "ldr r0, [sp, #36]",
        "PG_SUMS r4, r5",
        "PG_SUMS r6, r7",
        "PG_SUMS r8, r9",
        "PG_SUMS r10, r11",
        "ldr r0, [sp, #40]",
        "movs r2, #0",
        "movs r3, #0",
        "mov r12, #0",
        "movw lr, #0x4000",
        "movt lr, #0x8000",
        "ldr r1, [r0], #4",
        "PG_LEVEL r2, r1, r4",
        "ldr r1, [r0], #4",
        "PG_LEVEL r3, r1, r4",
        "PG_LEVELS r5",
        "PG_LEVELS r6",
        "PG_LEVELS r7",
        "PG_LEVELS r8",
        "PG_LEVELS r9",
        "PG_LEVELS r10",
        "PG_LEVELS r11",
        "orr r2, r2, r2, lsr #16",
        "orr r3, r3, r3, lsr #16",
        "uxth r0, r2",
        "orr r0, r0, r3, lsl #16",
        "8:",
        "add sp, #44",
        "pop {{r4-r11, pc}}",
        "7:",
        "ldr r0, [sp, #36]",
        "PG_FOLD r4, r5",
        "PG_FOLD r6, r7",
        "PG_FOLD r8, r9",
        "PG_FOLD r10, r11",
        "ldr r0, [sp]",
        "ldr r1, [sp, #28]",
        "ldr r1, [r1, #8]",
        "cmp r0, r1",
        "bne.w 1b",
        "ldr r0, [sp, #36]",
        "ldr r1, [sp, #40]",
        ".rept 4",
        "ldm r0!, {{r4-r7}}",
        ".irp sum, r4, r5, r6, r7",
        "ldrd r8, r9, [r1], #8",
        "subs r8, r8, \\sum",
        "subs r9, r9, \\sum",
        "adds r8, r8, r8",
        "adcs r2, r2",
        "adds r9, r9, r9",
        "adcs r3, r3",
        ".endr",
        ".endr",
        // Row 0 is the highest bit.
        "rbit r2, r2",
        "rbit r3, r3",
        "pkhtb r0, r3, r2, asr #16",
        "b.w 8b",
        ".purgem PG_AIM",
        ".purgem PG_RUN",
        ".purgem PG_COLUMN",
        ".purgem PG_NEXT",
        ".purgem PG_SUMS",
        ".purgem PG_FOLD",
        ".purgem PG_LEVEL",
        ".purgem PG_LEVELS",
    )
}
