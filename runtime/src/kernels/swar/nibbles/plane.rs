//! Digits prepared for dot products.

use crate::kernels::swar::isa::nibbles::factors;
use crate::kernels::swar::{EVEN, OFFSET};

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], columns: usize, chunk: usize, mut words: &mut [u32]) {
    let digits = digits.get(..columns / 4).unwrap_or(&[]).as_chunks::<2>().0;
    for part in digits.chunks((chunk / 8).max(1)) {
        let Some((start, rest)) = words.split_first_mut() else {
            return;
        };
        let mut sum = 0u32;
        let (fours, _) = rest.as_chunks_mut::<4>();
        for (&[first, second], four) in part.iter().zip(fours) {
            let ([x0, x1], [x2, x3]) = (lanes(first), lanes(second));
            sum = sum.wrapping_add(x0).wrapping_add(x1);
            sum = sum.wrapping_add(x2).wrapping_add(x3);
            *four = factors([x0, x1, x2, x3]);
        }
        // The offset of 8, in both lanes.
        *start = (sum << 3).wrapping_mul(0x0001_0001).wrapping_neg();
        words = rest.get_mut(4 * part.len()..).unwrap_or(&mut []);
    }
}

/// Four digits as two factors: `x2 + 2^16 x0` and `x3 + 2^16 x1`.
const fn lanes(four: u32) -> [u32; 2] {
    // Bytes with an offset of 128, taken off in both lanes.
    let biased = four ^ 0x8080_8080;
    let even = (biased & EVEN).rotate_left(16).wrapping_sub(OFFSET);
    let odd = ((biased >> 8) & EVEN).rotate_left(16).wrapping_sub(OFFSET);
    [even, odd]
}
