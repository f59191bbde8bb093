//! From weights to stored words, and back.

use super::{Target, WeightBits};
use zerocopy::IntoBytes;

impl Target {
    /// Byte of a panel that holds an 8-bit weight.
    pub(super) const fn panel_index(self, row: usize, column: usize, columns: usize) -> usize {
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

    pub(super) const fn encode_byte(self, weight: i8) -> u8 {
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
                    for column in 0..8 * stored {
                        let weight = row.get(column).copied().unwrap_or(0);
                        Nibble::of_row(self, column).write(bytes, weight);
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
            WeightBits::Four => OFFSET | (OFFSET << 4),
        });
        for (row, weights) in weights.chunks_exact(columns.max(1)).enumerate() {
            for (column, &weight) in weights.iter().enumerate() {
                match bits {
                    WeightBits::Eight => {
                        let index = self.panel_index(row, column, columns);
                        if let Some(byte) = bytes.get_mut(index) {
                            *byte = self.encode_byte(weight);
                        }
                    }
                    WeightBits::Four => {
                        Nibble::of_panel(self, row, column, columns).write(bytes, weight);
                    }
                }
            }
        }
    }
}

/// Where a 4-bit weight is stored.
#[derive(Clone, Copy)]
pub(super) struct Nibble {
    byte: usize,
    shift: u32,
    /// What is added to the weight.
    offset: u8,
}

/// What is added to most 4-bit weights.
const OFFSET: u8 = 8;

impl Nibble {
    /// In a panel.
    pub const fn of_panel(target: Target, row: usize, column: usize, columns: usize) -> Self {
        let (height, rows) = (target.panel(), target.panel_rows(WeightBits::Four));
        let (panel, lane) = (row / rows, row % rows);
        // How far apart the rows of a byte are.
        let apart = match target {
            Target::Swar | Target::Dsp => 4,
            Target::Simd => 32,
        };
        let (group, lane) = (lane / (2 * apart), lane % (2 * apart));
        let byte = match target {
            // Bits 0 and 1 exchanged, as with eight bits.
            Target::Dsp => ((lane & 1) << 1) | ((lane >> 1) & 1),
            Target::Swar | Target::Simd => lane % apart,
        };
        Self {
            byte: (panel * columns + column) * height + group * apart + byte,
            shift: 4 * (lane / apart) as u32,
            offset: OFFSET,
        }
    }

    /// In rows, by the column counted from the first row's start.
    pub const fn of_row(target: Target, column: usize) -> Self {
        match target {
            Target::Swar | Target::Dsp => {
                // The digits of the columns 0 and 2 are the even bytes of a word.
                let byte = (column & 2) | ((column >> 2) & 1);
                let upper = column & 1;
                // Such a lane is a signed number to the kernels.
                let signed = matches!(target, Target::Dsp) && byte & upper == 1;
                Self {
                    byte: column / 8 * 4 + byte,
                    shift: 4 * upper as u32,
                    offset: if signed { 0 } else { OFFSET },
                }
            }
            Target::Simd => Self {
                byte: column / 64 * 32 + column % 32,
                shift: 4 * (column / 32 % 2) as u32,
                offset: OFFSET,
            },
        }
    }

    fn write(self, bytes: &mut [u8], weight: i8) {
        if let Some(byte) = bytes.get_mut(self.byte) {
            let nibble = (weight as u8).wrapping_add(self.offset) & 0xf;
            *byte = (*byte & !(0xf << self.shift)) | (nibble << self.shift);
        }
    }

    /// The weight, -8 to 7; zero beyond the words.
    pub fn read(self, words: &[u32]) -> i8 {
        words.get(self.byte / 4).map_or(0, |word| {
            let byte = word.to_le_bytes()[self.byte % 4];
            let nibble = (byte >> self.shift).wrapping_sub(self.offset);
            // The sign of four bits.
            ((nibble << 4) as i8) >> 4
        })
    }
}
