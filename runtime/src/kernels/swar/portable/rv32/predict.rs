//! The prediction pass on RV32: two panels in registers.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

/// Entries of each kind that one walk over the panels applies.
const BATCH: usize = 48;

/// Columns to apply in one walk. The first so many of each kind are there.
struct Batch {
    plus: [MaybeUninit<u32>; BATCH],
    minus: [MaybeUninit<u32>; BATCH],
    /// Columns that stand in a list more than once, and how often; negative
    /// to subtract them.
    repeated: [MaybeUninit<[u32; 2]>; BATCH],
    counts: [usize; 3],
    /// How many columns are added, less how many are subtracted.
    net: u32,
}

impl Batch {
    /// Adds the column that a list starts with as often as it stands there;
    /// what is left of the list.
    #[inline(always)]
    fn take<'l>(&mut self, entry: u32, rest: &'l [u32], sign: i32) -> &'l [u32] {
        let mut rest = rest;
        let mut times = sign;
        while let Some((_, later)) = rest.split_first().filter(|&(&next, _)| next == entry) {
            times += sign;
            rest = later;
        }
        self.net = self.net.wrapping_add(times as u32);
        let [plus, minus, repeated] = &mut self.counts;
        let (place, count) = if times != sign {
            if let Some(place) = self.repeated.get_mut(*repeated) {
                place.write([entry, times as u32]);
                *repeated += 1;
            }
            return rest;
        } else if sign > 0 {
            (self.plus.get_mut(*plus), plus)
        } else {
            (self.minus.get_mut(*minus), minus)
        };
        if let Some(place) = place {
            place.write(entry);
            *count += 1;
        }
        rest
    }

    fn is_full(&self) -> bool {
        self.counts.iter().any(|&count| count >= BATCH)
    }
}

/// What [`apply`] works on; it moves the accumulators on.
#[repr(C)]
struct Job {
    accumulators: *mut [u32; 16],
    panel: *const u32,
    /// Bytes of a panel.
    stride: usize,
    accumulators_end: *const [u32; 16],
    /// Taken off both sums: the stored offset of the weights.
    offsets: [u32; 2],
    plus: *const u32,
    plus_end: *const u32,
    minus: *const u32,
    minus_end: *const u32,
    repeated: *const [u32; 2],
    repeated_end: *const [u32; 2],
}

/// Applies the lists to pairs of panels. `offsets` is what one column adds to
/// both sums beside the weights.
///
/// # Safety
///
/// From `panel` on there are twice as many panels of `stride` words as there
/// are pairs of accumulators, and every entry is the byte offset of a column.
pub unsafe fn pairs(
    accumulators: &mut [[u32; 16]],
    panel: *const u32,
    stride: usize,
    [plus, minus]: [&[u32]; 2],
    offsets: [u32; 2],
) {
    if accumulators.is_empty() {
        return;
    }
    let mut batch = Batch {
        plus: [const { MaybeUninit::uninit() }; BATCH],
        minus: [const { MaybeUninit::uninit() }; BATCH],
        repeated: [const { MaybeUninit::uninit() }; BATCH],
        counts: [0; 3],
        net: 0,
    };
    let mut run = |batch: &mut Batch| {
        let range = accumulators.as_mut_ptr_range();
        let [plus, minus, repeated] = batch.counts;
        let mut job = Job {
            accumulators: range.start,
            panel,
            stride: 4 * stride,
            accumulators_end: range.end,
            offsets: offsets.map(|offset| offset.wrapping_mul(batch.net)),
            plus: batch.plus.as_ptr().cast(),
            plus_end: batch.plus.as_ptr().wrapping_add(plus).cast(),
            minus: batch.minus.as_ptr().cast(),
            minus_end: batch.minus.as_ptr().wrapping_add(minus).cast(),
            repeated: batch.repeated.as_ptr().cast(),
            repeated_end: batch.repeated.as_ptr().wrapping_add(repeated).cast(),
        };
        // SAFETY: the caller's promise; there is one pair or more, and so
        // many entries of each kind are there.
        unsafe { apply(&mut job) };
        (batch.counts, batch.net) = ([0; 3], 0);
    };
    for (list, sign) in [(plus, 1), (minus, -1)] {
        let mut list = list;
        while let Some((&entry, rest)) = list.split_first() {
            list = batch.take(entry, rest, sign);
            if batch.is_full() {
                run(&mut batch);
            }
        }
    }
    if batch.counts != [0; 3] {
        run(&mut batch);
    }
}

