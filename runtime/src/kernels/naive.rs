//! The oracle: the definitions, one multiplication at a time, on row-major
//! weights.

/// Dot product over the shorter length.
#[must_use]
pub fn dot(weights: &[i8], digits: &[i8]) -> i32 {
    let products = weights.iter().zip(digits);
    products.map(|(&w, &x)| i32::from(w) * i32::from(x)).sum()
}

/// Adds `w * d` of one column to the predictions, modulo 2^16.
pub fn apply(predictions: &mut [i16], weights: &[i8], columns: usize, column: usize, d: i16) {
    for (prediction, row) in predictions.iter_mut().zip(weights.chunks_exact(columns)) {
        let w = row.get(column).copied().unwrap_or(0);
        *prediction = prediction.wrapping_add(i16::from(w).wrapping_mul(d));
    }
}
