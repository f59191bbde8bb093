//! Convolutions: the lists, and the sums of both passes over them.

use super::source::Source;
use super::{carve, codes, ensure};
use crate::arena::words_of;
use crate::kernels::conv::outputs::{Decided, Level, Levels, PairLevel};
use crate::kernels::conv::{ConvKernels, Geometry, RowLists, are_narrow};
use crate::layers::{Shape, View, Window};
use crate::layout::WeightBits;
use crate::quant::Split;
use zerocopy::IntoBytes;

/// A convolution that failed, for [`check`] with a buffer of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case.
    pub seed: u32,
}

/// Checks the seeds `0..cases`.
///
/// # Errors
///
/// The first case that fails.
pub fn check_all<K: ConvKernels>(cases: u32, scratch: &mut [u32]) -> Result<(), Failure> {
    (0..cases).try_for_each(|seed| check::<K>(seed, scratch))
}

/// Checks one random window: the sums of a panel, and those of listed rows.
///
/// # Errors
///
/// The case, if a result is wrong or the scratch buffer too small for it.
pub fn check<K: ConvKernels>(seed: u32, scratch: &mut [u32]) -> Result<(), Failure> {
    let source = &mut Source::new(seed);
    random::<K>(source, scratch).ok_or(Failure { seed })
}

/// A random split of codes.
fn split(source: &mut Source) -> Option<Split> {
    let bits = 2 + source.below(7) as u8;
    let msb_bits = 1 + source.below(usize::from(bits)) as u8;
    let signed = source.below(4) == 0;
    Split::new(bits, msb_bits, signed).or(Split::new(bits, msb_bits, true))
}

/// A random map and window of up to `most` columns.
fn shapes(source: &mut Source, most: usize) -> (View, Window) {
    let window = Window {
        kernel: 1 + source.below(4),
        stride: 1 + source.below(2),
        padding: source.below(3),
    };
    let channels = 1 + source.below((most / window.kernel / window.kernel).clamp(1, 40));
    let channels = if source.below(2) == 0 && channels > 4 {
        channels & !3
    } else {
        channels
    };
    let first = source.below(2) * source.below(5);
    let step = 1 + source.below(2) * source.below(2);
    let shape = Shape {
        height: 1 + source.below(5),
        width: 1 + source.below(5),
        channels: first + (channels - 1) * step + 1,
    };
    let view = View {
        shape,
        first,
        step,
        channels,
    };
    (view, window)
}

