//! The loops in plain Rust: the same layout and the same integers, for tests
//! on other cores.

use super::{ACCUMULATORS, Rows, TOGETHER};
use crate::kernels::batch::{Batch, NIBBLES};
use crate::kernels::dsp::inner::{lanes, update_groups, word};

/// See `asm/dots.rs`.
pub fn plane(digits: &[[u32; 2]], words: &mut [[u32; 4]]) -> u32 {
    let mut sum = 0i32;
    for (words, eight) in words.iter_mut().zip(digits) {
        let [a, b] = eight.map(|four| four.to_le_bytes().map(|b| i16::from(b as i8)));
        // The digits that meet the four weights of a lane.
        let lanes = [[a[0], a[1], b[0], b[1]], [a[2], a[3], b[2], b[3]]];
        let factors = lanes.map(|[x0, x1, x2, x3]| {
            let large = x3.wrapping_sub(x1.wrapping_shl(8));
            [x1, 16 * x0 - x1, large, 16 * x2 - x3]
        });
        *words = core::array::from_fn(|k| word(factors.map(|lane| lane[k])));
        for [x0, x1, x2, _] in lanes {
            sum += i32::from(x0) + i32::from(x1) + i32::from(x2);
        }
    }
    sum as u32
}

/// See `asm/predict.rs`.
///
/// # Safety
///
/// None here, where every access is checked.
#[allow(unsafe_code)]
pub unsafe fn apply(
    accumulators: &mut [[u32; ACCUMULATORS]],
    panels: &[u32],
    stride: usize,
    batch: Batch<'_>,
) {
    let start = batch.start();
    for (rows, panel) in accumulators.iter_mut().zip(panels.chunks_exact(stride)) {
        for (j, rows) in rows.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let [mut a, mut o] = start;
            let column = |entry: u32| panel.get(entry as usize / 4 + j).copied().unwrap_or(0);
            for w in batch.plus.iter().map(|&entry| column(entry)) {
                a = a.wrapping_add(w);
                o = o.wrapping_add((w >> 4) & NIBBLES);
            }
            for w in batch.minus.iter().map(|&entry| column(entry)) {
                a = a.wrapping_sub(w);
                o = o.wrapping_sub((w >> 4) & NIBBLES);
            }
            let columns = [a.wrapping_sub(o << 4), o].map(|bytes| bytes ^ 0x8080_8080);
            for (pair, column) in rows.as_chunks_mut::<2>().0.iter_mut().zip(columns) {
                let [r0, r2, r1, r3] = column.to_le_bytes().map(|b| i16::from(b as i8));
                for (acc, [x, y]) in pair.iter_mut().zip([[r0, r1], [r2, r3]]) {
                    let [a, b] = lanes(*acc);
                    *acc = word([a.wrapping_add(x), b.wrapping_add(y)]);
                }
            }
        }
    }
}

/// Sum of two products of lanes.
fn smlad(a: u32, b: u32, sum: i32) -> i32 {
    let products = lanes(a).into_iter().zip(lanes(b));
    let products = products.map(|(a, b)| i32::from(a) * i32::from(b));
    products.fold(sum, i32::wrapping_add)
}

/// 16 times the dot product of a row.
fn dot(row: &[u32], plane: &[u32]) -> i32 {
    let Some((&start, plane)) = plane.split_first() else {
        return 0;
    };
    let mut sum = start as i32;
    for (&w, &[whole, first, byte, third]) in row.iter().zip(plane.as_chunks().0) {
        let upper = word(lanes(w).map(|lane| lane >> 8));
        sum = smlad(w, whole, sum);
        sum = smlad(w & 0x000f_000f, first, sum);
        sum = smlad(upper, byte, sum);
        sum = smlad(upper & 0x000f_000f, third, sum);
    }
    sum
}

/// See `asm/dots.rs`.
pub fn sums(
    rows: &Rows<'_>,
    plane: &[u32],
    list: &[[u16; TOGETHER]],
    sums: &mut [[i32; TOGETHER]],
) -> usize {
    for (done, (group, sums)) in list.iter().zip(sums).enumerate() {
        if group.iter().any(|&row| usize::from(row) >= rows.count) {
            return done;
        }
        *sums = group.map(|row| {
            let words = rows.words.get(usize::from(row) * rows.stride..);
            dot(words.unwrap_or(&[]), plane) >> 4
        });
    }
    list.len()
}

/// See `asm/dots.rs`.
pub fn update(
    rows: &Rows<'_>,
    plane: &[u32],
    list: &[[u16; TOGETHER]],
    shift: u8,
    values: &mut [i16],
) -> usize {
    update_groups(list, shift, values, |group, products| {
        sums(rows, plane, group, products)
    })
}
