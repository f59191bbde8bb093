//! The loops in plain Rust, for the layouts that keep 16 rows in a panel, four
//! to a word.
//!
//! With `u = w + 128` a word of four weights, `U = u0 + 2^8 u1 + 2^16 u2 +
//! 2^24 u3`, has no borrow between its bytes, and
//!
//! ```text
//! A = sum of U d, O = sum of ((U >> 8) & 0x00ff00ff) d     (mod 2^32)
//! A - 2^8 O = S0 + 2^16 S2,   O = S1 + 2^16 S3             S = sum of u d
//! ```
//!
//! `128 sum d`, taken off both lanes, leaves the sums of `w d`.
//!
//! Where the compiler lacks registers, both walks are assembly (`thumb1`,
//! `rv32`); elsewhere they are in `walks`.
#![allow(unsafe_code)]

#[cfg(not(any(pg_isa = "rv32", pg_isa = "thumb1")))]
mod walks;

#[cfg(pg_isa = "rv32")]
use super::rv32::{rows as walk_rows, walk};
#[cfg(pg_isa = "thumb1")]
use super::thumb1::{rows as walk_rows, walk};
use super::{Form, Patch};
use crate::layout::Target;
#[cfg(not(any(pg_isa = "rv32", pg_isa = "thumb1")))]
use walks::{rows as walk_rows, walk};

/// Rows of a panel, and bytes of a column.
const HEIGHT: usize = 16;
/// Words of a column.
const WORDS: usize = HEIGHT / 4;
/// The bytes 0 and 2 of a word.
const EVEN: u32 = 0x00ff_00ff;

/// How the words of a layout become offset weights, and whose they are.
#[derive(Clone, Copy)]
pub struct Layout {
    flip: u32,
    /// Bytes 1 and 2 hold rows 2 and 1.
    crossed: bool,
}

/// [`Target::Swar`].
const SWAR: Layout = Layout {
    flip: 0,
    crossed: false,
};
/// [`Target::Dsp`].
#[cfg(all(test, not(pg_isa = "dsp")))]
const DSP: Layout = Layout {
    flip: 0x8080_8080,
    crossed: true,
};

const _: () = assert!(Target::Swar.panel() == HEIGHT && Target::Dsp.panel() == HEIGHT);

/// Sums of a panel in 16-bit lanes.
struct Lanes([[u32; 2]; WORDS]);

impl Lanes {
    const ZERO: Self = Self([[0; 2]; WORDS]);

    /// Adds the sums, less 128 for each of `digits`, to so many times `sums`, and
    /// starts anew.
    #[inline(always)]
    fn fold(&mut self, layout: Layout, digits: u32, times: i32, sums: &mut [i32; HEIGHT]) {
        let offset = digits.wrapping_mul(0x0080_0080);
        let (fours, _) = sums.as_chunks_mut::<4>();
        for (sums, [a, o]) in fours.iter_mut().zip(&mut self.0) {
            let even = a.wrapping_sub(*o << 8).wrapping_sub(offset);
            let odd = o.wrapping_sub(offset);
            let [s0, s2, s1, s3] = [even, even, odd, odd];
            let low = |word: u32| i32::from(word as i16);
            let high = |word: u32| (word.wrapping_sub(i32::from(word as i16) as u32) as i32) >> 16;
            let lanes = [low(s0), low(s1), high(s2), high(s3)];
            let lanes = if layout.crossed {
                [lanes[0], lanes[2], lanes[1], lanes[3]]
            } else {
                lanes
            };
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum = lane + if times == 0 { 0 } else { *sum * times };
            }
            (*a, *o) = (0, 0);
        }
    }
}

/// The column of a panel at an offset.
#[inline(always)]
fn column(panel: &[u32], offset: u32) -> [u32; WORDS] {
    let first = offset as usize / 4;
    let words = panel.get(first..first + WORDS);
    words
        .and_then(|w| w.first_chunk())
        .copied()
        .unwrap_or([0; WORDS])
}

