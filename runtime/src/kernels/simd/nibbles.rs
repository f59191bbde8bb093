//! 4-bit weights of [`super::Simd`], stored as `n = w + 8`: the lower halves
//! of 32 bytes are what the first 32 bytes of 8-bit weights would be, the
//! upper halves the second.
//!
//! Plain Rust, written so that a compiler finds the vectors of its target:
//! columns are summed in bytes, up to [`COLUMNS`] of them, before the sums are
//! widened; dot products have lanes of 32 bits.

use super::{ACCUMULATORS, Entries, HEIGHT};
use crate::kernels::Plane;
use zerocopy::{FromBytes, IntoBytes};

/// Columns whose sums fit a byte: 17 * 15 = 255.
const COLUMNS: usize = 17;
/// Bytes of a register, and of a column in a panel.
const VECTOR: usize = HEIGHT / 2;
/// What a weight is stored with.
const OFFSET: u16 = 8;

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], lists: &Entries<'_>) {
    let (panels, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    // A panel has half the words of one of 8-bit weights.
    let stored = lists.panels.chunks_exact(lists.stride / 2);
    let offset = (lists.plus.len().wrapping_sub(lists.minus.len()) as u16).wrapping_mul(OFFSET);
    for (accumulators, panel) in panels.iter_mut().zip(stored) {
        let mut lanes = [offset.wrapping_neg(); HEIGHT];
        for list in lists.plus.chunks(COLUMNS) {
            for (lane, sum) in lanes.iter_mut().zip(sums(panel, list).as_flattened()) {
                *lane = lane.wrapping_add(u16::from(*sum));
            }
        }
        for list in lists.minus.chunks(COLUMNS) {
            for (lane, sum) in lanes.iter_mut().zip(sums(panel, list).as_flattened()) {
                *lane = lane.wrapping_sub(u16::from(*sum));
            }
        }
        let rows = <[u16]>::mut_from_bytes(accumulators.as_mut_bytes()).unwrap_or(&mut []);
        // Bytes 2j and 2j + 1 of a register are the rows j and j + 16.
        for (rows, lanes) in rows.chunks_mut(VECTOR).zip(lanes.chunks(VECTOR)) {
            let (lower, upper) = rows.split_at_mut(VECTOR / 2);
            let pairs = lanes.as_chunks().0;
            for ((lower, upper), &[a, b]) in lower.iter_mut().zip(upper).zip(pairs) {
                *lower = lower.wrapping_add(a);
                *upper = upper.wrapping_add(b);
            }
        }
    }
}

/// Sums of up to [`COLUMNS`] columns of a panel: lower halves, upper halves.
#[inline]
fn sums(panel: &[u32], list: &[u32]) -> [[u8; VECTOR]; 2] {
    let (columns, _) = panel.as_bytes().as_chunks::<VECTOR>();
    let [mut low, mut high] = [[0u8; VECTOR]; 2];
    for &entry in list {
        if let Some(column) = columns.get(entry as usize / HEIGHT) {
            for (k, &two) in column.iter().enumerate() {
                low[k] = low[k].wrapping_add(two & 0xf);
                high[k] = high[k].wrapping_add(two >> 4);
            }
        }
    }
    [low, high]
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let digits = plane.words.get(..plane.columns / 4).unwrap_or(&[]);
    let digits = <[i8]>::ref_from_bytes(digits.as_bytes()).unwrap_or(&[]);
    let (digits, _) = digits.as_chunks::<VECTOR>();
    let (digits, _) = digits.as_chunks::<2>();
    let stored = plane.columns / 8;
    for (&row, sum) in list.iter().zip(sums) {
        let start = usize::from(row) * stored;
        let row = rows.get(start..start + stored).unwrap_or(&[]);
        *sum = dot(row.as_bytes().as_chunks().0, digits);
    }
}

/// The dot product of a row. A product of up to 8 * 128 and the sum of two
/// fit 16 bits.
#[inline]
fn dot(row: &[[u8; VECTOR]], digits: &[[[i8; VECTOR]; 2]]) -> i32 {
    let mut lanes = [0i32; VECTOR];
    for (weights, [first, second]) in row.iter().zip(digits) {
        for k in 0..VECTOR {
            let w = |nibble: u8| i16::from(nibble as i8 - OFFSET as i8);
            let products = w(weights[k] & 0xf) * i16::from(first[k])
                + w(weights[k] >> 4) * i16::from(second[k]);
            lanes[k] += i32::from(products);
        }
    }
    lanes.iter().sum()
}
