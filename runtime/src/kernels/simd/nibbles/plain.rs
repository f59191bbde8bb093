//! Plain Rust, in loops in which a compiler finds the vectors of its target.

use super::super::{Entries, HEIGHT};
use super::{ACCUMULATORS, OFFSET, RUN};
use crate::kernels::Plane;
use zerocopy::{FromBytes, IntoBytes};

pub use super::super::plain::plane;

/// Applies one batch of columns.
pub fn predict_batch(accumulators: &mut [u32], lists: &Entries<'_>) {
    let (panels, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    let net = (lists.plus.len() as u8).wrapping_sub(lists.minus.len() as u8);
    for (accumulators, panel) in panels
        .iter_mut()
        .zip(lists.panels.chunks_exact(lists.stride))
    {
        let offset = net.wrapping_mul(OFFSET);
        let mut sums = [[0u8.wrapping_sub(offset); HEIGHT]; 2];
        let column = |entry: u32| {
            let bytes = panel.as_bytes().get(entry as usize..);
            bytes.and_then(<[u8]>::first_chunk::<HEIGHT>)
        };
        for column in lists.plus.iter().filter_map(|&entry| column(entry)) {
            for (lane, byte) in column.iter().enumerate() {
                sums[0][lane] = sums[0][lane].wrapping_add(byte & 15);
                sums[1][lane] = sums[1][lane].wrapping_add(byte >> 4);
            }
        }
        for column in lists.minus.iter().filter_map(|&entry| column(entry)) {
            for (lane, byte) in column.iter().enumerate() {
                sums[0][lane] = sums[0][lane].wrapping_sub(byte & 15);
                sums[1][lane] = sums[1][lane].wrapping_sub(byte >> 4);
            }
        }
        let rows = <[i16]>::mut_from_bytes(accumulators.as_mut_bytes()).unwrap_or(&mut []);
        for (run, rows) in rows.chunks_mut(RUN).enumerate() {
            let sums = sums[run % 2].chunks(RUN).nth(run / 2).unwrap_or(&[]);
            for (row, &sum) in rows.iter_mut().zip(sums) {
                *row = row.wrapping_add(i16::from(sum as i8));
            }
        }
    }
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let digits = plane.words.get(..plane.columns / 4).unwrap_or(&[]);
    let digits = <[i8]>::ref_from_bytes(digits.as_bytes()).unwrap_or(&[]);
    let stored = plane.columns / 8;
    for (&row, sum) in list.iter().zip(sums) {
        let start = usize::from(row) * stored;
        let row = rows.get(start..start + stored).unwrap_or(&[]).as_bytes();
        *sum = 0;
        let runs = row.chunks_exact(RUN).zip(digits.chunks_exact(2 * RUN));
        for (bytes, digits) in runs {
            let (lower, upper) = digits.split_at(RUN);
            let weight = |nibble: u8| i32::from(nibble) - i32::from(OFFSET);
            for ((byte, &x), &y) in bytes.iter().zip(lower).zip(upper) {
                *sum += weight(byte & 15) * i32::from(x) + weight(byte >> 4) * i32::from(y);
            }
        }
    }
}
