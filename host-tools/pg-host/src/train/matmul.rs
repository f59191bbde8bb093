//! Matrix product on slices: the one place that calls the `gemm` crate.
#![allow(unsafe_code)]

/// A matrix operand: the slice, and the distance in elements between
/// neighbouring rows and neighbouring columns.
#[derive(Clone, Copy)]
pub struct Operand<'a> {
    data: &'a [f32],
    row: usize,
    column: usize,
}

impl<'a> Operand<'a> {
    /// Row-major matrix with `columns` columns.
    pub fn rows(data: &'a [f32], columns: usize) -> Self {
        Self {
            data,
            row: columns,
            column: 1,
        }
    }

    /// The transpose of a row-major matrix with `columns` columns.
    pub fn transposed(data: &'a [f32], columns: usize) -> Self {
        Self {
            data,
            row: 1,
            column: columns,
        }
    }
}

/// Length a strided `rows x columns` matrix needs.
fn span(rows: usize, columns: usize, row: usize, column: usize) -> usize {
    if rows == 0 || columns == 0 {
        0
    } else {
        (rows - 1) * row + (columns - 1) * column + 1
    }
}

/// `c = a * b`, or `c += a * b` with `accumulate`; `a` is `m x k`, `b` is
/// `k x n`, `c` is `m x n` row-major. Runs on the calling thread.
///
/// # Panics
/// When a slice is too short for its shape.
pub fn product(
    (m, n, k): (usize, usize, usize),
    a: Operand<'_>,
    b: Operand<'_>,
    c: &mut [f32],
    accumulate: bool,
) {
    assert!(
        span(m, k, a.row, a.column) <= a.data.len(),
        "left operand too short"
    );
    assert!(
        span(k, n, b.row, b.column) <= b.data.len(),
        "right operand too short"
    );
    assert!(span(m, n, n, 1) <= c.len(), "result too short");
    // SAFETY: every element the strides reach lies in its slice (asserted
    // above), `c` is borrowed exclusively, so it overlaps neither operand, and
    // all strides are far below isize::MAX because they index real slices.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_triple_loop() {
        let (m, n, k) = (5, 7, 3);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 1.3).cos()).collect();
        let mut c = vec![1.0; m * n];
        product(
            (m, n, k),
            Operand::rows(&a, k),
            Operand::rows(&b, n),
            &mut c,
            true,
        );
        // The same product with `a` given transposed.
        let at: Vec<f32> = (0..k * m).map(|i| a[(i % m) * k + i / m]).collect();
        let mut d = vec![9.0; m * n];
        product(
            (m, n, k),
            Operand::transposed(&at, m),
            Operand::rows(&b, n),
            &mut d,
            false,
        );
        for i in 0..m {
            for j in 0..n {
                let sum: f32 = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
                assert!((c[i * n + j] - 1.0 - sum).abs() < 1e-5);
                assert!((d[i * n + j] - sum).abs() < 1e-5);
            }
        }
    }
}
