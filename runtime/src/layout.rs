//! How weights lie in memory: one arrangement per family of cores.
//!
//! A matrix of R rows and K columns is kept as **rows**, for dot products,
//! and, where the prediction pass applies single columns, as **panels**:
//! groups of [`Target::panel`] rows, column after column, so that one changed
//! digit touches consecutive bytes. Both hold the same numbers; what differs
//! between families is their order and encoding, chosen so that the inner
//! loop needs no instruction to rearrange them:
//!
//! | target | cores | panel byte | row |
//! |---|---|---|---|
//! | [`Target::Swar`] | any; Cortex-M0/M0+/M3, RV32 | `w + 128` | `w + 128`, padded to 8 columns |
//! | [`Target::Dsp`] | Cortex-M4/M7, Cortex-M33 with DSP | `w`, rows 0, 2, 1, 3 of each four | pairs `w0 + 256 * w1`, padded to 8 |
//! | [`Target::Simd`] | x86-64, aarch64 | `w + 128`, rows 0, 16, 1, 17, ... of each 32 | `w + 128`, padded to 32 |
//!
//! **4-bit weights** are stored as `w + 8`, two a byte, in the order of the
//! 8-bit bytes: of every group of G bytes ([`Target::group`]) and the G after
//! it, one byte holds both, the former below. A register of packed weights then
//! gives two of unpacked ones by a mask, and by a shift and a mask.
//!
//! The exporter writes through the same functions that the loader reads with.

#[cfg(not(feature = "tools"))]
use crate::kernels::{Kernels, Selected};
use zerocopy::IntoBytes;

/// Bits of a stored weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum WeightBits {
    /// -7 to 7, two a byte.
    Four = 4,
    /// -127 to 127.
    #[default]
    Eight = 8,
}

impl WeightBits {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Eight, Self::Four];

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self as u8
    }

    /// Largest magnitude of a weight.
    #[must_use]
    pub const fn max(self) -> u32 {
        match self {
            Self::Four => 7,
            Self::Eight => 127,
        }
    }

    /// Weights in a word.
    #[must_use]
    pub const fn per_word(self) -> usize {
        match self {
            Self::Four => 8,
            Self::Eight => 4,
        }
    }
}

