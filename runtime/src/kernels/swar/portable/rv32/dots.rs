//! Dot products on RV32IM: eight rows share the digits. The compiler, given
//! more than four rows, runs out of registers by loading far ahead.

use crate::kernels::swar::portable::dots::Shape;
use core::arch::naked_asm;
use core::mem::offset_of;

/// What [`eights`] and the others work on; they move the lists on.
#[repr(C)]
struct Job {
    rows: *const u32,
    /// Bytes of a row.
    stride: usize,
    list: *const u16,
    /// The largest number of a row.
    last: usize,
    /// Groups of rows, at least 1.
    groups: usize,
    plane: *const u32,
    plane_end: *const u32,
    /// Bytes of a chunk of the plane, without its first word.
    chunk: usize,
    /// Where the sums go, or null to add them to `values`.
    sums: *mut i32,
    /// A number for every row up to `last`.
    values: *mut i16,
    /// Added to a sum before the shift.
    half: i32,
    shift: u32,
}

impl Job {
    /// Works through a list, in groups of eight, four and two rows; stops at
    /// a group with a number that is no row's. Returns the rows done.
    ///
    /// # Safety
    ///
    /// `list` has so many numbers; there are rows up to `last`, and values or
    /// sums for all of them; the plane is that of as many columns.
    unsafe fn run(&mut self, list: &[u16]) -> usize {
        const GROUPS: [(usize, unsafe extern "C" fn(&mut Job)); 3] =
            [(8, eights), (4, fours), (2, twos)];
        let mut left = list.len();
        self.list = list.as_ptr();
        for (rows, products) in GROUPS {
            self.groups = left / rows;
            if self.groups == 0 {
                continue;
            }
            left %= rows;
            // SAFETY: the caller's promise; there is one group or more.
            unsafe { products(self) };
            if self.groups > 0 {
                return list.len() - left - self.groups * rows;
            }
        }
        list.len() - left
    }
}

/// Dot products of listed rows, over the shorter length, but for the last if
/// their number is odd; stops at a group of rows of which one does not exist.
/// Returns the rows done.
///
/// # Safety
///
/// The plane is that of rows of `shape.stored` words.
pub unsafe fn groups(
    rows: &[u32],
    list: &[u16],
    sums: &mut [i32],
    plane: *const u32,
    shape: Shape,
) -> usize {
    let Some(list) = list.get(..list.len().min(sums.len())) else {
        return 0;
    };
    let Some(mut job) = job(rows, usize::MAX, plane, shape) else {
        return 0;
    };
    job.sums = sums.as_mut_ptr();
    // SAFETY: the caller's promise; there is a sum for every row listed.
    unsafe { job.run(list) }
}

/// Adds the dot products of listed rows to their values, but for the last if
/// their number is odd; stops at a group of rows of which one does not exist
/// or has no value. Returns the rows done.
///
/// # Safety
///
/// The plane is that of rows of `shape.stored` words, in one chunk.
pub unsafe fn update(
    rows: &[u32],
    plane: *const u32,
    shape: Shape,
    list: &[u16],
    shift: u8,
    values: &mut [i16],
) -> usize {
    let Some(mut job) = job(rows, values.len(), plane, shape) else {
        return 0;
    };
    job.values = values.as_mut_ptr();
    job.half = (1 << (shift & 31)) >> 1;
    job.shift = (shift & 31).into();
    // SAFETY: the caller's promise; there are values up to the last row.
    unsafe { job.run(list) }
}

/// The first `most` rows; `None` if there are none.
fn job(rows: &[u32], most: usize, plane: *const u32, shape: Shape) -> Option<Job> {
    let count = rows.len().checked_div(shape.stored)?.min(most);
    Some(Job {
        rows: rows.as_ptr(),
        stride: 4 * shape.stored,
        list: core::ptr::null(),
        last: count.checked_sub(1)?,
        groups: 0,
        plane,
        plane_end: plane.wrapping_add(2 * shape.stored + shape.starts()),
        chunk: 8 * shape.chunk,
        sums: core::ptr::null_mut(),
        values: core::ptr::null_mut(),
        half: 0,
        shift: 0,
    })
}

