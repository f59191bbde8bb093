//! Which digits changed since the last step, found four at a time.
//!
//! A word holds four activation codes. With `v = q + 128` per byte, the digit
//! and the remainder of the rounded split (see [`Split`]) are, byte by byte
//! and without a carry between bytes,
//!
//! ```text
//! hb + (128 >> s) = (v >> s) + ((v >> (s - 1)) & 1)          0 to 256 >> s
//! lb + 2^(s-1)    = ((v mod 2^s) + 2^(s-1)) mod 2^s
//! ```
//!
//! The digits of the last step are kept in the biased form, so that one
//! comparison passes over four columns that did not change.

use crate::quant::Split;

/// Ends a list of [`Changes`]. No offset reaches it: a panel has at most
/// 2^14 columns of 64 bytes.
pub const END: u32 = u32::MAX;

/// The columns to add to and to subtract from the accumulators.
///
/// An entry is the byte offset of the column inside a panel; a digit that
/// changed by d is there |d| times. Both lists close with [`END`].
#[derive(Clone, Copy, Debug)]
pub struct Changes<'c> {
    /// Columns to add.
    pub plus: &'c [u32],
    /// Columns to subtract.
    pub minus: &'c [u32],
}

impl<'c> Changes<'c> {
    /// The entries to add and those to subtract, if every one is the offset of
    /// a column in a panel of `columns` columns of `height` bytes, `height` a
    /// power of two.
    ///
    /// Looking at the lists once is little beside walking them for every panel.
    #[inline]
    pub(super) fn checked(&self, columns: usize, height: usize) -> Option<[&'c [u32]; 2]> {
        let lists = [self.plus, self.minus].map(Changes::entries);
        let bytes = (columns * height) as u32;
        let (mut seen, mut beyond) = (0, 0);
        // Without an early return, so that vectors can do it.
        for list in lists {
            for &entry in list {
                seen |= entry;
                // Negative if the column is the last one or before: a panel
                // has less than 2^31 bytes.
                beyond |= !entry.wrapping_sub(bytes);
            }
        }
        ((seen | beyond) >> 31 == 0 && (seen as usize).is_multiple_of(height)).then_some(lists)
    }

    /// Entries of a list, without its end.
    #[must_use]
    pub fn entries(list: &[u32]) -> &[u32] {
        list.split_last().map_or(&[], |(_, entries)| entries)
    }

    /// Entries of both lists.
    #[must_use]
    pub fn count(&self) -> usize {
        Self::entries(self.plus).len() + Self::entries(self.minus).len()
    }
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Columns whose digit changed, if the lists fit.
    pub columns: u32,
    /// Length of the list of columns to add, its end included; 0 if the
    /// lists did not fit.
    plus: usize,
    /// Start of the list of columns to subtract.
    minus: usize,
}

impl Found {
    /// The lists in the buffer that was scanned into; `None` if they did not
    /// fit it.
    #[must_use]
    pub fn changes(self, lists: &[u32]) -> Option<Changes<'_>> {
        if self.plus == 0 {
            return None;
        }
        Some(Changes {
            plus: lists.get(..self.plus)?,
            minus: lists.get(self.minus..)?,
        })
    }
}

/// The constants of one split, repeated in every byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Masks {
    pub shift: u32,
    pub digit: u32,
    pub remainder: u32,
    pub half: u32,
}

pub(super) const ONES: u32 = 0x0101_0101;

impl Masks {
    pub const fn new(split: Split) -> Self {
        let shift = split.shift() as u32;
        Self {
            shift,
            digit: (0xff >> shift) * ONES,
            remainder: ((1 << shift) - 1) * ONES,
            half: if shift == 0 {
                0
            } else {
                (1 << (shift - 1)) * ONES
            },
        }
    }

    /// Digits, biased by `128 >> s`, of four codes biased by 128.
    #[inline(always)]
    const fn digits(self, v: u32) -> u32 {
        if self.shift == 0 {
            return v;
        }
        ((v >> self.shift) & self.digit) + ((v >> (self.shift - 1)) & ONES)
    }

    /// Remainders as signed bytes.
    #[inline(always)]
    const fn remainders(self, v: u32) -> u32 {
        let biased = ((v & self.remainder) + self.half) & self.remainder;
        subtract_bytes(biased, self.half)
    }
}