/// The family of cores an image's weights are laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u16)]
pub enum Target {
    /// Any core; four weights share a 32-bit register.
    Swar = 0,
    /// Armv7E-M and Armv8-M with the DSP extension: two 16-bit lanes.
    Dsp = 1,
    /// 64-bit hosts with vector registers.
    Simd = 2,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 3] = [Self::Swar, Self::Dsp, Self::Simd];

    /// The target of an image's tag.
    #[must_use]
    pub const fn from_tag(tag: u16) -> Option<Self> {
        match tag {
            0 => Some(Self::Swar),
            1 => Some(Self::Dsp),
            2 => Some(Self::Simd),
            _ => None,
        }
    }

    /// Name, as `pg-host` takes and prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swar => "swar",
            Self::Dsp => "dsp",
            Self::Simd => "simd",
        }
    }

    /// The target of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Rows of a panel.
    #[must_use]
    pub const fn panel(self) -> usize {
        match self {
            Self::Swar | Self::Dsp => 16,
            Self::Simd => 64,
        }
    }

    /// Columns of a stored row: `columns` rounded up, the rest zero weights.
    #[must_use]
    pub const fn row_columns(self, bits: WeightBits, columns: usize) -> usize {
        columns.next_multiple_of(match (self, bits) {
            (Self::Swar | Self::Dsp, _) => 8,
            (Self::Simd, WeightBits::Eight) => 32,
            (Self::Simd, WeightBits::Four) => 64,
        })
    }

    /// Bytes of 8-bit weights that become the lower or the upper halves of as
    /// many bytes of 4-bit weights: those of a register.
    #[must_use]
    pub const fn group(self) -> usize {
        match self {
            Self::Swar | Self::Dsp => 4,
            Self::Simd => 32,
        }
    }

    /// Byte and shift of a 4-bit weight, by the place it would have among
    /// 8-bit ones.
    const fn nibble(self, index: usize) -> (usize, u32) {
        let group = self.group();
        let place = index % (2 * group);
        let byte = index / (2 * group) * group + place % group;
        (byte, if place < group { 0 } else { 4 })
    }

    /// Largest magnitude of a digit in a plane ([`crate::kernels::Plane`]).
    #[must_use]
    pub const fn plane_max(self) -> u32 {
        match self {
            Self::Swar => 32,
            Self::Dsp | Self::Simd => 128,
        }
    }

    /// Words of a plane of `columns` digits, `columns` being a result of
    /// [`Self::row_columns`].
    #[must_use]
    pub const fn plane_words(self, bits: WeightBits, columns: usize) -> usize {
        match self {
            // Two words for four digits, and one a chunk of at least eight.
            Self::Swar => columns / 2 + columns.div_ceil(8),
            Self::Dsp => match bits {
                WeightBits::Eight => columns / 2,
                WeightBits::Four => columns / 2 + 1,
            },
            // Two halves of the digits, and a vector for each before every
            // 512 columns; whole digits with one before every 64 need less.
            Self::Simd => columns / 2 + 16 * columns.div_ceil(512),
        }
    }

    /// What a changed column costs over what a column costs in a dense pass
    /// over all rows, in sixteenths. With more than `16 * columns /
    /// entry_cost` entries in the lists of changes, the dense pass is cheaper.
    #[must_use]
    pub const fn entry_cost(self) -> usize {
        match self {
            Self::Swar => 11,
            Self::Dsp => 12,
            Self::Simd => 14,
        }
    }

    /// What weights start at a multiple of, in bytes from the start of the
    /// image: a vector, or a line of the cache, is then not split in two where
    /// the image itself starts at such a multiple.
    #[must_use]
    pub const fn alignment(self) -> usize {
        match self {
            Self::Swar | Self::Dsp => 16,
            Self::Simd => 64,
        }
    }

    /// Words of a matrix kept as rows.
    #[must_use]
    pub const fn row_words(self, bits: WeightBits, rows: usize, columns: usize) -> usize {
        rows * self.row_columns(bits, columns) / bits.per_word()
    }

    /// Words of a matrix kept as panels.
    #[must_use]
    pub const fn panel_words(self, bits: WeightBits, rows: usize, columns: usize) -> usize {
        rows.next_multiple_of(self.panel()) * columns / bits.per_word()
    }

    /// Byte of a panel that holds an 8-bit weight.
    const fn panel_index(self, row: usize, column: usize, columns: usize) -> usize {
        let height = self.panel();
        let (panel, lane) = (row / height, row % height);
        let lane = match self {
            // Bits 0 and 1 exchanged.
            Self::Dsp => (lane & !3) | ((lane & 1) << 1) | ((lane >> 1) & 1),
            // Rows j and j + 16 share a 16-bit lane: the sums of the lower and
            // of the upper bytes are then rows in their natural order.
            Self::Simd => (lane & !31) | ((lane & 15) << 1) | ((lane >> 4) & 1),
            Self::Swar => lane,
        };
        (panel * columns + column) * height + lane
    }

    const fn encode_byte(self, weight: i8) -> u8 {
        match self {
            Self::Swar | Self::Simd => (weight as u8) ^ 0x80,
            Self::Dsp => weight as u8,
        }
    }

    /// Four weights of a row as its stored word.
    #[must_use]
    pub const fn encode_row_word(self, weights: [i8; 4]) -> u32 {
        match self {
            Self::Swar | Self::Simd => {
                u32::from_le_bytes([
                    weights[0] as u8,
                    weights[1] as u8,
                    weights[2] as u8,
                    weights[3] as u8,
                ]) ^ 0x8080_8080
            }
            Self::Dsp => {
                let low = (weights[0] as i32 + 256 * weights[1] as i32) as u16;
                let high = (weights[2] as i32 + 256 * weights[3] as i32) as u16;
                low as u32 | ((high as u32) << 16)
            }
        }
    }

    /// The four weights of a stored word of a row.
    #[must_use]
    pub const fn decode_row_word(self, word: u32) -> [i8; 4] {
        let word = match self {
            Self::Swar | Self::Simd => word ^ 0x8080_8080,
            // The odd weights were lowered by the sign of the even ones.
            Self::Dsp => {
                let low = (word as u16).wrapping_add(((word as u16) & 0x80) << 1);
                let high = (word >> 16) as u16;
                let high = high.wrapping_add((high & 0x80) << 1);
                low as u32 | ((high as u32) << 16)
            }
        };
        let b = word.to_le_bytes();
        [b[0] as i8, b[1] as i8, b[2] as i8, b[3] as i8]
    }

    /// Stores a row-major matrix as rows. `words` has [`Self::row_words`]
    /// words; rows or words too many are left alone.
    pub fn encode_rows(self, bits: WeightBits, weights: &[i8], columns: usize, words: &mut [u32]) {
        let stored = self.row_columns(bits, columns) / bits.per_word();
        let rows = weights.chunks_exact(columns.max(1));
        for (row, out) in rows.zip(words.chunks_exact_mut(stored.max(1))) {
            match bits {
                WeightBits::Eight => {
                    for (index, word) in out.iter_mut().enumerate() {
                        let at = |k: usize| row.get(4 * index + k).copied().unwrap_or(0);
                        *word = self.encode_row_word([at(0), at(1), at(2), at(3)]);
                    }
                }
                WeightBits::Four => {
                    let bytes = out.as_mut_bytes();
                    bytes.fill(ZERO_NIBBLES);
                    for (column, &weight) in row.iter().enumerate() {
                        self.put_nibble(bytes, column, weight);
                    }
                }
            }
        }
    }

    /// Stores a row-major matrix as panels. `bytes` has four times
    /// [`Self::panel_words`] bytes; what does not fit is left out.
    pub fn encode_panels(self, bits: WeightBits, weights: &[i8], columns: usize, bytes: &mut [u8]) {
        bytes.fill(match bits {
            WeightBits::Eight => self.encode_byte(0),
            WeightBits::Four => ZERO_NIBBLES,
        });
        for (row, weights) in weights.chunks_exact(columns.max(1)).enumerate() {
            for (column, &weight) in weights.iter().enumerate() {
                let index = self.panel_index(row, column, columns);
                match bits {
                    WeightBits::Eight => {
                        if let Some(byte) = bytes.get_mut(index) {
                            *byte = self.encode_byte(weight);
                        }
                    }
                    WeightBits::Four => self.put_nibble(bytes, index, weight),
                }
            }
        }
    }

    /// Stores a 4-bit weight where an 8-bit one would be at `index`.
    fn put_nibble(self, bytes: &mut [u8], index: usize, weight: i8) {
        let (byte, shift) = self.nibble(index);
        if let Some(byte) = bytes.get_mut(byte) {
            *byte = (*byte & !(0xf << shift)) | ((weight.wrapping_add(8) as u8 & 0xf) << shift);
        }
    }

    /// The 4-bit weight where an 8-bit one would be at `index`.
    fn nibble_at(self, words: &[u32], index: usize) -> Option<i8> {
        let (byte, shift) = self.nibble(index);
        let byte = words.get(byte / 4)?.to_le_bytes()[byte % 4];
        Some(((byte >> shift) & 0xf) as i8 - 8)
    }
}

