//! A matrix product whose operands may overlap: the one inner loop of the
//! convolutions.
#![allow(unsafe_code)]

use pulp::Simd;

/// `c[i][j] = sum over s, k of a[s][i, k] * b[s][k, j]`, added to what is there
/// if `accumulate`. Segment `s` of `a` starts at `s * a_segment`; its element
/// `(i, k)` is `i * a_row + k * a_column` further on: rows may overlap. Segment
/// `s` of `b` starts at `s * b_segment`, its rows are `n` long.
pub struct Product<'a> {
    /// Left operand.
    pub a: &'a [f32],
    /// Distance between its rows.
    pub a_row: usize,
    /// Distance between its columns.
    pub a_column: usize,
    /// Distance between its segments.
    pub a_segment: usize,
    /// Right operand.
    pub b: &'a [f32],
    /// Distance between its segments.
    pub b_segment: usize,
    /// Segments.
    pub segments: usize,
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Terms of a segment.
    pub k: usize,
    /// The result, `[m, n]`.
    pub c: &'a mut [f32],
    /// Add to the result.
    pub accumulate: bool,
}

impl Product<'_> {
    /// Computes the product on the calling thread.
    ///
    /// # Panics
    /// When a slice is too short for its strides.
    #[inline(always)]
    pub fn run<S: Simd>(self, simd: S) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        if self.segments == 0 || self.k == 0 {
            if !self.accumulate {
                self.c[..self.m * self.n].fill(0.0);
            }
            return;
        }
        let last = |count: usize, stride: usize| (count - 1) * stride;
        let a_end = last(self.segments, self.a_segment)
            + last(self.m, self.a_row)
            + last(self.k, self.a_column);
        let b_end = last(self.segments, self.b_segment) + self.k * self.n;
        assert!(a_end < self.a.len(), "left operand too short");
        assert!(b_end <= self.b.len(), "right operand too short");
        assert!(self.m * self.n <= self.c.len(), "result too short");
        let mut p = Pointers {
            a: self.a.as_ptr(),
            b: self.b.as_ptr(),
            c: self.c.as_mut_ptr(),
            of: &Strides {
                a_row: self.a_row,
                a_column: self.a_column,
                a_segment: self.a_segment,
                b_segment: self.b_segment,
                segments: self.segments,
                n: self.n,
                k: self.k,
                accumulate: self.accumulate,
            },
        };
        let mut left = self.m;
        while left > 0 {
            // Six rows of two vectors fill the registers of AVX2; the smaller
            // tiles avoid a last one too small to hide the adders' latency.
            let rows = match left {
                6 | 10.. => 6,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            // SAFETY: the largest index that any tile of these rows and columns
            // reaches was compared with the slices' lengths above, and `c` is
            // borrowed exclusively, so it overlaps neither operand.
            unsafe {
                match rows {
                    6 => p.rows::<S, 6>(simd),
                    4 => p.rows::<S, 4>(simd),
                    2 => p.rows::<S, 2>(simd),
                    _ => p.rows::<S, 1>(simd),
                }
                p.a = p.a.add(if left > rows { rows * self.a_row } else { 0 });
                p.c = p.c.add(rows * self.n);
            }
            left -= rows;
        }
    }
}

struct Strides {
    a_row: usize,
    a_column: usize,
    a_segment: usize,
    b_segment: usize,
    segments: usize,
    n: usize,
    k: usize,
    accumulate: bool,
}

struct Pointers<'a> {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    of: &'a Strides,
}

