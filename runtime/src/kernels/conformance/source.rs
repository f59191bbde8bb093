//! Where the numbers of a case come from.

use crate::layout::WeightBits;

/// A xorshift generator: 32-bit arithmetic only, for the smallest cores.
pub struct Source(u32);

impl Source {
    pub fn new(seed: u32) -> Self {
        // Neighbouring seeds far apart, and never the fixed point zero.
        let mut source = Self(seed.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995);
        if source.0 == 0 {
            source.0 = 1;
        }
        source.next();
        source.next();
        source
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below `limit`, which is at most 2^16.
    pub fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 16) as usize * limit) >> 16
    }

    pub fn i16(&mut self) -> i16 {
        (self.next() >> 16) as i16
    }

    /// A number up to `largest` in magnitude, often an extreme or zero.
    pub fn digit(&mut self, largest: u8) -> i8 {
        let largest = i32::from(largest.min(127));
        let value = match self.below(8) {
            0 => largest,
            1 => -largest,
            2 => 0,
            _ => self.below(2 * largest as usize + 1) as i32 - largest,
        };
        value as i8
    }

    /// Fills a slice with digits: of all kinds, or all of them the largest or
    /// the smallest.
    pub fn fill(&mut self, digits: &mut [i8], largest: u8) {
        let extreme = largest.min(127) as i8;
        match self.below(5) {
            0 => digits.fill(extreme),
            1 => digits.fill(-extreme),
            _ => digits.fill_with(|| self.digit(largest)),
        }
    }

    /// The width of a case's weights.
    pub fn weight_bits(&mut self) -> WeightBits {
        if cfg!(feature = "weights4") && self.below(2) == 0 {
            WeightBits::Four
        } else {
            WeightBits::Eight
        }
    }

    /// Rows and columns of a matrix for which `words` stays within `room`.
    pub fn shape(&mut self, room: usize, words: impl Fn(usize, usize) -> usize) -> (usize, usize) {
        let rows = 1 + self.below(140);
        // Few long rows, too: that is where sums are folded.
        let columns = 1 + if self.below(8) == 0 {
            self.below(2000)
        } else {
            self.below(90)
        };
        let (mut rows, mut columns) = (rows, columns);
        while words(rows, columns) > room && rows > 1 {
            rows = rows.div_ceil(2);
        }
        while words(rows, columns) > room && columns > 1 {
            columns = columns.div_ceil(2);
        }
        (rows, columns)
    }
}