fn random<K: ConvKernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    codes::check::<K>(source, scratch)?;
    let height = K::TARGET.panel();
    let split = split(source)?;
    // A panel takes up to half of the buffer.
    let most = scratch.len() * 2 / height;
    let (view, window) = shapes(source, most);
    let mut rows = 1 + source.below(height);
    let columns = window.kernel * window.kernel * view.channels;
    let mut geometry = Geometry {
        input: view,
        window,
        split,
        row_sum: 127 * columns as u32,
        reach: 127 * columns as u32,
        height,
    };
    let room = |rows: usize, g: &Geometry| {
        g.words() + words_of::<i8>(rows * columns) + words_of::<i8>(view.shape.len()) + rows
    };
    let panel_words = K::TARGET.panel_words(WeightBits::Eight, height, columns);
    // Maps too large for the buffer are cut, down to a single pixel.
    while room(rows, &geometry) + panel_words + 5 * height > scratch.len() {
        let shape = &mut geometry.input.shape;
        if shape.width > 1 {
            shape.width -= 1;
        } else if rows > 1 {
            rows /= 2;
        } else {
            return None;
        }
    }
    let view = geometry.input;
    let weights: &mut [i8] = carve(&mut scratch, rows * columns)?;
    let codes: &mut [i8] = carve(&mut scratch, view.shape.len())?;
    let panel: &mut [u32] = carve(&mut scratch, panel_words)?;
    let want: &mut [i32] = carve(&mut scratch, height)?;
    let got: &mut [i32] = carve(&mut scratch, height)?;
    let levels: &mut [Level] = carve(&mut scratch, height)?;
    let narrow: &mut [PairLevel] = carve(&mut scratch, height / 2)?;
    let largest = [127, 127, 30, 7][source.below(4)];
    source.fill(weights, largest);
    // As the exporter states it, or the widest a row of these could be.
    if source.below(4) > 0 {
        let sums = weights.chunks_exact(columns);
        let sums = sums.map(|row| row.iter().map(|w| u32::from(w.unsigned_abs())).sum());
        geometry.row_sum = sums.max()?;
        geometry.reach = geometry.row_sum;
        if !split.signed() && source.below(4) > 0 {
            let one_sided = |row: &[i8], sign: i32| {
                let weights = row.iter().map(|&w| (i32::from(w) * sign).max(0) as u32);
                weights.sum::<u32>()
            };
            let rows = weights.chunks_exact(columns);
            let reach = rows.map(|row| one_sided(row, 1).max(one_sided(row, -1)));
            geometry.reach = reach.max()?;
        }
    }
    let (low, high) = split.range();
    let span = (high - low + 1) as usize;
    let kind = source.below(4);
    codes.fill_with(|| match kind {
        0 => high as i8,
        1 if low < 0 => low as i8,
        _ if source.below(3) == 0 => 0,
        _ => (low + source.below(span) as i16) as i8,
    });
    K::TARGET.encode_panels(WeightBits::Eight, weights, columns, panel.as_mut_bytes());

    let mut lists = RowLists::take(&mut scratch, geometry)?;
    let kernel = window.kernel as i32;
    let top = source.below(view.shape.height + 2) as i32 - window.padding as i32;
    let left = source.below(view.shape.width + 2) as i32 - window.padding as i32;
    for y in 0..(top + kernel).clamp(0, view.shape.height as i32) {
        lists.list(y as usize, codes);
    }
    let mut windows = lists.row(top);
    windows.aim(left);
    let sum = |prediction: bool, row: usize| {
        let digit = |column: usize| {
            let (pixel, channel) = (column / view.channels, column % view.channels);
            let y = top + (pixel / window.kernel) as i32;
            let x = left + (pixel % window.kernel) as i32;
            let inside = |at: i32, edge: usize| at >= 0 && (at as usize) < edge;
            if !inside(y, view.shape.height) || !inside(x, view.shape.width) {
                return 0;
            }
            let code = codes.get(view.index(y as usize, x as usize, channel));
            let (hb, lb) = split.digits(code.copied().unwrap_or(0));
            i32::from(if prediction { hb } else { lb })
        };
        let row = weights.get(row * columns..).unwrap_or(&[]);
        (row.iter().take(columns).enumerate())
            .map(|(column, &w)| i32::from(w) * digit(column))
            .sum::<i32>()
    };
    for prediction in [true, false] {
        want.fill(0);
        for (row, want) in want.iter_mut().enumerate().take(rows) {
            *want = sum(prediction, row);
        }
        got.fill(-7);
        let patch = if prediction {
            windows.prediction()
        } else {
            windows.update()
        };
        K::panel(panel, patch, got);
        ensure(got == want)?;
        if prediction {
            // Levels at the sums, beside them, and at the ends.
            let mut level = |sum: i32| match source.below(6) {
                0 => -(1 << 30),
                1 => 1 << 30,
                near => sum + near as i32 - 3,
            };
            for (level_of, &sum) in levels.iter_mut().zip(&*want) {
                level_of.open = level(sum);
                level_of.live = level(sum).min(level_of.open);
            }
            let mut expected = Decided::NONE;
            expected.find(Levels::Wide(levels), want);
            got.fill(-7);
            let mut found = Decided::NONE;
            found.open.push(height - 1, true);
            let (pairs, _) = levels.as_chunks();
            for (narrow, &pair) in narrow.iter_mut().zip(pairs) {
                *narrow = PairLevel::of(pair);
            }
            let chosen = if are_narrow(K::TARGET, &geometry) {
                Levels::Narrow(narrow)
            } else {
                Levels::Wide(levels)
            };
            K::decide(panel, patch, chosen, got, &mut found);
            ensure(got == want)?;
            ensure(found.open.list() == expected.open.list())?;
            ensure(found.live.list() == expected.live.list())?;
        }
    }
    // What was there stays, and each listed row gets its own sum.
    let mut list = [0u8; 5];
    let count = source.below(list.len() + 1);
    let first = source.below(rows);
    for (k, row) in list.iter_mut().enumerate() {
        *row = ((first + 3 * k) % rows) as u8;
    }
    let list = list.get(..count.min(rows.div_ceil(3)))?;
    got.fill(1000);
    K::rows(panel, windows.update(), list, got);
    for (row, (&got, &sum)) in got.iter().zip(&*want).enumerate() {
        let listed = list.contains(&(row as u8));
        ensure(got == if listed { 1000 + sum } else { 1000 })?;
    }
    Some(())
}
