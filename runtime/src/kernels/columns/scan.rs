//! Lists of the digits of an input row that are not zero.

use super::entry;
use crate::layers::View;
use crate::quant::Split;

/// The lists of one input row, and where each pixel's entries start.
#[derive(Debug)]
pub struct Row<'r> {
    /// Entries of prediction digits.
    pub digits: &'r mut [u32],
    /// Entries of remainders.
    pub rest: &'r mut [u32],
    /// First entry of every pixel in both lists, and behind the last.
    pub starts: &'r mut [[u16; 2]],
}

/// Lists the digits of row `y` of a view's map. The column of an entry is
/// `x * channels + channel` in the view.
///
/// Lists have room for every code; where one is too short, what follows is
/// left out.
pub fn scan(split: Split, map: &[i8], view: View, y: usize, row: &mut Row<'_>) {
    let mut ends = [0usize; 2];
    for x in 0..view.shape.width {
        if let Some(start) = row.starts.get_mut(x) {
            *start = ends.map(|end| end as u16);
        }
        let first = view.index(y, x, 0);
        let column = x * view.channels;
        if view.step == 1 {
            let codes = map.get(first..first + view.channels).unwrap_or(&[]);
            let (fours, rest) = codes.as_chunks::<4>();
            for (four, codes) in fours.iter().enumerate() {
                // Most codes behind a ReLU are zero.
                if u32::from_le_bytes(codes.map(|q| q as u8)) != 0 {
                    list(split, codes, column + 4 * four, row, &mut ends);
                }
            }
            list(split, rest, column + 4 * fours.len(), row, &mut ends);
        } else {
            for channel in 0..view.channels {
                let code = map.get(first + channel * view.step).copied().unwrap_or(0);
                list(split, &[code], column + channel, row, &mut ends);
            }
        }
    }
    if let Some(end) = row.starts.get_mut(view.shape.width) {
        *end = ends.map(|end| end as u16);
    }
}

/// Lists the digits of some codes, from `column` on.
#[inline(always)]
fn list(split: Split, codes: &[i8], column: usize, row: &mut Row<'_>, ends: &mut [usize; 2]) {
    for (k, &code) in codes.iter().enumerate() {
        let (hb, lb) = split.digits(code);
        for (digit, list, end) in [(hb, &mut *row.digits, 0), (lb, &mut *row.rest, 1)] {
            if digit != 0
                && let Some(place) = list.get_mut(ends[end])
            {
                *place = entry(column + k, digit);
                ends[end] += 1;
            }
        }
    }
}
