//! The plain int8 loop: what one writes without a kernel library, and what
//! the compiler makes of it. The baseline on cores that have no library.

/// Dot products of `weights`, row after row, with `activations`.
///
/// Not inlined, so that the compiler cannot specialise it for one shape.
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