/// `a - b` byte by byte, modulo 256.
#[inline(always)]
const fn subtract_bytes(a: u32, b: u32) -> u32 {
    // Bit 7 of every byte takes no part in the subtraction, then is put right.
    const HIGH: u32 = 0x8080_8080;
    ((a | HIGH) - (b & !HIGH)) ^ ((a ^ !b) & HIGH)
}

/// The stored form of a digit of zero, in every byte of a word.
#[must_use]
pub const fn zero_digits(split: Split) -> u32 {
    (128 >> split.shift()) * ONES
}

/// Digits of stored words as signed bytes.
#[must_use]
pub const fn signed_digits(split: Split, applied: u32) -> u32 {
    if split.shift() == 0 {
        applied ^ 0x8080_8080
    } else {
        subtract_bytes(applied, zero_digits(split))
    }
}

/// Digits and remainders of four codes, as signed bytes.
#[must_use]
pub const fn cut(split: Split, codes: u32) -> (u32, u32) {
    let masks = Masks::new(split);
    if !split.signed() {
        return (
            (codes >> masks.shift) & masks.digit,
            codes & masks.remainder,
        );
    }
    let v = codes ^ 0x8080_8080;
    (signed_digits(split, masks.digits(v)), masks.remainders(v))
}

/// Compares the digits of `codes` with those `applied`, updates the latter,
/// and lists the differences in `lists`; writes the remainders to `rest`.
///
/// Codes are signed bytes, four a word, `-127..=127`; `height` is the bytes
/// of a column in a panel. `lists` is filled from both ends.
#[inline]
pub fn scan(
    split: Split,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    height: u32,
    lists: &mut [u32],
) -> Found {
    let mut lists = Lists::new(lists);
    let columns = scan_words(
        Masks::new(split),
        codes,
        applied,
        rest,
        0,
        height,
        &mut lists,
    );
    lists.finish(columns)
}

/// [`scan`] from the column at offset `base` on; returns the columns that
/// changed.
#[inline(always)]
pub(super) fn scan_words(
    masks: Masks,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    mut base: u32,
    height: u32,
    lists: &mut Lists<'_>,
) -> u32 {
    let mut columns = 0;
    for ((&code, applied), rest) in codes.iter().zip(applied).zip(rest) {
        let v = code ^ 0x8080_8080;
        let now = masks.digits(v);
        *rest = masks.remainders(v);
        let before = core::mem::replace(applied, now);
        if now != before {
            columns += lists.add(now, before, base, height);
        }
        base += 4 * height;
    }
    columns
}

/// Lists every digit that is not zero, as [`scan`] would from a state of
/// zeros: the prediction pass without its memory. `applied` are the digits
/// from word `first` of the vector on.
pub fn scan_from_zero(
    split: Split,
    applied: &[u32],
    first: u32,
    height: u32,
    lists: &mut [u32],
) -> Found {
    let zero = zero_digits(split);
    let mut lists = Lists::new(lists);
    let mut columns = 0;
    let mut base = 4 * first * height;
    for &now in applied {
        if now != zero {
            columns += lists.add(now, zero, base, height);
        }
        base += 4 * height;
    }
    lists.finish(columns)
}

/// Two lists that grow towards each other in one buffer.
pub(super) struct Lists<'l> {
    buffer: &'l mut [u32],
    plus: usize,
    minus: usize,
}

impl<'l> Lists<'l> {
    /// The last word is the end of the list of columns to subtract.
    pub fn new(buffer: &'l mut [u32]) -> Self {
        let minus = buffer.len().saturating_sub(1);
        if let Some(last) = buffer.last_mut() {
            *last = END;
        }
        Self {
            buffer,
            plus: 0,
            minus,
        }
    }

    /// Adds the columns of one word; returns how many differ.
    #[inline]
    fn add(&mut self, now: u32, before: u32, base: u32, height: u32) -> u32 {
        // Full lists are of no use: what is left is not even counted.
        if self.plus >= self.minus {
            return 0;
        }
        let (mut now, mut before) = (now, before);
        let mut offset = base;
        let mut columns = 0;
        while now != before {
            let (a, b) = (now & 0xff, before & 0xff);
            columns += u32::from(a != b);
            // A list that is full ends the repetition: the worst case, where
            // every digit moves far, then costs little more than looking.
            if a > b {
                for _ in b..a {
                    if !self.push_plus(offset) {
                        break;
                    }
                }
            } else {
                for _ in a..b {
                    if !self.push_minus(offset) {
                        break;
                    }
                }
            }
            now >>= 8;
            before >>= 8;
            offset += height;
        }
        columns
    }

