//! The digits of a vector, prepared for dot products.

use crate::arena::take;
use crate::kernels::{Kernels, Plane, Selected, add_sums, changes};
use crate::layout::{Target, WeightBits};
use crate::quant::Split;

const TARGET: Target = Selected::TARGET;

/// Signed bytes of any magnitude as one plane of digits, or two where a lane
/// of the kernels does not hold them.
pub(crate) struct Operand<'s> {
    bits: WeightBits,
    columns: usize,
    chunk: usize,
    /// Shift of the second plane's digits over the first's; 0 if there is one.
    shift: u8,
    planes: [&'s mut [u32]; 2],
    spare: &'s mut [u32],
}

/// Sums formed at a time where two planes are added: a multiple of the rows
/// that kernels take together.
const BLOCK: usize = 48;
/// How bytes beyond [`Target::plane_max`] are cut.
const HALVES: Split = match Split::new(8, 4, true) {
    Some(split) => split,
    None => panic!("8 bits have two halves"),
};
/// Largest magnitude of a half.
const HALF_MAX: u32 = 8;

impl<'s> Operand<'s> {
    /// Words of scratch for `columns` digits of magnitudes up to `largest`.
    pub const fn words(target: Target, bits: WeightBits, columns: usize, largest: u32) -> usize {
        let plane = target.plane_words(bits, columns);
        if largest > target.plane_max(bits) {
            2 * plane + columns / 4
        } else {
            plane
        }
    }

    /// Lays it out.
    pub fn take(words: &mut &'s mut [u32], bits: WeightBits, columns: usize, largest: u32) -> Self {
        let plane = TARGET.plane_words(bits, columns);
        let (second, spare) = if largest > TARGET.plane_max(bits) {
            (plane, columns / 4)
        } else {
            (0, 0)
        };
        Self {
            bits,
            columns,
            chunk: columns,
            shift: 0,
            planes: [take(words, plane), take(words, second)],
            spare: take(words, spare),
        }
    }

    /// Prepares `digits`, four signed bytes a word and none larger than
    /// `largest`, which is at most that of [`Self::take`], for rows with `sum |w| <= row_sum`.
    pub fn set(&mut self, digits: &[u32], largest: u32, row_sum: u32) {
        let [first, second] = &mut self.planes;
        if largest <= TARGET.plane_max(self.bits) {
            self.chunk = Selected::chunk(self.bits, largest, row_sum, self.columns);
            self.shift = 0;
            Selected::plane(self.bits, digits, self.columns, self.chunk, first);
            return;
        }
        self.chunk = Selected::chunk(self.bits, HALF_MAX, row_sum, self.columns);
        self.shift = HALVES.shift();
        for (half, plane) in [first, second].into_iter().enumerate() {
            for (out, &word) in self.spare.iter_mut().zip(digits) {
                let halves = changes::cut(HALVES, word);
                *out = if half == 0 { halves.1 } else { halves.0 };
            }
            Selected::plane(self.bits, self.spare, self.columns, self.chunk, plane);
        }
    }

    /// Adds the dot products of the listed rows to their values: see
    /// [`Kernels::update`].
    pub fn update(&self, rows: &[u32], list: &[u16], shift: u8, values: &mut [i16]) {
        if self.shift == 0 {
            let plane = Plane {
                words: self.planes[0],
                columns: self.columns,
                chunk: self.chunk,
                bits: self.bits,
            };
            Selected::update(rows, &plane, list, shift, values);
            return;
        }
        let mut sums = [0; BLOCK];
        for list in list.chunks(BLOCK) {
            self.dots(rows, list, &mut sums);
            add_sums(list, &sums, shift, values);
        }
    }

    /// Dot products of the listed rows; `sums[i]` belongs to `list[i]`.
    pub fn dots(&self, rows: &[u32], list: &[u16], sums: &mut [i32]) {
        let plane = |words| Plane {
            words,
            columns: self.columns,
            chunk: self.chunk,
            bits: self.bits,
        };
        let [first, second] = &self.planes;
        Selected::dots(rows, &plane(first), list, sums);
        if self.shift == 0 {
            return;
        }
        for (list, sums) in list.chunks(BLOCK).zip(sums.chunks_mut(BLOCK)) {
            let mut upper = [0; BLOCK];
            Selected::dots(rows, &plane(second), list, &mut upper);
            for (sum, upper) in sums.iter_mut().zip(upper) {
                *sum += upper << self.shift;
            }
        }
    }
}