/// Two weights of zero.
const ZERO_NIBBLES: u8 = 0x88;

/// The target of a loaded image.
///
/// A device loads images of its own target only, and the compiler knows it:
/// nothing of the other layouts stays in its flash. Host tools read them all
/// (feature `tools`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageTarget {
    #[cfg(feature = "tools")]
    target: Target,
}

impl ImageTarget {
    /// `None` where this build cannot read the target's layout.
    #[cfg(feature = "tools")]
    pub const fn new(target: Target) -> Option<Self> {
        Some(Self { target })
    }

    /// `None` where this build cannot read the target's layout.
    #[cfg(not(feature = "tools"))]
    pub const fn new(target: Target) -> Option<Self> {
        if target as u16 == Selected::TARGET as u16 {
            Some(Self {})
        } else {
            None
        }
    }

    #[cfg(feature = "tools")]
    #[inline(always)]
    pub const fn get(self) -> Target {
        self.target
    }

    #[cfg(not(feature = "tools"))]
    #[inline(always)]
    pub const fn get(self) -> Target {
        Selected::TARGET
    }
}

/// The weight bits of a loaded matrix. Without the feature `weights4` there is
/// one choice, which the compiler knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageWeights {
    #[cfg(feature = "weights4")]
    bits: WeightBits,
}

