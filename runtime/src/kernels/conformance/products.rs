//! Dot products.

use super::source::Source;
use super::{carve, ensure};
use crate::arena::words_of;
use crate::kernels::{Kernels, Plane, naive};

/// Rows asked for at a time, at most.
const LISTED: usize = 9;

/// A matrix, row-major, and the digits it is multiplied with.
pub struct Product<'c> {
    pub weights: &'c [i8],
    pub columns: usize,
    pub digits: &'c [i8],
}

/// Words of scratch for a matrix, its digits and [`check`].
fn words<K: Kernels>(rows: usize, columns: usize) -> usize {
    let width = K::TARGET.row_columns(columns);
    words_of::<i8>(rows * columns)
        + words_of::<i8>(columns)
        + K::TARGET.row_words(rows, columns)
        + width / 4
        + K::TARGET.plane_words(width)
        + LISTED
}

/// Some rows of a random matrix, in any order, repeated or missing.
pub fn random<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let (rows, columns) = source.shape(scratch.len(), words::<K>);
    let weights: &mut [i8] = carve(&mut scratch, rows * columns)?;
    let digits: &mut [i8] = carve(&mut scratch, columns)?;
    source.fill(weights, 127);
    let largest = [1, 8, 16, 32, 127][source.below(5)];
    source.fill(digits, K::TARGET.plane_max().min(largest) as u8);
    let mut list = [0; LISTED];
    for row in &mut list {
        *row = source.below(rows + 1) as u16;
    }
    let count = source.below(LISTED + 1);
    let product = Product {
        weights,
        columns,
        digits,
    };
    check::<K>(&product, list.get(..count)?, scratch)
}

/// One row, all products as large as they can be, of one sign.
pub fn widest<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let mut columns = 1 << 14;
    while words::<K>(1, columns) > scratch.len() && columns > 8 {
        columns -= 8;
    }
    let weights: &mut [i8] = carve(&mut scratch, columns)?;
    let digits: &mut [i8] = carve(&mut scratch, columns)?;
    let largest = K::TARGET.plane_max().min(127) as i8;
    weights.fill(if source.below(2) == 0 { 127 } else { -127 });
    digits.fill(if source.below(2) == 0 {
        largest
    } else {
        -largest
    });
    let product = Product {
        weights,
        columns,
        digits,
    };
    check::<K>(&product, &[0; 7][..1 + source.below(7)], scratch)
}

/// Compares the products of the listed rows with the oracle's.
pub fn check<K: Kernels>(
    product: &Product<'_>,
    list: &[u16],
    mut scratch: &mut [u32],
) -> Option<()> {
    let &Product {
        weights,
        columns,
        digits,
    } = product;
    let rows = weights.len() / columns.max(1);
    let width = K::TARGET.row_columns(columns);
    let stored: &mut [u32] = carve(&mut scratch, K::TARGET.row_words(rows, columns))?;
    K::TARGET.encode_rows(weights, columns, stored);
    let packed: &mut [u32] = carve(&mut scratch, width / 4)?;
    packed.fill(0);
    for (word, four) in packed.iter_mut().zip(digits.chunks(4)) {
        let mut bytes = [0; 4];
        for (byte, &digit) in bytes.iter_mut().zip(four) {
            *byte = digit as u8;
        }
        *word = u32::from_le_bytes(bytes);
    }

    let largest = digits.iter().map(|d| u32::from(d.unsigned_abs())).max();
    let sums = weights.chunks_exact(columns).map(|row| {
        let magnitudes = row.iter().map(|w| u32::from(w.unsigned_abs()));
        magnitudes.sum::<u32>()
    });
    let row_sum = sums.max().unwrap_or(0);
    let chunk = K::chunk(largest.unwrap_or(0).max(1), row_sum, width);
    ensure(chunk.is_multiple_of(8) && chunk > 0 && chunk <= width)?;

    // What was in the buffers must not matter.
    let plane: &mut [u32] = carve(&mut scratch, K::TARGET.plane_words(width))?;
    plane.fill(0xdead_beef);
    K::plane(packed, width, chunk, plane);
    let plane = Plane {
        words: plane,
        columns: width,
        chunk,
    };
    let sums: &mut [i32] = carve(&mut scratch, list.len())?;
    sums.fill(i32::MAX);
    K::dots(stored, &plane, list, sums);
    for (&row, &sum) in list.iter().zip(sums.iter()) {
        let start = usize::from(row) * columns;
        let row = weights.get(start..start + columns).unwrap_or(&[]);
        ensure(sum == naive::dot(row, digits))?;
    }
    Some(())
}