/// Applies the columns to every pair of panels.
///
/// A column of two panels takes 54.5 cycles on a two-stage core, 1.70 a row:
/// eight words 2 each, four operations a word, the entry and the addresses 4,
/// and 2.5 for the loop, which takes two columns a turn. A repeated column
/// takes 75: two multiplications a word more.
///
/// # Safety
///
/// As [`pairs`] promises.
#[unsafe(naked)]
unsafe extern "C" fn apply(job: &mut Job) {
    naked_asm!(
        // Assembly outside of functions does not know the target's features.
        ".option push",
        ".option arch, +m",
        #[cfg(target_feature = "c")]
        ".option arch, +c",
        // Two words at a time, so that no instruction waits for the one before.
        ".macro pg_words operation, at, column, a0, o0, a1, o1",
        "lw s0, \\at(\\column)",
        "lw t0, \\at+4(\\column)",
        "\\operation \\a0, \\a0, s0",
        "srli s1, s0, 8",
        "\\operation \\a1, \\a1, t0",
        "srli t1, t0, 8",
        "and s1, s1, a3",
        "and t1, t1, a3",
        "\\operation \\o0, \\o0, s1",
        "\\operation \\o1, \\o1, t1",
        ".endm",
        // The same, t2 times.
        ".macro pg_repeat at, a0, o0, a1, o1",
        "lw s0, \\at(a5)",
        "lw t0, \\at+4(a5)",
        "srli s1, s0, 8",
        "srli t1, t0, 8",
        "mul s0, s0, t2",
        "mul t0, t0, t2",
        "and s1, s1, a3",
        "and t1, t1, a3",
        "mul s1, s1, t2",
        "mul t1, t1, t2",
        "add \\a0, \\a0, s0",
        "add \\a1, \\a1, t0",
        "add \\o0, \\o0, s1",
        "add \\o1, \\o1, t1",
        ".endm",
        ".macro pg_column operation, at",
        "lw a5, \\at(a1)",
        "add a5, a5, a4",
        "add t2, a5, ra",
        "pg_words \\operation, 0, a5, s2, s3, s4, s5",
        "pg_words \\operation, 8, a5, s6, s7, s8, s9",
        "pg_words \\operation, 0, t2, s10, s11, t3, t4",
        "pg_words \\operation, 8, t2, t5, t6, a6, a7",
        ".endm",
        // From a1 to a2; an odd entry comes first, through the second half.
        ".macro pg_walk operation",
        "beq a1, a2, 4f",
        "sub a5, a2, a1",
        "andi a5, a5, 4",
        "beqz a5, 2f",
        "addi a1, a1, -4",
        "j 3f",
        "2:",
        "pg_column \\operation, 0",
        "3:",
        "pg_column \\operation, 4",
        "addi a1, a1, 8",
        "bne a1, a2, 2b",
        "4:",
        ".endm",
        enter!(),
        "li a3, 0x00ff00ff",
        "lw a4, 4(a0)",
        "lw ra, 8(a0)",
        "1:",
        "lw t0, (a0)",
        "lw s0, 16(a0)",
        "lw s1, 20(a0)",
        "lw s2, 0(t0)",
        "lw s3, 4(t0)",
        "lw s4, 8(t0)",
        "lw s5, 12(t0)",
        "lw s6, 16(t0)",
        "lw s7, 20(t0)",
        "lw s8, 24(t0)",
        "lw s9, 28(t0)",
        "lw s10, 32(t0)",
        "lw s11, 36(t0)",
        "lw t3, 40(t0)",
        "lw t4, 44(t0)",
        "lw t5, 48(t0)",
        "lw t6, 52(t0)",
        "lw a6, 56(t0)",
        "lw a7, 60(t0)",
        "sub s2, s2, s0",
        "sub s3, s3, s1",
        "sub s4, s4, s0",
        "sub s5, s5, s1",
        "sub s6, s6, s0",
        "sub s7, s7, s1",
        "sub s8, s8, s0",
        "sub s9, s9, s1",
        "sub s10, s10, s0",
        "sub s11, s11, s1",
        "sub t3, t3, s0",
        "sub t4, t4, s1",
        "sub t5, t5, s0",
        "sub t6, t6, s1",
        "sub a6, a6, s0",
        "sub a7, a7, s1",
        "lw a1, 24(a0)",
        "lw a2, 28(a0)",
        "pg_walk add",
        "lw a1, 32(a0)",
        "lw a2, 36(a0)",
        "pg_walk sub",
        "lw a1, 40(a0)",
        "lw a2, 44(a0)",
        "beq a1, a2, 6f",
        "5:",
        "lw a5, (a1)",
        "lw t2, 4(a1)",
        "addi a1, a1, 8",
        "add a5, a5, a4",
        "pg_repeat 0, s2, s3, s4, s5",
        "pg_repeat 8, s6, s7, s8, s9",
        "add a5, a5, ra",
        "pg_repeat 0, s10, s11, t3, t4",
        "pg_repeat 8, t5, t6, a6, a7",
        "bne a1, a2, 5b",
        "6:",
        "lw t0, (a0)",
        "lw s0, 12(a0)",
        "sw s2, 0(t0)",
        "sw s3, 4(t0)",
        "sw s4, 8(t0)",
        "sw s5, 12(t0)",
        "sw s6, 16(t0)",
        "sw s7, 20(t0)",
        "sw s8, 24(t0)",
        "sw s9, 28(t0)",
        "sw s10, 32(t0)",
        "sw s11, 36(t0)",
        "sw t3, 40(t0)",
        "sw t4, 44(t0)",
        "sw t5, 48(t0)",
        "sw t6, 52(t0)",
        "sw a6, 56(t0)",
        "sw a7, 60(t0)",
        "addi t0, t0, 64",
        "sw t0, (a0)",
        "add a4, a4, ra",
        "add a4, a4, ra",
        "bne t0, s0, 1b",
        leave!(),
        ".purgem pg_words",
        ".purgem pg_repeat",
        ".purgem pg_column",
        ".purgem pg_walk",
        ".option pop",
    )
}