impl ImageWeights {
    /// `None` where this build cannot read such weights.
    #[cfg(feature = "weights4")]
    pub const fn new(bits: WeightBits) -> Option<Self> {
        Some(Self { bits })
    }

    /// `None` where this build cannot read such weights.
    #[cfg(not(feature = "weights4"))]
    pub const fn new(bits: WeightBits) -> Option<Self> {
        match bits {
            WeightBits::Eight => Some(Self {}),
            WeightBits::Four => None,
        }
    }

    #[cfg(feature = "weights4")]
    #[inline(always)]
    pub const fn get(self) -> WeightBits {
        self.bits
    }

    #[cfg(not(feature = "weights4"))]
    #[inline(always)]
    pub const fn get(self) -> WeightBits {
        WeightBits::Eight
    }
}

/// A matrix as stored in an image, readable weight by weight.
///
/// Reading is slow; kernels take the words as they are.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(crate) target: ImageTarget,
    pub(crate) bits: ImageWeights,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) panel_words: Option<&'a [u32]>,
    pub(crate) row_words: Option<&'a [u32]>,
}

impl<'a> Matrix<'a> {
    /// A matrix outside an image, of [`Target::panel_words`] and
    /// [`Target::row_words`] words; at least one of both copies.
    ///
    /// `None` where a copy is shorter, where there is neither, or where this
    /// build reads no such layout.
    #[must_use]
    pub fn from_words(
        target: Target,
        bits: WeightBits,
        rows: usize,
        columns: usize,
        panel_words: Option<&'a [u32]>,
        row_words: Option<&'a [u32]>,
    ) -> Option<Self> {
        let fits = |words: Option<&[u32]>, needed| words.is_none_or(|w| w.len() >= needed);
        let sound = (panel_words.is_some() || row_words.is_some())
            && fits(panel_words, target.panel_words(bits, rows, columns))
            && fits(row_words, target.row_words(bits, rows, columns));
        sound.then_some(Self {
            target: ImageTarget::new(target)?,
            bits: ImageWeights::new(bits)?,
            rows,
            columns,
            panel_words,
            row_words,
        })
    }

