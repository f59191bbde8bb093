//! From sums of prediction digits to gates, and from accumulators to codes.
//!
//! Both are decided on the sums `s = sum w hb` themselves, by levels that are
//! computed once for a layer: with `z_hb = (s << shift) + bias`,
//!
//! ```text
//! z_hb > t      if and only if  s > floor((t - bias) / 2^shift)
//! code(z) >= 1  if and only if  z >= Z, for code() does not fall
//! ```
//!
//! so that an output that stays closed and whose code is 0, which most are, costs
//! a comparison and neither bias nor multiplication.
#![allow(unsafe_code)]

use super::MOST_ROWS;
use crate::quant::Requant;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Sums are nearer to 0, and levels not farther from it.
const FARTHEST: i64 = 1 << 30;

/// What a sum of prediction digits must exceed: ±2^30 at most.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Level {
    /// For the gate to open.
    pub open: i32,
    /// For that, or for the closed output to have another code than 0.
    pub live: i32,
}

/// [`Level`]s of two neighbouring rows, for sums that 16 bits hold.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PairLevel {
    /// For the gates to open.
    pub open: [i16; 2],
    /// For that, or for the closed outputs to have another code than 0.
    pub live: [i16; 2],
}

/// The levels of the rows of a panel.
#[derive(Clone, Copy, Debug)]
pub enum Levels<'l> {
    /// One for each row.
    Wide(&'l [Level]),
    /// One for every two rows; no sum exceeds ±32767.
    Narrow(&'l [PairLevel]),
}

impl Level {
    /// Levels of an output that neither opens nor has a code: of no output.
    pub const NONE: Self = Self {
        open: FARTHEST as i32,
        live: FARTHEST as i32,
    };

    /// The level for `z > limit`, `z = (sum << shift) + bias`.
    #[must_use]
    pub const fn above(limit: i64, bias: i32, shift: u8) -> i32 {
        saturate((limit - bias as i64) >> (shift & 31), -FARTHEST, FARTHEST)
    }

    /// The largest accumulator whose requantised value is 0 or less.
    #[must_use]
    pub const fn zero(requant: Requant) -> i64 {
        // a mult >= 2^(post - 1), a being the accumulator after the first shift.
        let half = (1u32 << (requant.post & 31)) >> 1;
        let mult = if requant.mult == 0 { 1 } else { requant.mult };
        let a = if half == 0 {
            1
        } else {
            half.div_ceil(mult as u32)
        };
        if a > i16::MAX as u32 {
            return i64::MAX / 2;
        }
        let pre = requant.pre & 31;
        (a as i64 * (1 << pre)) - ((1i64 << pre) >> 1) - 1
    }
}

impl PairLevel {
    /// The same levels for 16-bit sums.
    #[must_use]
    pub fn of(rows: [Level; 2]) -> Self {
        // Sums from -32767 on exceed the least, and none up to 32767 the largest.
        let narrow = |level: i32| saturate(level.into(), i16::MIN.into(), i16::MAX.into()) as i16;
        Self {
            open: rows.map(|level| narrow(level.open)),
            live: rows.map(|level| narrow(level.live)),
        }
    }
}

const fn saturate(x: i64, low: i64, high: i64) -> i32 {
    let x = if x < low { low } else { x };
    (if x > high { high } else { x }) as i32
}

/// Rows of a panel, in ascending order.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    rows: [u8; MOST_ROWS],
    count: usize,
}

impl Rows {
    /// No rows.
    pub const NONE: Self = Self {
        rows: [0; MOST_ROWS],
        count: 0,
    };

    /// Appends a row if `keep`, without a branch.
    #[inline(always)]
    pub fn push(&mut self, row: usize, keep: bool) {
        self.rows[self.count % MOST_ROWS] = row as u8;
        self.count += usize::from(keep);
    }

    /// The last of the rows; 0 if there are none.
    #[inline(always)]
    #[must_use]
    pub fn last(&self) -> usize {
        self.list().last().map_or(0, |&row| usize::from(row))
    }

    /// Sets the rows to those whose bit is set.
    #[cfg(pg_isa = "dsp")]
    #[inline(always)]
    pub fn set(&mut self, mut mask: u32) {
        self.count = 0;
        while mask != 0 {
            self.push(mask.trailing_zeros() as usize, true);
            mask &= mask - 1;
        }
    }

    /// The rows.
    #[inline(always)]
    #[must_use]
    pub fn list(&self) -> &[u8] {
        self.rows.get(..self.count).unwrap_or(&[])
    }
}

/// Which rows of a panel exceed their levels.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// The gate opens.
    pub open: Rows,
    /// The gate stays closed, and the code of the prediction is not 0.
    pub live: Rows,
}

impl Decided {
    /// No rows.
    pub const NONE: Self = Self {
        open: Rows::NONE,
        live: Rows::NONE,
    };

    /// Finds the rows whose sums exceed their levels.
    #[inline(always)]
    pub fn find(&mut self, levels: Levels<'_>, sums: &[i32]) {
        let (mut opens, mut lives) = (0, 0);
        let (open_rows, live_rows) = (&mut self.open.rows, &mut self.live.rows);
        // Most rows are neither.
        let mut add = |row: usize, sum: i32, open: i32, live: i32| {
            if sum > live {
                let (rows, count) = if sum > open {
                    (&mut *open_rows, &mut opens)
                } else {
                    (&mut *live_rows, &mut lives)
                };
                rows[*count % MOST_ROWS] = row as u8;
                *count += 1;
            }
        };
        match levels {
            Levels::Wide(levels) => {
                for (row, (level, &sum)) in levels.iter().zip(sums).enumerate() {
                    add(row, sum, level.open, level.live);
                }
            }
            Levels::Narrow(levels) => {
                let (pairs, _) = sums.as_chunks::<2>();
                for (pair, (level, sums)) in levels.iter().zip(pairs).enumerate() {
                    for row in [0, 1] {
                        let (open, live) = (level.open[row].into(), level.live[row].into());
                        add(2 * pair + row, sums[row], open, live);
                    }
                }
            }
        }
        (self.open.count, self.live.count) = (opens, lives);
    }