impl Pointers<'_> {
    /// `M` rows of the result.
    ///
    /// # Safety
    /// `M` rows of `a` and `c` and all of `b` have to be in bounds.
    #[inline(always)]
    unsafe fn rows<S: Simd, const M: usize>(&self, simd: S) {
        let n = self.of.n;
        let mut at = 0;
        // SAFETY: columns `at..at + width` are below `n` in every call.
        unsafe {
            while at + 2 * S::F32_LANES <= n {
                self.tile::<S, M, 2>(simd, at);
                at += 2 * S::F32_LANES;
            }
            while at + S::F32_LANES <= n {
                self.tile::<S, M, 1>(simd, at);
                at += S::F32_LANES;
            }
            if at < n {
                self.narrow::<S, M>(simd, at, n - at);
            }
        }
    }

    /// `M` rows and `V` vectors of columns from `at` on.
    ///
    /// # Safety
    /// As [`Self::rows`], and the columns have to be in bounds.
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const V: usize>(&self, simd: S, at: usize) {
        let of = self.of;
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        // SAFETY: the caller vouches for every index; vectors are read and
        // written without an assumption on alignment.
        unsafe {
            for segment in 0..of.segments {
                let mut a = self.a.add(segment * of.a_segment);
                let mut b = self.b.add(segment * of.b_segment + at);
                for k in 0..of.k {
                    let mut row = [simd.splat_f32s(0.0); V];
                    for (v, row) in row.iter_mut().enumerate() {
                        *row = b.cast::<S::f32s>().add(v).read_unaligned();
                    }
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let x = simd.splat_f32s(*a.add(i * of.a_row));
                        for (sum, w) in sums.iter_mut().zip(row) {
                            *sum = simd.mul_add_e_f32s(x, w, *sum);
                        }
                    }
                    if k + 1 < of.k {
                        a = a.add(of.a_column);
                        b = b.add(of.n);
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                let c = self.c.add(i * of.n + at).cast::<S::f32s>();
                for (v, sum) in sums.iter().enumerate() {
                    let old = c.add(v);
                    let new = if of.accumulate {
                        simd.add_f32s(old.read_unaligned(), *sum)
                    } else {
                        *sum
                    };
                    old.write_unaligned(new);
                }
            }
        }
    }

    /// `M` rows and the last `width` columns, fewer than a vector.
    ///
    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn narrow<S: Simd, const M: usize>(&self, simd: S, at: usize, width: usize) {
        let of = self.of;
        let mut sums = [simd.splat_f32s(0.0); M];
        // SAFETY: as in `tile`; slices are `width` long, inside their rows.
        unsafe {
            for segment in 0..of.segments {
                let a = self.a.add(segment * of.a_segment);
                let b = self.b.add(segment * of.b_segment + at);
                for k in 0..of.k {
                    let row = std::slice::from_raw_parts(b.add(k * of.n), width);
                    let row = simd.partial_load_f32s(row);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = simd.splat_f32s(*a.add(k * of.a_column + i * of.a_row));
                        *sum = simd.mul_add_e_f32s(x, row, *sum);
                    }
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                let c = std::slice::from_raw_parts_mut(self.c.add(i * of.n + at), width);
                let new = if of.accumulate {
                    simd.add_f32s(simd.partial_load_f32s(c), *sum)
                } else {
                    *sum
                };
                simd.partial_store_f32s(c, new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        m: usize,
        n: usize,
        accumulate: bool,
    }

    impl pulp::WithSimd for Case {
        type Output = f32;

        /// Largest difference from the plain loops.
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let Self { m, n, accumulate } = self;
            // Overlapping rows: a window of 3 pixels of 2 channels, 2 segments.
            let (a_row, a_segment, k, segments) = (2, 2 * (m + 3), 6, 2);
            let a: Vec<f32> = (0..a_segment * 2).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..segments * k * n).map(|i| (i as f32).cos()).collect();
            let mut c = vec![0.5; m * n];
            Product {
                a: &a,
                a_row,
                a_column: 1,
                a_segment,
                b: &b,
                b_segment: k * n,
                segments,
                m,
                n,
                k,
                c: &mut c,
                accumulate,
            }
            .run(simd);
            let mut worst = 0.0f32;
            for i in 0..m {
                for j in 0..n {
                    let mut sum = if accumulate { 0.5 } else { 0.0 };
                    for s in 0..segments {
                        for p in 0..k {
                            sum += a[s * a_segment + i * a_row + p] * b[(s * k + p) * n + j];
                        }
                    }
                    worst = worst.max((c[i * n + j] - sum).abs());
                }
            }
            worst
        }
    }

    #[test]
    fn matches_the_plain_loops_at_every_edge() {
        for m in [1, 2, 3, 4, 5, 7, 8, 9, 11, 32] {
            for n in [1, 7, 8, 10, 16, 24, 37] {
                for accumulate in [false, true] {
                    let case = Case { m, n, accumulate };
                    let worst = crate::train::simd::dispatch(case);
                    assert!(worst < 1e-5, "{m} x {n}: {worst}");
                }
            }
        }
    }
}