    /// The target the matrix is laid out for.
    #[inline(always)]
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target.get()
    }

    /// Bits of a stored weight.
    #[inline(always)]
    #[must_use]
    pub const fn bits(&self) -> WeightBits {
        self.bits.get()
    }

    /// Columns of a stored row: [`Target::row_columns`].
    #[inline(always)]
    #[must_use]
    pub const fn row_columns(&self) -> usize {
        self.target().row_columns(self.bits(), self.columns)
    }

    /// Rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the matrix is kept as panels.
    #[must_use]
    pub const fn has_panels(&self) -> bool {
        self.panel_words.is_some()
    }

    /// Whether the matrix is kept as rows.
    #[must_use]
    pub const fn has_rows(&self) -> bool {
        self.row_words.is_some()
    }

    /// Bytes in the image, all copies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = |w: Option<&[u32]>| w.map_or(0, |w| w.len());
        4 * (words(self.panel_words) + words(self.row_words))
    }

    /// Weight of `row` and `column`; zero outside the matrix.
    #[must_use]
    pub fn weight(&self, row: usize, column: usize) -> i8 {
        if row >= self.rows || column >= self.columns {
            return 0;
        }
        match self.row_words {
            Some(_) => self.row_weight(row, column),
            None => self.panel_weight(row, column),
        }
    }

    pub(crate) fn row_weight(&self, row: usize, column: usize) -> i8 {
        let index = row * self.row_columns() + column;
        let words = self.row_words.unwrap_or(&[]);
        match self.bits() {
            WeightBits::Eight => {
                (words.get(index / 4)).map_or(0, |&w| self.target().decode_row_word(w)[index % 4])
            }
            WeightBits::Four => self.target().nibble_at(words, index).unwrap_or(0),
        }
    }

    pub(crate) fn panel_weight(&self, row: usize, column: usize) -> i8 {
        let index = self.target().panel_index(row, column, self.columns);
        let words = self.panel_words.unwrap_or(&[]);
        match self.bits() {
            WeightBits::Eight => words.get(index / 4).map_or(0, |w| {
                self.target().encode_byte(w.to_le_bytes()[index % 4] as i8) as i8
            }),
            WeightBits::Four => self.target().nibble_at(words, index).unwrap_or(0),
        }
    }

    /// Checks every stored number: no weight is -128 or, of 4 bits, -8, padding is zero, both
    /// copies agree. `each` is told every row and its `sum |w|`; the largest
    /// of them is returned, `None` if something is wrong.
    pub(crate) fn validate(&self, mut each: impl FnMut(usize, u32)) -> Option<u32> {
        let mut largest = 0;
        for row in 0..self.rows.next_multiple_of(self.target().panel()) {
            let mut sum = 0;
            for column in 0..self.row_columns() {
                let inside = row < self.rows && column < self.columns;
                let w = if row < self.rows && self.has_rows() {
                    self.row_weight(row, column)
                } else {
                    self.weight(row, column)
                };
                let panel_agrees = !self.has_panels()
                    || column >= self.columns
                    || self.panel_weight(row, column) == if inside { w } else { 0 };
                if u32::from(w.unsigned_abs()) > self.bits().max()
                    || (!inside && w != 0)
                    || !panel_agrees
                {
                    return None;
                }
                sum += u32::from(w.unsigned_abs());
            }
            each(row, sum);
            largest = largest.max(sum);
        }
        Some(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    #[test]
    fn every_pair_of_weights_survives_the_row_encoding() {
        for target in Target::ALL {
            for a in -127..=127i8 {
                for b in [-127, -1, 0, 1, 127] {
                    for w in [[a, b, 0, 0], [b, a, a, b], [0, 0, a, b], [a, a, a, a]] {
                        assert_eq!(target.decode_row_word(target.encode_row_word(w)), w);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn matrices_read_back(
            (rows, columns, weights) in (1usize..70, 1usize..30).prop_flat_map(|(r, c)| {
                (Just(r), Just(c), proptest::collection::vec(-127i8..=127, r * c))
            })
        ) {
            let kinds = Target::ALL.into_iter().flat_map(|t| WeightBits::ALL.map(|b| (t, b)));
            for (target, bits) in kinds {
                let (Some(stored), Some(kept)) = (ImageTarget::new(target), ImageWeights::new(bits))
                else {
                    continue
                };
                let scale = 127 / bits.max() as i8;
                let weights: Vec<i8> = weights.iter().map(|w| w / scale).collect();
                let mut row_words = vec![0; target.row_words(bits, rows, columns)];
                let mut panel_words = vec![0u32; target.panel_words(bits, rows, columns)];
                target.encode_rows(bits, &weights, columns, &mut row_words);
                target.encode_panels(bits, &weights, columns, panel_words.as_mut_bytes());
                let m = Matrix {
                    target: stored,
                    bits: kept,
                    rows,
                    columns,
                    panel_words: Some(&panel_words),
                    row_words: Some(&row_words),
                };
                for (index, &w) in weights.iter().enumerate() {
                    prop_assert_eq!(m.row_weight(index / columns, index % columns), w);
                    prop_assert_eq!(m.panel_weight(index / columns, index % columns), w);
                }
                let sums = weights.chunks_exact(columns);
                let largest = sums.map(|r| r.iter().map(|w| u32::from(w.unsigned_abs())).sum()).max();
                prop_assert_eq!(m.validate(|_, _| ()), largest);
            }
        }
    }
}