/// Dot products of some listed rows at a time.
///
/// Four columns of eight rows take 69.5 cycles on a two-stage core, 2.17 a
/// multiply-accumulate: the digits 4, for every row its word 2, shift, mask,
/// two multiplications and two additions, and 1.5 for the loop. A core of five
/// stages, one instruction a cycle, finds no dependence to wait for. A row
/// takes 14 more to its address and its sum, and 12 to add it to its value.
macro_rules! products {
    ($name:ident, $rows:literal) => {
        /// See [`products`].
        ///
        /// # Safety
        ///
        /// As [`Job::run`] promises; there is one group or more.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(job: &mut Job) {
            naked_asm!(
                // Assembly outside of functions does not know the target's features.
                ".option push",
                ".option arch, +m",
                #[cfg(target_feature = "c")]
                ".option arch, +c",
                // Two rows at a time, so that no instruction waits for the one before.
                ".macro pg_rows at, row0, sum0, row1, sum1",
                "lw a4, \\at(\\row0)",
                "lw s0, \\at(\\row1)",
                "srli a5, a4, 8",
                "srli s1, s0, 8",
                "and a5, a5, a3",
                "and s1, s1, a3",
                "mul a4, a4, t0",
                "mul a5, a5, t1",
                "add \\sum0, \\sum0, a4",
                "mul s0, s0, t0",
                "add \\sum0, \\sum0, a5",
                "mul s1, s1, t1",
                "add \\sum1, \\sum1, s0",
                "add \\sum1, \\sum1, s1",
                ".endm",
                ".macro pg_columns at",
                "lw t0, 2*\\at(a2)",
                "lw t1, 2*\\at+4(a2)",
                "pg_rows \\at, t3, s2, t4, s3",
                ".if {rows} > 2",
                "pg_rows \\at, t5, s4, t6, s5",
                ".endif",
                ".if {rows} > 4",
                "pg_rows \\at, a1, s6, a6, s7",
                "pg_rows \\at, a7, s8, ra, s9",
                ".endif",
                ".endm",
                // Something for every row, and its number in the group, its sum.
                ".macro pg_each what",
                "\\what 0, t3, s2",
                "\\what 1, t4, s3",
                ".if {rows} > 2",
                "\\what 2, t5, s4",
                "\\what 3, t6, s5",
                ".endif",
                ".if {rows} > 4",
                "\\what 4, a1, s6",
                "\\what 5, a6, s7",
                "\\what 6, a7, s8",
                "\\what 7, ra, s9",
                ".endif",
                ".endm",
                ".macro pg_find n, row, sum",
                "lhu a2, 2*\\n(s0)",
                "bltu s1, a2, 9f",
                "mul a2, a2, a5",
                "add \\row, a2, a4",
                ".endm",
                ".macro pg_start n, row, sum",
                "mv \\sum, t0",
                ".endm",
                ".macro pg_forward n, row, sum",
                "addi \\row, \\row, 32",
                ".endm",
                ".macro pg_back n, row, sum",
                "add \\row, \\row, s0",
                ".endm",
                ".macro pg_fold n, row, sum",
                "slli a4, \\sum, 16",
                "srai a4, a4, 16",
                "sub \\sum, \\sum, a4",
                "srai \\sum, \\sum, 16",
                ".endm",
                ".macro pg_add n, row, sum",
                "lw a4, 4*\\n(s0)",
                "add \\sum, \\sum, a4",
                ".endm",
                ".macro pg_store n, row, sum",
                "sw \\sum, 4*\\n(s0)",
                ".endm",
                // Adds to the value; labels 10 to 17 and 20 to 27.
                ".macro pg_value n, row, sum",
                "lhu a4, 2*\\n-2*{rows}(s0)",
                "add \\sum, \\sum, t1",
                "sra \\sum, \\sum, t2",
                "slli a4, a4, 1",
                "add a4, a4, t0",
                "lh a5, (a4)",
                "add a5, a5, \\sum",
                "slli s1, a5, 16",
                "srai s1, s1, 16",
                "bne s1, a5, 2\\n\\()f",
                "1\\n:",
                "sh a5, (a4)",
                ".endm",
                ".macro pg_saturate n, row, sum",
                "2\\n:",
                "srai a5, a5, 31",
                "li s1, 0x7fff",
                "xor a5, a5, s1",
                "j 1\\n\\()b",
                ".endm",
                enter!(),
                "li a3, 0x00ff00ff",
                "lw s10, {plane_end}(a0)",
                "1:",
                "lw a4, {row_words}(a0)",
                "lw a5, {stride}(a0)",
                "lw s0, {list}(a0)",
                "lw s1, {last}(a0)",
                "pg_each pg_find",
                "addi s0, s0, 2*{rows}",
                "sw s0, {list}(a0)",
                "lw a2, {plane}(a0)",
                // s11 is 0 in the first chunk of a group.
                "li s11, 0",
                "2:",
                "lw t0, (a2)",
                "lw t2, {chunk}(a0)",
                "addi a2, a2, 4",
                "add t2, t2, a2",
                "pg_each pg_start",
                "bleu t2, s10, 3f",
                "mv t2, s10",
                "3:",
                // Where the number of eights of columns is no multiple of four,
                // the loop starts in the middle.
                "sub a4, t2, a2",
                "andi a4, a4, 48",
                "beqz a4, 5f",
                "addi a4, a4, -64",
                "add a2, a2, a4",
                "srai s0, a4, 1",
                "pg_each pg_back",
                "addi a4, a4, 32",
                "bltz a4, 4f",
                "beqz a4, 3f",
                "j 6f",
                "5:",
                "pg_columns 0",
                "pg_columns 4",
                "6:",
                "pg_columns 8",
                "pg_columns 12",
                "3:",
                "pg_columns 16",
                "pg_columns 20",
                "4:",
                "pg_columns 24",
                "pg_columns 28",
                "pg_each pg_forward",
                "addi a2, a2, 64",
                "bne a2, t2, 5b",
                "pg_each pg_fold",
                "lw s0, {sums}(a0)",
                "beqz s0, 7f",
                "beqz s11, 4f",
                "pg_each pg_add",
                "4:",
                "pg_each pg_store",
                "li s11, 1",
                "bne a2, s10, 2b",
                "addi s0, s0, 4*{rows}",
                "sw s0, {sums}(a0)",
                "8:",
                "lw a4, {groups}(a0)",
                "addi a4, a4, -1",
                "sw a4, {groups}(a0)",
                "bnez a4, 1b",
                "9:",
                leave!(),
                "7:",
                "lw s0, {list}(a0)",
                "lw t0, {values}(a0)",
                "lw t1, {half}(a0)",
                "lw t2, {shift}(a0)",
                "pg_each pg_value",
                "j 8b",
                "pg_each pg_saturate",
                ".purgem pg_rows",
                ".purgem pg_columns",
                ".purgem pg_each",
                ".purgem pg_find",
                ".purgem pg_start",
                ".purgem pg_forward",
                ".purgem pg_back",
                ".purgem pg_fold",
                ".purgem pg_add",
                ".purgem pg_store",
                ".purgem pg_value",
                ".purgem pg_saturate",
                ".option pop",
                rows = const $rows,
                row_words = const offset_of!(Job, rows),
                stride = const offset_of!(Job, stride),
                list = const offset_of!(Job, list),
                last = const offset_of!(Job, last),
                groups = const offset_of!(Job, groups),
                plane = const offset_of!(Job, plane),
                plane_end = const offset_of!(Job, plane_end),
                chunk = const offset_of!(Job, chunk),
                sums = const offset_of!(Job, sums),
                values = const offset_of!(Job, values),
                half = const offset_of!(Job, half),
                shift = const offset_of!(Job, shift),
            )
        }
    };
}

products!(eights, 8);
products!(fours, 4);
products!(twos, 2);
