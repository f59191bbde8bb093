//! [`super`] in plain Rust: cores without a multiplication of lanes, and hosts.

use super::{GROUPS, HEIGHT, Lanes, Run, WORDS, digit, offset};

/// The bytes 1 and 3 of a word, once shifted.
const EVEN: u32 = 0x00ff_00ff;

/// Adds the columns of a run to the sums of a panel. Entries beyond the panel
/// are passed over.
#[inline]
pub fn add_panel(panel: &[u32], run: Run<'_>, sums: &mut Lanes<GROUPS>) {
    let (columns, _) = panel.as_chunks::<WORDS>();
    for &entry in run.entries {
        let x = digit(entry);
        let at = offset(entry).wrapping_add(run.base) as usize / HEIGHT;
        if let Some(column) = columns.get(at) {
            sums.digits += x;
            let x = x as u32;
            for ([a, o], &w) in sums.words.iter_mut().zip(column) {
                *a = a.wrapping_add(w.wrapping_mul(x));
                *o = o.wrapping_add(((w >> 8) & EVEN).wrapping_mul(x));
            }
        }
    }
}

/// Adds the columns of a run to the sums of one group of a panel.
#[inline]
pub fn add_group(panel: &[u32], group: usize, run: Run<'_>, sums: &mut Lanes<1>) {
    let [[mut a, mut o]] = sums.words;
    for &entry in run.entries {
        let x = digit(entry);
        let at = offset(entry).wrapping_add(run.base) as usize / 4 + group;
        if let Some(&w) = panel.get(at) {
            sums.digits += x;
            let x = x as u32;
            a = a.wrapping_add(w.wrapping_mul(x));
            o = o.wrapping_add(((w >> 8) & EVEN).wrapping_mul(x));
        }
    }
    sums.words = [[a, o]];
}