    // One word stays free for the end of the list of columns to add. When the
    // lists have met, they stay as they are: `finish` sees it.

    /// Adds a column to add; false if the lists are full.
    #[inline(always)]
    pub fn push_plus(&mut self, offset: u32) -> bool {
        let room = self.plus < self.minus;
        if room {
            if let Some(entry) = self.buffer.get_mut(self.plus) {
                *entry = offset;
            }
            self.plus += 1;
        }
        room
    }

    /// Adds a column to subtract; false if the lists are full.
    #[inline(always)]
    pub fn push_minus(&mut self, offset: u32) -> bool {
        let room = self.plus < self.minus;
        if room {
            self.minus -= 1;
            if let Some(entry) = self.buffer.get_mut(self.minus) {
                *entry = offset;
            }
        }
        room
    }

    /// What is free between the lists, for kernels that write there
    /// themselves.
    #[cfg(pg_isa = "dsp")]
    pub fn gap(&mut self) -> &mut [u32] {
        self.buffer
            .get_mut(self.plus..self.minus)
            .unwrap_or(&mut [])
    }

    /// What they have written, from the front and from the back of the gap.
    #[cfg(pg_isa = "dsp")]
    pub fn close_gap(&mut self, plus: usize, minus: usize) {
        self.plus += plus;
        self.minus = self.minus.saturating_sub(minus);
    }

    pub fn finish(self, columns: u32) -> Found {
        let fits = self.plus < self.minus;
        if let (true, Some(end)) = (fits, self.buffer.get_mut(self.plus)) {
            *end = END;
        }
        Found {
            columns,
            plus: if fits { self.plus + 1 } else { 0 },
            minus: self.minus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn words(bytes: &[i8]) -> vec::Vec<u32> {
        (bytes.chunks_exact(4))
            .map(|b| u32::from_le_bytes([b[0] as u8, b[1] as u8, b[2] as u8, b[3] as u8]))
            .collect()
    }

    #[test]
    fn four_codes_at_a_time_equal_one_at_a_time() {
        for bits in 2..=8 {
            for msb in 1..=bits {
                let split = Split::new(bits, msb, true).unwrap();
                let (low, high) = split.range();
                let codes: vec::Vec<i8> = (low..=high).map(|q| q as i8).collect();
                let mut padded = codes.clone();
                padded.resize(codes.len().next_multiple_of(4), 0);
                let n = padded.len() / 4;
                let mut applied = vec![zero_digits(split); n];
                let (mut rest, mut lists) = (vec![0; n], vec![0; 40_000]);
                let found = scan(
                    split,
                    &words(&padded),
                    &mut applied,
                    &mut rest,
                    16,
                    &mut lists,
                );
                let changes = found.changes(&lists).unwrap();
                for (column, &code) in codes.iter().enumerate() {
                    let (hb, lb) = split.digits(code);
                    let stored = signed_digits(split, applied[column / 4]).to_le_bytes();
                    assert_eq!(stored[column % 4] as i8, hb, "{split:?} {code}");
                    assert_eq!(rest[column / 4].to_le_bytes()[column % 4] as i8, lb);
                    let times = |list: &[u32]| {
                        let entries = Changes::entries(list).iter();
                        entries.filter(|&&e| e == 16 * column as u32).count() as i32
                    };
                    let change = times(changes.plus) - times(changes.minus);
                    assert_eq!(change, i32::from(hb));
                }
                let again = scan_from_zero(split, &applied, 0, 16, &mut lists);
                assert_eq!(again, found);
                let none = scan(
                    split,
                    &words(&padded),
                    &mut applied,
                    &mut rest,
                    16,
                    &mut lists,
                );
                assert_eq!(none.columns, 0);
                assert_eq!(none.changes(&lists).unwrap().count(), 0);
            }
        }
    }

    #[test]
    fn lists_that_do_not_fit_say_so() {
        let split = Split::new(8, 4, true).unwrap();
        let codes = words(&[127, -127, 127, -127]);
        for room in 0..40 {
            let mut lists = vec![0; room];
            let (mut applied, mut rest) = ([zero_digits(split)], [0]);
            let found = scan(split, &codes, &mut applied, &mut rest, 16, &mut lists);
            // 8 + 8 entries each way, and two ends.
            let count = found.changes(&lists).map(|c| (c.count(), found.columns));
            assert_eq!(count, (room >= 34).then_some((32, 4)), "{room}");
        }
    }
}
