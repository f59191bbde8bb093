//! Plain int8 loops: what one writes without a kernel library, and what the
//! compiler makes of it. The baselines on cores that have no library.
//!
//! Not inlined, so that the compiler cannot specialise them for one shape.

/// Rows that [`gemv_blocked`] computes together.
const BLOCK: usize = 4;

/// Dot products of `weights`, row after row, with `activations`.
#[inline(never)]
pub fn gemv(weights: &[i8], activations: &[i8], outputs: &mut [i32]) {
    let rows = weights.chunks_exact(activations.len());
    for (output, row) in outputs.iter_mut().zip(rows) {
        let mut sum = 0_i32;
        for (&w, &a) in row.iter().zip(activations) {
            sum = sum.wrapping_add(i32::from(w) * i32::from(a));
        }
        *output = sum;
    }
}

/// The same, four rows at a time: an activation is loaded once for all four.
#[inline(never)]
pub fn gemv_blocked(weights: &[i8], activations: &[i8], outputs: &mut [i32]) {
    let columns = activations.len();
    let blocks = weights.chunks_exact(BLOCK * columns);
    let (outputs, _) = outputs.as_chunks_mut::<BLOCK>();
    for (output, block) in outputs.iter_mut().zip(blocks) {
        let (upper, lower) = block.split_at(2 * columns);
        let (row_0, row_1) = upper.split_at(columns);
        let (row_2, row_3) = lower.split_at(columns);
        let rows = row_0.iter().zip(row_1).zip(row_2.iter().zip(row_3));
        let mut sums = [0_i32; BLOCK];
        for (&a, ((w0, w1), (w2, w3))) in activations.iter().zip(rows) {
            for (sum, w) in sums.iter_mut().zip([w0, w1, w2, w3]) {
                *sum = sum.wrapping_add(i32::from(*w) * i32::from(a));
            }
        }
        *output = sums;
    }
}
