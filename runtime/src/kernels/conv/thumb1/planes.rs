//! Bit planes: additions only.

use crate::kernels::conv::Patch;
use crate::kernels::conv::portable::Layout;
use core::arch::naked_asm;

/// Adds the columns of the patch to the sums, plane after plane by Horner's rule;
/// returns the sum of the digits. Sums are zero before.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
pub unsafe fn walk(_: Layout, sums: &mut [[u32; 2]; 4], panel: &[u32], patch: &Patch<'_>) -> u32 {
    // SAFETY: the caller's promise, and what holds for every patch.
    let bytes = unsafe { columns(patch, panel.as_ptr(), sums) };
    // From sums of words and of exchanged words to those of words and odd bytes.
    for [a, r] in sums {
        let lanes = |x: u32| x.wrapping_add(x << 16);
        let even = lanes(a.wrapping_sub(*r << 8));
        let odd = lanes(r.wrapping_sub(*a << 8));
        (*a, *r) = (even.wrapping_add(odd << 8), odd);
    }
    bytes / 4
}

/// Adds the columns of the patch to the sums, and returns four times the sum of
/// the digits.
///
/// # Safety
///
/// The panel has the columns of the patch, which is of planes.
#[unsafe(naked)]
unsafe extern "C" fn columns(
    patch: &Patch<'_>,
    panel: *const u32,
    sums: &mut [[u32; 2]; 4],
) -> u32 {
    naked_asm!(
        run!(),
        // r0 list, r1 base; sums in r8 to r12, lr, r6, r7.
        ".macro pg_column",
        "ldm r0!, {{r2}}",
        "adds r2, r2, r1",
        "ldm r2, {{r2, r3, r4, r5}}",
        "add r8, r2",
        "rev16 r2, r2",
        "add r9, r2",
        "add r10, r3",
        "rev16 r3, r3",
        "add r11, r3",
        "add r12, r4",
        "rev16 r4, r4",
        "add lr, r4",
        "adds r6, r6, r5",
        "rev16 r5, r5",
        "adds r7, r7, r5",
        ".endm",
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        // sp: see pg_aim; end of the plane, bytes of a plane's starts, bytes of the
        // entries; sums.
        "sub sp, #44",
        "str r2, [sp, #40]",
        "ldr r3, [r0, #12]",
        "str r3, [sp, #32]",
        "pg_aim",
        "movs r6, #0",
        "movs r7, #0",
        "str r6, [sp, #36]",
        "mov r8, r6",
        "mov r9, r6",
        "mov r10, r6",
        "mov r11, r6",
        "mov r12, r6",
        "mov lr, r6",
        "4:",
        "ldr r2, [sp]",
        "ldr r3, [sp, #32]",
        "adds r3, r3, r2",
        "str r3, [sp, #28]",
        "5:",
        "pg_run 6f",
        "ldr r3, [sp, #36]",
        "adds r3, r3, r5",
        "str r3, [sp, #36]",
        "pg_times4 pg_column, 6f",
        "6:",
        "ldr r2, [sp]",
        "ldr r3, [sp, #28]",
        "cmp r2, r3",
        "beq 7f",
        "b 5b",
        "7:",
        "ldr r3, [sp, #4]",
        "cmp r2, r3",
        "beq 8f",
        "add r8, r8",
        "add r9, r9",
        "add r10, r10",
        "add r11, r11",
        "add r12, r12",
        "add lr, lr",
        "adds r6, r6, r6",
        "adds r7, r7, r7",
        "ldr r3, [sp, #36]",
        "adds r3, r3, r3",
        "str r3, [sp, #36]",
        "b 4b",
        "8:",
        "ldr r0, [sp, #40]",
        "mov r2, r8",
        "mov r3, r9",
        "mov r4, r10",
        "mov r5, r11",
        "stm r0!, {{r2-r5}}",
        "mov r2, r12",
        "mov r3, lr",
        "stm r0!, {{r2, r3, r6, r7}}",
        "ldr r0, [sp, #36]",
        "add sp, #44",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        ".purgem pg_column",
        ".purgem pg_aim",
        ".purgem pg_run",
        ".purgem pg_times4",
    )
}
