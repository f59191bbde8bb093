//! Products with AVX2 and FMA.
#![allow(unsafe_code)]

pub mod digits;
pub mod floats;
mod held;

use super::element::{Element, sealed::Sum};
use super::{Mask, Operands};
use std::ops::Range;
use std::sync::OnceLock;

/// Has the compiler form a vector here and not later: the sums of a group are added to
/// the outputs only behind the next group's, and it would keep on the stack what was
/// loaded for them instead.
macro_rules! settle {
    ($vector:ident in $register:ident) => {
        // SAFETY: no instruction.
        unsafe {
            core::arch::asm!("/* {0} */", inout($register) $vector, options(nostack, preserves_flags));
        }
    };
}
use settle;

/// Whether the processor has the instructions.
#[inline]
pub fn available() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
}

/// A way to multiply a row with patches.
trait Product<E: Element, const GROUP: usize> {
    /// The weights of a row, as a group takes them.
    type Row: Copy;
    /// The sums of a group, in a vector.
    type Sums: Copy;

    /// # Safety
    ///
    /// The processor has AVX2 and FMA; the row has the weights of a patch.
    unsafe fn row(&self, weights: *const E::Weight) -> Self::Row;

    /// The dot products of a row with N patches, up to `GROUP`, given where they
    /// start.
    ///
    /// # Safety
    ///
    /// The processor has AVX2 and FMA; the row has the weights of a patch, and all
    /// runs of the patches can be read.
    unsafe fn group<const N: usize>(&self, row: Self::Row, patches: [*const E; N]) -> Self::Sums;

    /// # Safety
    ///
    /// The processor has AVX2.
    unsafe fn spread(sums: Self::Sums) -> [E::Sum; GROUP];
}

/// See [`super::element::sealed::Sealed::tile`].
///
/// # Safety
///
/// The processor has AVX2 and FMA. The mask has the operands' shape, the part is of
/// its columns, and every row of outputs is as long as the part.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<'a, E: Element, const GROUP: usize, P: Product<E, GROUP>>(
    product: &P,
    operands: &Operands<'_, E>,
    mask: &Mask,
    part: &Range<usize>,
    row: usize,
    out: impl Iterator<Item = &'a mut [E::Sum]>,
) {
    let columns = operands.plan.patches.columns();
    let inputs = operands.inputs.as_ptr();
    let starts = operands.plan.starts.as_ptr();
    for (out, row) in out.zip(row..) {
        let weights = operands.weights[row * columns..][..columns].as_ptr();
        // SAFETY: the weights of a patch.
        let weights = unsafe { product.row(weights) };
        let out = out.as_mut_ptr().wrapping_sub(part.start);
        let (groups, rest) = mask.listed(row, part).as_chunks::<GROUP>();
        // SAFETY: the mask lists columns of the part only, which the plan has starts for
        // and which have outputs; the operands were found to hold every patch.
        unsafe {
            // A group is added to the outputs only once the next one is under way: what
            // waits for sums keeps the processor from looking further ahead.
            let mut before = None;
            for group in groups {
                let patches = patches(inputs, starts, group);
                let sums = product.group(weights, patches);
                if let Some((list, sums)) = before.replace((group, sums)) {
                    add(out, list, P::spread(sums));
                }
            }
            if let Some((list, sums)) = before {
                add(out, list, P::spread(sums));
            }
            macro_rules! rest {
                ($($n:literal)+) => {
                    match rest.len() {
                        $($n if $n < GROUP => if let Some(list) = rest.first_chunk::<$n>() {
                            let patches = patches(inputs, starts, list);
                            let sums = product.group(weights, patches);
                            add(out, list, P::spread(sums));
                        },)+
                        _ => {}
                    }
                };
            }
            rest!(1 2 3 4 5 6 7);
        }
    }
}

/// Where the listed patches start.
///
/// # Safety
///
/// All of them have a start, within the inputs.
#[inline(always)]
unsafe fn patches<T, const N: usize>(
    inputs: *const T,
    starts: *const u32,
    list: &[u32; N],
) -> [*const T; N] {
    list.map(|n| {
        // SAFETY: the caller's promise.
        let start = unsafe { *starts.add(n as usize) };
        inputs.wrapping_add(start as usize)
    })
}

/// Adds to the listed outputs.
///
/// # Safety
///
/// All of them are.
#[inline(always)]
unsafe fn add<S: Sum, const N: usize, const GROUP: usize>(
    out: *mut S,
    list: &[u32; N],
    sums: [S; GROUP],
) {
    for (&n, sum) in list.iter().zip(sums) {
        let out = out.wrapping_add(n as usize);
        // SAFETY: the caller's promise.
        unsafe { *out = out.read().plus(sum) };
    }
}
