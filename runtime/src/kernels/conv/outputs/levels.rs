//! Which outputs of a panel open, and which have a code.

use crate::kernels::conv::MOST_ROWS;
use crate::quant::Requant;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Sums are nearer to 0, and levels not farther from it.
pub(super) const FARTHEST: i64 = 1 << 30;

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

/// Rows of a panel, in ascending order: [`super::codes`] relies on it.
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

    /// The first `count` rows.
    #[must_use]
    pub fn first(count: usize) -> Self {
        Self {
            rows: core::array::from_fn(|row| row as u8),
            count: count.min(MOST_ROWS),
        }
    }

    /// Appends a row, a later one than all before, if `keep`, without a branch.
    #[inline(always)]
    pub(in crate::kernels) fn push(&mut self, row: usize, keep: bool) {
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
    pub(in crate::kernels) fn set(&mut self, mut mask: u32) {
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