    /// Opens the whole group of every row that opens, of `count` rows.
    pub fn group(&mut self, group: usize, count: usize) {
        let groups = self.open.list().iter().fold(0u64, |groups, &row| {
            groups | 1 << (usize::from(row) / group.max(1))
        });
        let opens = |row: usize| (groups >> (row / group.max(1))) & 1 == 1;
        let closed = self.live;
        *self = Self::NONE;
        (0..count).for_each(|row| self.open.push(row, opens(row)));
        for &row in closed.list() {
            self.live.push(row.into(), !opens(row.into()));
        }
    }
}

/// Bias and requantisation of an output, with the halves of both rounding
/// shifts at hand: [`Requant::apply`] of an accumulator in four operations and
/// its limits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Scale {
    /// Bias, and half of `2^pre`.
    bias: i32,
    /// `mult * 2^16 + pre`.
    factor: u32,
    /// Half of `2^post`.
    half: i32,
    post: u32,
}

impl Scale {
    /// Of an output.
    #[must_use]
    pub fn new(bias: i32, requant: Requant) -> Self {
        let half = |shift: u8| ((1u32 << (shift & 31)) >> 1) as i32;
        Self {
            bias: bias.wrapping_add(half(requant.pre)),
            factor: (u32::from(requant.mult) << 16) | u32::from(requant.pre),
            half: half(requant.post),
            post: requant.post.into(),
        }
    }

    /// [`Requant::apply`] of `sum + bias`, saturated to `low..=high`, a part of
    /// the 16-bit numbers.
    #[inline(always)]
    #[must_use]
    pub fn apply(&self, sum: i32, (low, high): (i32, i32)) -> i32 {
        let a = sum.wrapping_add(self.bias) >> (self.factor & 31);
        let a = a.clamp(-32767, 32767);
        let y = (a * (self.factor >> 16) as i32).wrapping_add(self.half) >> (self.post & 31);
        y.clamp(low, high)
    }
}

/// See [`super::ConvKernels::codes`].
#[inline(always)]
pub fn codes(
    scales: &[Scale],
    (sums, shift): (&[i32], u8),
    rows: &Rows,
    range: (i32, i32),
    (codes, step): (&mut [i8], usize),
) {
    let (last, rows) = (rows.last(), rows.list());
    if last >= scales.len().min(sums.len()) || last * step >= codes.len() {
        return;
    }
    for &row in rows {
        let row = usize::from(row);
        // SAFETY: rows are in ascending order, and the last one is there.
        unsafe {
            let sum = *sums.as_ptr().add(row);
            let code = (*scales.as_ptr().add(row)).apply(sum << (shift & 31), range);
            *codes.as_mut_ptr().add(row * step) = code as i8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn levels_are_where_gate_and_code_change(
            (mult, pre, post) in (1u16 << 14..1 << 15, 0u8..=24, 0u8..=30),
            (bias, limit) in (-1_000_000..1_000_000, -3_000_000..3_000_000i64),
            shift in 0u8..=7,
            sum in -5_000_000..5_000_000i32,
        ) {
            let requant = Requant { mult, pre, post };
            let z = (sum << shift) + bias;
            prop_assert_eq!(
                sum > Level::above(limit, bias, shift),
                i64::from(z) > limit
            );
            let zero = Level::zero(requant);
            prop_assert_eq!(
                sum > Level::above(zero, bias, shift),
                requant.apply(z) >= 1
            );
            for z in [zero, zero + 1] {
                if let Ok(z) = i32::try_from(z) && z < 1 << 30 {
                    prop_assert_eq!(requant.apply(z) >= 1, i64::from(z) > zero);
                }
            }
            let scale = Scale::new(bias, requant);
            let range = (i32::from(i16::MIN), i32::from(i16::MAX));
            prop_assert_eq!(scale.apply(sum << shift, range), requant.apply(z).into());
            prop_assert_eq!(scale.apply(sum << shift, (0, 15)), requant.apply(z).clamp(0, 15).into());
        }
    }

    #[test]
    fn groups_open_whole() {
        let mut found = Decided::NONE;
        (0..MOST_ROWS).for_each(|row| found.open.push(row, row == 5));
        (0..MOST_ROWS).for_each(|row| found.live.push(row, row % 3 == 0));
        found.group(4, 10);
        assert_eq!(found.open.list(), [4, 5, 6, 7]);
        assert_eq!(found.live.list().get(..4), Some(&[0, 3, 9, 12][..]));
    }

    #[test]
    fn narrow_levels_are_those_of_wide_ones() {
        let far = FARTHEST as i32;
        let ends = [-far, -32768, -32767, -1, 0, 32766, 32767, far];
        for open in ends {
            for live in ends.map(|live| live.min(open)) {
                let level = Level { open, live };
                let pair = [PairLevel::of([level, Level::NONE])];
                for sum in [-32767, -1, 0, 1, 32766, 32767] {
                    let rows = |levels: Levels<'_>| {
                        let mut found = Decided::NONE;
                        found.find(levels, &[sum, 0]);
                        [found.open, found.live].map(|rows| rows.list().to_vec())
                    };
                    let wide = [level, Level::NONE];
                    assert_eq!(rows(Levels::Narrow(&pair)), rows(Levels::Wide(&wide)));
                }
            }
        }
    }
}
