//! Which digits changed.

use super::source::Source;
use super::{carve, ensure};
use crate::kernels::{Changes, Kernels, changes};
use crate::layout::WeightBits;
use crate::quant::Split;

/// Words of codes of a case, at most.
const WORDS: usize = 24;
/// Words of the lists, at most.
const ROOM: usize = 600;

/// Some steps of random codes, of any split.
pub fn random<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let bits = 2 + source.below(7) as u8;
    let msb_bits = 1 + source.below(usize::from(bits)) as u8;
    let split = Split::new(bits, msb_bits, true)?;
    let words = K::TARGET.row_columns(WeightBits::Eight, 4 + 4 * source.below(WORDS)) / 4;
    let codes: &mut [u32] = carve(&mut scratch, words)?;
    let applied: &mut [u32] = carve(&mut scratch, words)?;
    let before: &mut [u32] = carve(&mut scratch, words)?;
    let rest: &mut [u32] = carve(&mut scratch, words)?;
    applied.fill(changes::zero_digits(split));
    codes.fill(0);
    for _ in 0..3 {
        let room = source.below(ROOM);
        let (head, _) = scratch.split_at_mut_checked(room)?;
        before.copy_from_slice(applied);
        redraw(source, split, codes);
        rest.fill(0xdead_beef);
        let found = K::scan(split, codes, applied, rest, head);

        let (mut columns, mut entries) = (0, 0);
        let digits = codes
            .iter()
            .zip(applied.iter())
            .zip(before.iter().zip(rest.iter()));
        for (index, ((&codes, &applied), (&before, &rest))) in digits.enumerate() {
            let now = changes::signed_digits(split, applied).to_le_bytes();
            let before = changes::signed_digits(split, before).to_le_bytes();
            for (byte, code) in codes.to_le_bytes().into_iter().enumerate() {
                let (hb, lb) = split.digits(code as i8);
                ensure(now[byte] as i8 == hb && rest.to_le_bytes()[byte] as i8 == lb)?;
                let change = i32::from(hb) - i32::from(before[byte] as i8);
                columns += u32::from(change != 0);
                entries += change.unsigned_abs() as usize;
                if let Some(changes) = found.changes(head) {
                    let offset = (4 * index + byte) * K::TARGET.panel();
                    ensure(times(&changes, offset as u32) == change)?;
                }
            }
        }
        let count = found.changes(head).map(|changes| changes.count());
        // Each list has an end.
        ensure(count == (entries + 2 <= room).then_some(entries))?;
        ensure(count.is_none() || found.columns == columns)?;
    }
    Some(())
}

/// Changes some of the codes, all of them at times.
fn redraw(source: &mut Source, split: Split, codes: &mut [u32]) {
    let (_, largest) = split.range();
    let seldom = 1 + source.below(8);
    for word in codes {
        let mut bytes = word.to_le_bytes();
        for byte in &mut bytes {
            if source.below(seldom) == 0 {
                *byte = source.digit(largest as u8) as u8;
            }
        }
        *word = u32::from_le_bytes(bytes);
    }
}

/// How often a column is added, less how often it is subtracted.
fn times(changes: &Changes<'_>, offset: u32) -> i32 {
    let count = |list| {
        Changes::entries(list)
            .iter()
            .filter(|&&e| e == offset)
            .count() as i32
    };
    count(changes.plus) - count(changes.minus)
}
