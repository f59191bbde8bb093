//! Dot products.

use super::source::Source;
use super::{carve, ensure};
use crate::arena::words_of;
use crate::kernels::{Kernels, Plane, naive};
use crate::layout::WeightBits;
use crate::quant::{round_shift, saturate_i16};

/// Rows asked for at a time, at most.
const LISTED: usize = 9;

/// A matrix, row-major, and the digits it is multiplied with.
pub struct Product<'c> {
    pub bits: WeightBits,
    pub weights: &'c [i8],
    pub columns: usize,
    pub digits: &'c [i8],
}

/// Words of scratch for a matrix, its digits and [`check`].
fn words<K: Kernels>(bits: WeightBits, rows: usize, columns: usize) -> usize {
    let width = K::TARGET.row_columns(bits, columns);
    words_of::<i8>(rows * columns)
        + words_of::<i8>(columns)
        + K::TARGET.row_words(bits, rows, columns)
        + width / 4
        + K::TARGET.plane_words(bits, width)
        + LISTED
}

/// Some rows of a random matrix, in any order, repeated or missing.
pub fn random<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let bits = source.weight_bits();
    let (rows, columns) = source.shape(scratch.len(), |r, c| words::<K>(bits, r, c));
    let weights: &mut [i8] = carve(&mut scratch, rows * columns)?;
    let digits: &mut [i8] = carve(&mut scratch, columns)?;
    source.fill(weights, bits.max() as u8);
    let largest = [1, 8, 16, 32, 127][source.below(5)];
    source.fill(digits, K::TARGET.plane_max(bits).min(largest) as u8);
    let mut list = [0; LISTED];
    for row in &mut list {
        *row = source.below(rows + 1) as u16;
    }
    let count = source.below(LISTED + 1);
    let product = Product {
        bits,
        weights,
        columns,
        digits,
    };
    check::<K>(&product, list.get(..count)?, scratch)
}

/// Values of some rows of a random matrix, each of them once.
pub fn update<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let room = scratch.len();
    let bits = source.weight_bits();
    let (rows, columns) =
        source.shape(room, |r, c| words::<K>(bits, r, c) + 3 * words_of::<i16>(r));
    let weights: &mut [i8] = carve(&mut scratch, rows * columns)?;
    let digits: &mut [i8] = carve(&mut scratch, columns)?;
    let values: &mut [i16] = carve(&mut scratch, rows)?;
    let want: &mut [i16] = carve(&mut scratch, rows)?;
    let list: &mut [u16] = carve(&mut scratch, rows)?;
    source.fill(weights, bits.max() as u8);
    let largest = [1, 8, 16, 32][source.below(4)];
    source.fill(digits, largest);
    let product = Product {
        bits,
        weights,
        columns,
        digits,
    };
    let shift = 1 + source.below(7) as u8;
    let skip = 1 + source.below(4);
    let mut count = 0;
    for (row, (value, want)) in values.iter_mut().zip(want.iter_mut()).enumerate() {
        *value = source.i16();
        *want = *value;
        let sum = product.dot(row as u16);
        if source.below(skip) == 0 && sum.unsigned_abs() < 1 << 22 {
            *want = saturate_i16(i32::from(*value) + round_shift(sum, shift));
            *list.get_mut(count)? = row as u16;
            count += 1;
        }
    }
    // In another order, too.
    let list = list.get_mut(..count)?;
    if source.below(2) == 0 {
        list.reverse();
    }
    let (stored, plane) = product.store::<K>(&mut scratch)?;
    K::update(stored, &plane, list, shift, values);
    ensure(values == want)
}

/// One row, all products as large as they can be, of one sign.
pub fn widest<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let bits = source.weight_bits();
    let mut columns = 1 << 14;
    while words::<K>(bits, 1, columns) > scratch.len() && columns > 8 {
        columns -= 8;
    }
    let weights: &mut [i8] = carve(&mut scratch, columns)?;
    let digits: &mut [i8] = carve(&mut scratch, columns)?;
    let largest = K::TARGET.plane_max(bits).min(127) as i8;
    let weight = bits.max() as i8;
    weights.fill(if source.below(2) == 0 {
        weight
    } else {
        -weight
    });
    digits.fill(if source.below(2) == 0 {
        largest
    } else {
        -largest
    });
    let product = Product {
        bits,
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
    let (stored, plane) = product.store::<K>(&mut scratch)?;
    let sums: &mut [i32] = carve(&mut scratch, list.len())?;
    sums.fill(i32::MAX);
    K::dots(stored, &plane, list, sums);
    for (&row, &sum) in list.iter().zip(sums.iter()) {
        ensure(sum == product.dot(row))?;
    }
    Some(())
}

impl Product<'_> {
    /// The matrix and the plane as the kernels read them.
    fn store<'s, K: Kernels>(&self, scratch: &mut &'s mut [u32]) -> Option<(&'s [u32], Plane<'s>)> {
        let &Self {
            bits,
            weights,
            columns,
            digits,
        } = self;
        let rows = weights.len() / columns.max(1);
        let width = K::TARGET.row_columns(bits, columns);
        let stored: &mut [u32] = carve(scratch, K::TARGET.row_words(bits, rows, columns))?;
        K::TARGET.encode_rows(bits, weights, columns, stored);
        let packed: &mut [u32] = carve(scratch, width / 4)?;
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
        let chunk = K::chunk(bits, largest.unwrap_or(0).max(1), row_sum, width);
        ensure(chunk.is_multiple_of(8) && chunk > 0 && chunk <= width)?;

        // What was in the buffers must not matter.
        let plane: &mut [u32] = carve(scratch, K::TARGET.plane_words(bits, width))?;
        plane.fill(0xdead_beef);
        K::plane(bits, packed, width, chunk, plane);
        let plane = Plane {
            words: plane,
            columns: width,
            chunk,
            bits,
        };
        Some((stored, plane))
    }

    /// The oracle's dot product of a row; 0 beyond the matrix.
    fn dot(&self, row: u16) -> i32 {
        let start = usize::from(row) * self.columns;
        let row = self.weights.get(start..start + self.columns).unwrap_or(&[]);
        naive::dot(row, self.digits)
    }
}
