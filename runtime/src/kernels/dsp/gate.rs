//! The gate of [`super::Dsp`]: four rows at a time.

use super::inner;
use crate::kernels::{Kernels, gate};

/// See [`Kernels::load_within`].
pub fn load_within(
    accumulators: &[u32],
    predictions: &mut [i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    // Whole units of four rows that every slice has.
    let rows = (2 * accumulators.len()).min(predictions.len());
    let fours = rows.min(thresholds.len()).min(open.len()) & !3;
    let (now, later) = predictions.split_at_mut_checked(fours).unwrap_or_default();
    let words = accumulators.get(..fours / 2).unwrap_or(&[]);
    let some = thresholds.get(..fours).unwrap_or(&[]);
    let mut count = inner::load_within(words, now, some, open);
    if !later.is_empty() {
        let words = accumulators.get(fours / 2..).unwrap_or(&[]);
        super::Dsp::load(words, later);
        let rest = open.get_mut(count..).unwrap_or(&mut []);
        let more = gate::within(later, thresholds.get(fours..).unwrap_or(&[]), rest);
        for entry in rest.iter_mut().take(more) {
            *entry = entry.wrapping_add(fours as u16);
        }
        count += more;
    }
    count
}
