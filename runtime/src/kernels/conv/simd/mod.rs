//! The loops for [`Target::Simd`], 64 rows a panel: AVX2, or plain Rust.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::{ConvKernels, Form, Patch};
#[cfg(target_arch = "x86_64")]
use crate::kernels::simd::Features;
use crate::kernels::simd::Limited;
use crate::layout::Target;
use zerocopy::IntoBytes;

/// Rows of a panel, and bytes of a column.
const HEIGHT: usize = Target::Simd.panel();
/// Rows j and j + 16 of 32 share a lane of 16 bits.
const RUN: usize = 16;

impl<const ALLOWED: u8> ConvKernels for Limited<ALLOWED> {
    const WHOLE: usize = 1;

    fn panel(words: &[u32], patch: &Patch<'_>, sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if let (true, Some(sums)) = (Self::features().has(Features::AVX2), sums.first_chunk_mut()) {
            // SAFETY: the processor has AVX2.
            #[allow(unsafe_code)]
            unsafe {
                avx2::panel(words, patch, sums);
            };
            return;
        }
        panel(words, patch, sums);
    }

    fn rows(words: &[u32], patch: &Patch<'_>, rows: &[u8], sums: &mut [i32]) {
        let mut all = [0; HEIGHT];
        Self::panel(words, patch, &mut all);
        for &row in rows {
            let row = usize::from(row);
            if let (Some(sum), Some(add)) = (sums.get_mut(row), all.get(row)) {
                *sum += add;
            }
        }
    }
}

/// Digit, and byte offset of the column, of a weighted entry.
#[inline(always)]
const fn decode(entry: u32) -> (i32, u32) {
    (entry as i32 >> 16, (entry & 0xffff) * (HEIGHT as u32 / 2))
}

/// See [`ConvKernels::panel`].
fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32]) {
    let bytes = panel.as_bytes().get(..patch.columns() * HEIGHT);
    let (Some(bytes), Some(sums)) = (bytes, sums.first_chunk_mut::<HEIGHT>()) else {
        return;
    };
    // In the order in which they are stored: the compiler finds the vectors.
    let mut stored = [0i32; HEIGHT];
    for plane in patch.split() {
        stored.iter_mut().for_each(|sum| *sum *= 2);
        for run in plane.runs() {
            for &entry in run.entries {
                let (digit, offset) = match patch.form() {
                    Form::Planes(_) => (1, entry),
                    Form::Weighted => decode(entry),
                };
                let first = offset.wrapping_add(run.base) as usize;
                let column = bytes.get(first..).and_then(<[u8]>::first_chunk::<HEIGHT>);
                for (sum, &byte) in stored.iter_mut().zip(column.unwrap_or(&[0x80; HEIGHT])) {
                    *sum += i32::from((byte ^ 0x80) as i8) * digit;
                }
            }
        }
    }
    for (pairs, sums) in stored
        .chunks_exact(2 * RUN)
        .zip(sums.chunks_exact_mut(2 * RUN))
    {
        let (lower, upper) = sums.split_at_mut(RUN);
        let (pairs, _) = pairs.as_chunks();
        for (&[low, high], (l, u)) in pairs.iter().zip(lower.iter_mut().zip(upper)) {
            (*l, *u) = (low, high);
        }
    }
}
