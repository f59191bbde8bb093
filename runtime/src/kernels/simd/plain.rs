//! Plain Rust, for processors without the instruction sets known here. The
//! inner loops are written so that a compiler finds the vectors of its target.

use super::{ACCUMULATORS, Entries, HEIGHT, OFFSET};
use crate::kernels::Plane;
use zerocopy::{FromBytes, IntoBytes};

/// Lanes of 16 bits in a column.
const LANES: usize = HEIGHT / 2;
/// Lanes whose lower bytes are consecutive rows.
const RUN: usize = 16;

/// See [`crate::kernels::Kernels::plane`]: the digits as they are.
pub fn plane(digits: &[u32], columns: usize, words: &mut [u32]) {
    for (word, &four) in words.iter_mut().zip(digits.iter().take(columns / 4)) {
        *word = four;
    }
}

/// See [`crate::kernels::Kernels::predict`].
pub fn predict(accumulators: &mut [u32], lists: &Entries<'_>) {
    let (panels, _) = accumulators.as_chunks_mut::<ACCUMULATORS>();
    for (accumulators, panel) in panels
        .iter_mut()
        .zip(lists.panels.chunks_exact(lists.stride))
    {
        let (mut a, mut o) = ([0u16; LANES], [0u16; LANES]);
        let column = |entry: u32| {
            let bytes = panel.as_bytes().get(entry as usize..);
            bytes.and_then(<[u8]>::first_chunk::<HEIGHT>)
        };
        for column in lists.plus.iter().filter_map(|&entry| column(entry)) {
            for (lane, &two) in column.as_chunks().0.iter().enumerate() {
                let u = u16::from_le_bytes(two);
                a[lane] = a[lane].wrapping_add(u);
                o[lane] = o[lane].wrapping_add(u >> 8);
            }
        }
        for column in lists.minus.iter().filter_map(|&entry| column(entry)) {
            for (lane, &two) in column.as_chunks().0.iter().enumerate() {
                let u = u16::from_le_bytes(two);
                a[lane] = a[lane].wrapping_sub(u);
                o[lane] = o[lane].wrapping_sub(u >> 8);
            }
        }
        let rows = <[u16]>::mut_from_bytes(accumulators.as_mut_bytes()).unwrap_or(&mut []);
        let sums = a.chunks(RUN).zip(o.chunks(RUN));
        for (rows, (a, o)) in rows.chunks_mut(2 * RUN).zip(sums) {
            let (lower, upper) = rows.split_at_mut(RUN);
            for (((lower, upper), a), o) in lower.iter_mut().zip(upper).zip(a).zip(o) {
                let add = |row: u16, sum: u16| row.wrapping_add(sum.wrapping_sub(lists.offset()));
                *lower = add(*lower, a.wrapping_sub(o << 8));
                *upper = add(*upper, *o);
            }
        }
    }
}

/// See [`crate::kernels::Kernels::dots`].
pub fn dots(rows: &[u32], plane: &Plane<'_>, list: &[u16], sums: &mut [i32]) {
    let digits = plane.words.get(..plane.columns / 4).unwrap_or(&[]);
    let digits = <[i8]>::ref_from_bytes(digits.as_bytes()).unwrap_or(&[]);
    let stored = plane.columns / 4;
    for (&row, sum) in list.iter().zip(sums) {
        let start = usize::from(row) * stored;
        let row = rows.get(start..start + stored).unwrap_or(&[]);
        let products = row.as_bytes().iter().zip(digits);
        *sum = products
            .map(|(&u, &x)| i32::from((u ^ OFFSET) as i8) * i32::from(x))
            .sum();
    }
}
