//! Dot products in NEON.
//!
//! The stored `u = w + 128` becomes `w` again by turning its highest bit. With
//! the dot product of bytes, `sdot` adds four products to a lane of 32 bits.
//! Without it two products meet in 16 bits, `2 * 127 * 127 = 32258`, and are
//! added to 32 bits in pairs. Either way digits have any magnitude up to 127
//! and the bound is that of 32 bits: a chunk is a whole row.

use crate::kernels::Plane;
use core::arch::aarch64::*;
use core::arch::asm;

/// Words of a vector register.
const WORDS: usize = 4;
/// Rows whose dot products are formed at a time: they share the digits.
const ROWS: usize = 4;
type Vectors<'a> = &'a [[u32; WORDS]];

/// See [`crate::kernels::Kernels::chunk`].
pub const fn chunk(_: u32, _: u32, columns: usize) -> usize {
    columns
}

/// See [`crate::kernels::Kernels::dots`].
#[target_feature(enable = "neon,dotprod")]
pub fn dotprod(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    by_fours(rows, plane, list, sums, |sum, w, x| {
        let mut sum = sum;
        // SAFETY: reads and writes these registers only; the instruction is
        // there by this function's features.
        unsafe {
            asm!(
                "sdot {sum:v}.4s, {w:v}.16b, {x:v}.16b",
                sum = inout(vreg) sum,
                w = in(vreg) w,
                x = in(vreg) x,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sum
    });
}

/// [`dotprod`] for cores without it.
pub fn neon(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    // SAFETY: every 64-bit Arm core has NEON.
    unsafe { plain_neon(rows, plane, list, sums) };
}

#[target_feature(enable = "neon")]
fn plain_neon(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    by_fours(rows, plane, list, sums, |sum, w, x| {
        let products = vmull_s8(vget_low_s8(w), vget_low_s8(x));
        let products = vmlal_high_s8(products, w, x);
        vpadalq_s16(sum, products)
    });
}

/// The listed rows four at a time; `add` adds the products of 16 bytes to
/// four lanes. Rows beyond the matrix give 0.
#[inline(always)]
fn by_fours(
    rows: &[u32],
    plane: &Plane<'_>,
    list: &[u16],
    sums: &mut [i32],
    add: impl Fn(int32x4_t, int8x16_t, int8x16_t) -> int32x4_t + Copy,
) {
    let stored = plane.columns / 4;
    let digits: Vectors<'_> = plane.words.get(..stored).unwrap_or(&[]).as_chunks().0;
    for (list, sums) in list.chunks(ROWS).zip(sums.chunks_mut(ROWS)) {
        let listed: [Vectors<'_>; ROWS] = core::array::from_fn(|k| {
            // Where fewer than four are left, the first is taken again.
            let row = usize::from(list.get(k).copied().unwrap_or(list[0]));
            let words = rows.get(row * stored..(row + 1) * stored);
            words.unwrap_or(&[]).as_chunks().0
        });
        if listed.iter().all(|row| row.len() == digits.len()) {
            for (sum, dot) in sums.iter_mut().zip(dot(listed, digits, add)) {
                *sum = dot;
            }
        } else {
            for (sum, row) in sums.iter_mut().zip(listed) {
                [*sum] = dot([row], digits, add);
            }
        }
    }
}

/// Dot products of N rows.
#[inline(always)]
fn dot<const N: usize>(
    rows: [Vectors<'_>; N],
    digits: Vectors<'_>,
    add: impl Fn(int32x4_t, int8x16_t, int8x16_t) -> int32x4_t,
) -> [i32; N] {
    // SAFETY: every 64-bit Arm core has NEON; a vector is read from a
    // reference to 16 bytes.
    unsafe {
        let load = |words: &[u32; WORDS]| vld1q_s8(words.as_ptr().cast());
        let offset = vdupq_n_s8(i8::MIN);
        let mut sums = [vdupq_n_s32(0); N];
        let length = rows.iter().fold(digits.len(), |n, row| n.min(row.len()));
        let rows = rows.map(|row| row.get(..length).unwrap_or(&[]));
        for (k, x) in digits.iter().take(length).enumerate() {
            let x = load(x);
            for (sum, row) in sums.iter_mut().zip(rows) {
                if let Some(u) = row.get(k) {
                    *sum = add(*sum, veorq_s8(load(u), offset), x);
                }
            }
        }
        sums.map(|sum| vaddvq_s32(sum))
    }
}
