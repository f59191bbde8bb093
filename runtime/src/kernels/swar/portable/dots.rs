//! Dot products of [`super::Swar`]: two weights a multiplication.

use crate::kernels::Plane;
use crate::kernels::swar::{EVEN, OFFSET};

/// See [`crate::kernels::Kernels::plane`].
pub fn plane(digits: &[u32], columns: usize, chunk: usize, words: &mut [u32]) {
    let digits = digits.get(..columns / 4).unwrap_or(&[]);
    let mut words = words.iter_mut();
    for part in digits.chunks((chunk / 4).max(2)) {
        let Some(start) = words.next() else { return };
        let mut sum = 0u32;
        for &four in part {
            let [x0, x1, x2, x3] = four.to_le_bytes().map(|x| i32::from(x as i8) as u32);
            let even = x2.wrapping_add(x0 << 16);
            let odd = x3.wrapping_add(x1 << 16);
            sum = sum.wrapping_add(even).wrapping_add(odd);
            if let (Some(first), Some(second)) = (words.next(), words.next()) {
                *first = even;
                *second = odd.wrapping_sub(even << 8);
            }
        }
        *start = sum.wrapping_mul(OFFSET).wrapping_neg();
    }
}

/// See [`crate::kernels::Kernels::dots`]. Rows are taken in pairs, so that
/// the digits are read once for two of them.
#[inline]
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let stored = plane.columns / 4;
    let row = |index: u16| {
        let start = usize::from(index) * stored;
        rows.get(start..start + stored).unwrap_or(&[])
    };
    for (pair, out) in list.chunks(2).zip(sums.chunks_mut(2)) {
        match (pair, out) {
            (&[a, b], [sum_a, sum_b]) => {
                let (a, b) = (row(a), row(b));
                if a.len() == b.len() {
                    [*sum_a, *sum_b] = dot([a, b], plane);
                } else {
                    [*sum_a] = dot([a], plane);
                    [*sum_b] = dot([b], plane);
                }
            }
            (&[a, ..], [sum_a, ..]) => [*sum_a] = dot([row(a)], plane),
            _ => {}
        }
    }
}

/// Dot products of N rows of the same length.
#[inline(always)]
fn dot<const N: usize>(rows: [&[u32]; N], plane: &Plane<'_>) -> [i32; N] {
    let mut sums = [0i32; N];
    let chunk = (plane.chunk / 4).max(2);
    let mut rows = rows.map(|row| row.chunks(chunk));
    for part in plane.words.chunks(2 * chunk + 1) {
        let words = rows.each_mut().map(|row| row.next().unwrap_or(&[]));
        let Some((&start, pairs)) = part.split_first() else {
            break;
        };
        let (pairs, _) = pairs.as_chunks::<2>();
        // Equal lengths, seen by the compiler: no check inside the loop.
        let length = words.iter().fold(pairs.len(), |n, w| n.min(w.len()));
        if length == 0 {
            break;
        }
        let words = words.map(|w| w.get(..length).unwrap_or(&[]));
        let mut t = [start; N];
        for (k, &[x0, x1]) in pairs.iter().take(length).enumerate() {
            for (t, words) in t.iter_mut().zip(words) {
                let w = words.get(k).copied().unwrap_or(0);
                let odd = ((w >> 8) & EVEN).wrapping_mul(x1);
                *t = t.wrapping_add(w.wrapping_mul(x0)).wrapping_add(odd);
            }
        }
        for (sum, t) in sums.iter_mut().zip(t) {
            let low = i32::from(t as i16);
            *sum += (t as i32).wrapping_sub(low) >> 16;
        }
    }
    sums
}
