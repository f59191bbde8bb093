//! How far the sums of a layer's rows may get from 0.

use super::ConvConfig;
use crate::layout::Target;

/// The even bytes of a word.
const EVEN: u32 = 0x00ff_00ff;
/// Columns whose bytes lanes of 16 bits sum.
const MOST: usize = 257;
/// Most words of a column.
const WORDS: usize = Target::Simd.panel() / 4;

/// [`crate::kernels::conv::Geometry::reach`] of a layer with panels: with `A` the
/// sum of a row's magnitudes and `S` that of its weights, those of one sign sum
/// `(A + |S|) / 2` at most. The `S` cost some cycles a word of weights: they are not
/// formed unless five eighths of the largest `A` fit lanes of 16 bits, so that one
/// `|S|` of a quarter of it does no harm.
pub(super) fn of(config: &ConvConfig<'_>) -> u32 {
    let (split, row_sum) = (config.split, config.row_sum);
    let largest = split.largest_digit().max(split.largest_rest());
    let narrow = |reach: u32| largest.saturating_mul(reach) <= i16::MAX as u32;
    if split.signed() || narrow(row_sum) || !narrow(row_sum.div_ceil(8).saturating_mul(5)) {
        return row_sum;
    }
    let target = config.weights.target();
    let words = config.weights.panel_words.unwrap_or(&[]);
    let columns = config.geometry().columns();
    let width = target.panel() / 4;
    let panels = words.chunks_exact(columns * width);
    let furthest = panels.map(|panel| furthest(panel, target, columns as i32));
    row_sum.min((row_sum + furthest.max().unwrap_or(row_sum)) / 2)
}

/// The largest sum of a row of a panel, in magnitude. Which row it is does not
/// matter, nor in which order a target stores them.
fn furthest(panel: &[u32], target: Target, columns: i32) -> u32 {
    let width = target.panel() / 4;
    // Weights that are stored as signed bytes become bytes of `w + 128`.
    let flip = if matches!(target, Target::Dsp) {
        0x8080_8080
    } else {
        0
    };
    let mut sums = [[0i32; 4]; WORDS];
    for part in panel.chunks(MOST * width) {
        for (word, sums) in sums.iter_mut().enumerate().take(width) {
            let (mut even, mut odd) = (0u32, 0u32);
            for &stored in part.iter().skip(word).step_by(width) {
                let stored = stored ^ flip;
                even += stored & EVEN;
                odd += (stored >> 8) & EVEN;
            }
            let lanes = [even & 0xffff, even >> 16, odd & 0xffff, odd >> 16];
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum += lane as i32;
            }
        }
    }
    let rows = sums.iter().take(width).flatten();
    rows.map(|sum| (sum - 128 * columns).unsigned_abs())
        .max()
        .unwrap_or(0)
}