/// See [`super::ConvKernels::panel`].
fn panel(layout: Layout, panel: &[u32], patch: &Patch<'_>, sums: &mut [i32]) {
    let Some(sums) = sums.first_chunk_mut::<HEIGHT>() else {
        return;
    };
    let Some(panel) = panel.get(..patch.columns() * WORDS) else {
        return;
    };
    match patch.form() {
        Form::Planes(_) => planes(layout, panel, patch, sums),
        Form::Weighted => weighted(layout, panel, patch, sums),
    }
}

fn planes(layout: Layout, panel: &[u32], patch: &Patch<'_>, sums: &mut [i32; HEIGHT]) {
    let mut lanes = Lanes::ZERO;
    if patch.folds() == 0 {
        // SAFETY: the panel has the columns of the patch, in which all offsets are.
        let digits = unsafe { walk(layout, &mut lanes.0, panel, patch) };
        lanes.fold(layout, digits, 0, sums);
        return;
    }
    *sums = [0; HEIGHT];
    for part in patch.parts(patch.folds() as usize) {
        // SAFETY: as above.
        let digits = unsafe { walk(layout, &mut lanes.0, panel, &part) };
        lanes.fold(layout, digits, 2, sums);
    }
}

/// Digit, and byte offset of the column, of a weighted entry.
#[inline(always)]
const fn decode(entry: u32) -> (u32, usize) {
    let halves = (entry & 0xffff) as usize;
    ((entry as i32 >> 16) as u32, halves * (HEIGHT / 2))
}

fn weighted(layout: Layout, panel: &[u32], patch: &Patch<'_>, sums: &mut [i32; HEIGHT]) {
    *sums = [0; HEIGHT];
    let mut lanes = Lanes::ZERO;
    let (mut digits, mut room) = (0u32, patch.limit());
    for run in patch.runs() {
        let mut entries = run.entries;
        while !entries.is_empty() {
            let (now, later) = entries.split_at(room.min(entries.len()));
            for &entry in now {
                let (digit, offset) = decode(entry);
                let column = column(panel, (offset as u32).wrapping_add(run.base));
                digits = digits.wrapping_add(digit);
                for ([a, o], word) in lanes.0.iter_mut().zip(column) {
                    let u = word ^ layout.flip;
                    *a = a.wrapping_add(u.wrapping_mul(digit));
                    *o = o.wrapping_add(((u >> 8) & EVEN).wrapping_mul(digit));
                }
            }
            room -= now.len();
            entries = later;
            if room == 0 {
                lanes.fold(layout, core::mem::take(&mut digits), 1, sums);
                room = patch.limit();
            }
        }
    }
    lanes.fold(layout, digits, 1, sums);
}

/// See [`super::ConvKernels::rows`].
fn rows(layout: Layout, panel: &[u32], patch: &Patch<'_>, rows: &[u8], sums: &mut [i32]) {
    let whole = panel.len() >= patch.columns() * WORDS;
    let beyond = |&row: &u8| usize::from(row) >= HEIGHT.min(sums.len());
    if !whole || patch.form() != Form::Weighted || rows.iter().any(beyond) {
        return;
    }
    if let Some(sums) = sums.first_chunk_mut() {
        // SAFETY: the panel has the columns of the patch, and rows are below the
        // height of a column.
        unsafe { walk_rows(layout, panel, patch, rows, sums) };
    }
}

/// A column of the walks in assembly takes less than its single rows from here
/// on; of those in Rust, four rows cost about what all of them do.
const WHOLE: usize = if cfg!(any(pg_isa = "rv32", pg_isa = "thumb1")) {
    9
} else {
    5
};

/// The kernels of a layout in plain Rust, whatever else its cores have.
macro_rules! plain {
    ($kernels:ty, $layout:expr) => {
        impl super::ConvKernels for $kernels {
            const WHOLE: usize = WHOLE;

            fn panel(words: &[u32], patch: &Patch<'_>, sums: &mut [i32]) {
                panel($layout, words, patch, sums);
            }

            fn rows(words: &[u32], patch: &Patch<'_>, list: &[u8], sums: &mut [i32]) {
                rows($layout, words, patch, list, sums);
            }
        }
    };
}

plain!(crate::kernels::swar::Swar, SWAR);
#[cfg(all(test, not(pg_isa = "dsp")))]
plain!(crate::kernels::dsp::Dsp, DSP);
