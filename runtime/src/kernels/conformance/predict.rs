//! The prediction pass.

use super::products::{self, Product};
use super::source::Source;
use super::{carve, ensure};
use crate::arena::words_of;
use crate::kernels::{Changes, Kernels, changes, naive};
use crate::layout::WeightBits;

/// Changed columns of a case, at most.
const CHANGED: usize = 40;
/// Entries of the lists, their ends included: [`CHANGED`] changes by up to
/// [`LARGEST`].
const ENTRIES: usize = 400;
/// Largest change of a digit.
const LARGEST: u8 = 16;

/// Words of scratch for a random case.
fn words<K: Kernels>(bits: WeightBits, rows: usize, columns: usize) -> usize {
    words_of::<i8>(rows * columns)
        + words_of::<i16>(rows)
        + ENTRIES
        + check_words::<K>(bits, rows, columns)
}

/// Words of scratch for [`check`].
fn check_words<K: Kernels>(bits: WeightBits, rows: usize, columns: usize) -> usize {
    let padded = rows.next_multiple_of(K::TARGET.panel_rows(bits));
    words_of::<i16>(rows) + K::TARGET.panel_words(bits, rows, columns) + padded / 2
}

/// Random changes of a random matrix.
pub fn random<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let bits = source.weight_bits();
    let (rows, columns) = source.shape(scratch.len(), |r, c| words::<K>(bits, r, c));
    let weights: &mut [i8] = carve(&mut scratch, rows * columns)?;
    let want: &mut [i16] = carve(&mut scratch, rows)?;
    let entries: &mut [u32] = carve(&mut scratch, ENTRIES)?;
    source.fill(weights, bits.max() as u8);
    let start = source.i16() / 4;
    for (row, value) in want.iter_mut().enumerate() {
        *value = start + row as i16;
    }

    let stored = &mut *scratch;
    let mut check = Check::new::<K>(bits, weights, (rows, columns), want, stored)?;
    let mut lists = Lists::new(entries);
    for _ in 0..source.below(CHANGED + 1) {
        let column = source.below(columns);
        let d = match source.below(4) {
            0 => 1,
            1 => -1,
            _ => i16::from(source.digit(LARGEST)),
        };
        // The bound of a narrow layer. The lists are applied in another
        // order, so sums may wrap on the way.
        let fits = |(&w, &a): (&i8, &i16)| a.checked_add(i16::from(w) * d).is_some();
        let weights_of = weights.iter().skip(column).step_by(columns);
        let offset = column * K::TARGET.panel();
        if weights_of.zip(want.iter()).all(fits) && lists.push(offset as u32, d) {
            naive::apply(want, weights, columns, column, d);
        }
    }
    check.run::<K>(&lists.changes()?, want)
}

/// A row whose largest digit times `sum |w|` is 32760, next to the largest a narrow
/// one may have, with every digit there: both passes.
pub fn at_the_bound<K: Kernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let bits = source.weight_bits();
    const DIGITS: usize = 30;
    // Columns, all but the first weight, the first, and the digit.
    let (columns, rest, first, digit) = match bits {
        WeightBits::Eight => (168, 24, 87, 8),
        WeightBits::Four => (156, 7, 7, DIGITS as i8),
    };
    let signs = [source.below(2), source.below(2)].map(|s| 1 - 2 * s as i8);
    let weights: &mut [i8] = carve(&mut scratch, columns)?;
    weights.fill(rest * signs[0]);
    *weights.first_mut()? = first * signs[0];
    let digits: &mut [i8] = carve(&mut scratch, columns)?;
    digits.fill(digit * signs[1]);
    let product = Product {
        bits,
        weights,
        columns,
        digits,
    };
    products::check::<K>(&product, &[0], scratch)?;

    // The digits one by one from zero, so that the lists stay short.
    let (mut want, mut list) = ([0], [0; DIGITS + 2]);
    let mut check = Check::new::<K>(bits, weights, (1, columns), &want, scratch)?;
    for (column, &d) in digits.iter().enumerate() {
        naive::apply(&mut want, weights, columns, column, i16::from(d));
        let mut lists = Lists::new(&mut list);
        ensure(lists.push((column * K::TARGET.panel()) as u32, i16::from(d)))?;
        check.run::<K>(&lists.changes()?, &want)?;
    }
    ensure(want[0].unsigned_abs() == 32760)
}

/// A matrix in panels with its accumulators.
struct Check<'c> {
    bits: WeightBits,
    columns: usize,
    panels: &'c [u32],
    accumulators: &'c mut [u32],
    got: &'c mut [i16],
}

impl<'c> Check<'c> {
    /// Stores the matrix and the first predictions.
    fn new<K: Kernels>(
        bits: WeightBits,
        weights: &[i8],
        (rows, columns): (usize, usize),
        first: &[i16],
        mut scratch: &'c mut [u32],
    ) -> Option<Self> {
        use zerocopy::IntoBytes;
        let panels: &mut [u32] = carve(&mut scratch, K::TARGET.panel_words(bits, rows, columns))?;
        K::TARGET.encode_panels(bits, weights, columns, panels.as_mut_bytes());
        let padded = rows.next_multiple_of(K::TARGET.panel_rows(bits));
        let accumulators: &mut [u32] = carve(&mut scratch, padded / 2)?;
        accumulators.fill(0x5555_5555);
        K::store(accumulators, first);
        Some(Self {
            bits,
            columns,
            panels,
            accumulators,
            got: carve(&mut scratch, rows)?,
        })
    }

    /// Applies the changes and compares the predictions.
    fn run<K: Kernels>(&mut self, changes: &Changes<'_>, want: &[i16]) -> Option<()> {
        K::predict(
            self.bits,
            self.accumulators,
            self.panels,
            self.columns,
            changes,
        );
        K::load(self.accumulators, self.got);
        ensure(self.got == want)?;
        // Storing what was loaded changes nothing.
        self.accumulators.fill(0x5555_5555);
        K::store(self.accumulators, self.got);
        self.got.fill(0);
        K::load(self.accumulators, self.got);
        ensure(self.got == want)
    }
}

/// Columns to add from the front of a buffer, to subtract from its back.
struct Lists<'l> {
    buffer: &'l mut [u32],
    plus: usize,
    minus: usize,
}

impl<'l> Lists<'l> {
    fn new(buffer: &'l mut [u32]) -> Self {
        let minus = buffer.len() - 1;
        Self {
            buffer,
            plus: 0,
            minus,
        }
    }

    /// Whether the change had room; without, nothing is listed.
    fn push(&mut self, offset: u32, d: i16) -> bool {
        let times = usize::from(d.unsigned_abs());
        if self.plus + times >= self.minus {
            return false;
        }
        let start = if d > 0 { self.plus } else { self.minus - times };
        if let Some(entries) = self.buffer.get_mut(start..start + times) {
            entries.fill(offset);
        }
        if d > 0 {
            self.plus += times;
        } else {
            self.minus -= times;
        }
        true
    }

    fn changes(self) -> Option<Changes<'l>> {
        let Self {
            buffer,
            plus,
            minus,
        } = self;
        *buffer.get_mut(plus)? = changes::END;
        *buffer.last_mut()? = changes::END;
        Some(Changes {
            plus: buffer.get(..=plus)?,
            minus: buffer.get(minus..)?,
        })
    }
}
