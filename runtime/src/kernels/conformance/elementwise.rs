//! What is done row by row and unit by unit: the gate and the cell.

use super::source::Source;
use super::{carve, ensure};
use crate::kernels::{Kernels, cell};
use crate::quant::Requant;

/// Rows or units of a case.
const LENGTH: usize = 70;

/// Rows that open, in order, in a list that just holds them all.
pub fn within<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let rows = source.below(LENGTH + 1);
    let predictions: &mut [i16] = carve(&mut scratch, rows)?;
    let thresholds: &mut [i16] = carve(&mut scratch, rows)?;
    let open: &mut [u16] = carve(&mut scratch, rows)?;
    draw(source, predictions, thresholds);
    open.fill(u16::MAX);
    let count = K::within(predictions, thresholds, open);
    ensure(lists(predictions, thresholds, open, count))
}

/// The same from accumulators, within the bounds of a layer that keeps them.
pub fn load_within<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let rows = source.below(LENGTH + 1);
    let padded = rows.next_multiple_of(K::TARGET.panel());
    let accumulators: &mut [u32] = carve(&mut scratch, padded / 2)?;
    let want: &mut [i16] = carve(&mut scratch, rows)?;
    let predictions: &mut [i16] = carve(&mut scratch, rows)?;
    let thresholds: &mut [i16] = carve(&mut scratch, rows)?;
    let open: &mut [u16] = carve(&mut scratch, rows)?;
    draw(source, want, thresholds);
    for (a, t) in want.iter_mut().zip(thresholds.iter_mut()) {
        (*a, *t) = ((*a).max(-i16::MAX), (*t).max(0));
    }
    K::store(accumulators, want);
    open.fill(u16::MAX);
    let count = K::load_within(accumulators, predictions, thresholds, open);
    ensure(predictions == want && lists(want, thresholds, open, count))
}

/// Predictions and thresholds, many of them next to each other.
fn draw(source: &mut Source, predictions: &mut [i16], thresholds: &mut [i16]) {
    let seldom = source.below(2) == 0;
    for (a, t) in predictions.iter_mut().zip(thresholds) {
        *a = source.i16();
        *t = match source.below(if seldom { 32 } else { 8 }) {
            0 => source.below(1 << 15) as i16 - 1,
            // Next to the prediction, on either side.
            1..4 => (i32::from(*a).abs() + source.below(3) as i32 - 1).min(32767) as i16,
            4 => {
                *a = [i16::MIN, i16::MAX, 0][source.below(3)];
                [i16::MAX, i16::MAX - 1, 0, 1, -1][source.below(5)]
            }
            _ => 0,
        };
    }
}

/// Whether the first `count` entries are the rows that open.
fn lists(predictions: &[i16], thresholds: &[i16], open: &[u16], count: usize) -> bool {
    let mut listed = open.iter();
    for (row, (&a, &t)) in predictions.iter().zip(thresholds).enumerate() {
        if i32::from(a).abs() < i32::from(t) && listed.next() != Some(&(row as u16)) {
            return false;
        }
    }
    count == open.len() - listed.len()
}

/// Random preactivations, states and constants.
pub fn cells<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let units = source.below(LENGTH + 1);
    let a: &mut [i16] = carve(&mut scratch, 4 * units)?;
    let mult: &mut [u16] = carve(&mut scratch, 4 * units)?;
    let state: &mut [i16] = carve(&mut scratch, units)?;
    let codes: &mut [i8] = carve(&mut scratch, units)?;
    let before: &mut [i16] = carve(&mut scratch, units)?;
    let post = source.below(16) as u8;
    for (a, mult) in a.iter_mut().zip(mult.iter_mut()) {
        if post <= 5 && source.below(8) == 0 {
            // At the ends of a table, or one beside them.
            let sign = 1 - 2 * source.below(2) as i16;
            *a = sign * (1 << 14);
            *mult = (1 << (9 + post)) - source.below(2) as u16;
            continue;
        }
        *a = match source.below(8) {
            0 => i16::MIN,
            1 => i16::MAX,
            _ => source.i16(),
        };
        *mult = match source.below(8) {
            0 => (1 << 15) - 1,
            1 => 0,
            _ => source.below(1 << 15) as u16,
        };
    }
    for (now, before) in state.iter_mut().zip(before.iter_mut()) {
        *before = match source.below(8) {
            0 => i16::MIN,
            1 => i16::MAX,
            _ => source.i16(),
        };
        *now = *before;
    }
    let constants = cell::Constants {
        mult,
        post,
        hidden: Requant {
            mult: (1 << 14) + source.below(1 << 14) as u16,
            pre: 0,
            post: 15 + source.below(9) as u8,
        },
        limit: 1 + source.below(127) as i8,
    };
    K::cells(&constants, a, state, codes);

    let (a, _) = a.as_chunks();
    let (mult, _) = constants.mult.as_chunks();
    let outcome = state.iter().zip(codes.iter()).zip(before.iter_mut());
    for (((&c, &code), want), (a, mult)) in outcome.zip(a.iter().zip(mult)) {
        ensure(code == cell::unit(&constants, a, mult, want) && c == *want)?;
    }
    Some(())
}
