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
//! **4-bit weights** are stored as `w + 8`, two a byte. A column of a panel has
//! as many bytes for either width, so that a list of changed columns
//! ([`crate::kernels::Changes`]) serves both, and twice as many rows:
//!
//! | target | byte b of eight rows or more of a column | byte b of eight columns or more of a row |
//! |---|---|---|
//! | [`Target::Swar`] | rows b and b + 4 of each eight | columns 0 and 1, 4 and 5, 2 and 3, 6 and 7 |
//! | [`Target::Dsp`] | the same, b = 0, 2, 1, 3 | the same; the columns 5 and 7 as two's complement |
//! | [`Target::Simd`] | rows b and b + 32 of each 64 | columns b and b + 32 of each 64 |
//!
//! The first of the two is the lower half. A register of packed weights so gives
//! two of unpacked ones by a mask, and by a shift and a mask; in a row, a 16-bit
//! lane has the columns whose digits share a register.
//!
//! The exporter writes through the same functions that the loader reads with.

mod bits;
mod encode;
mod matrix;
#[cfg(test)]
mod tests;

pub(crate) use bits::ImageWeights;
pub use bits::WeightBits;
pub(crate) use matrix::ImageTarget;
pub use matrix::Matrix;

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

    /// Bytes of a column in a panel, which are its rows where weights have
    /// eight bits.
    #[must_use]
    pub const fn panel(self) -> usize {
        match self {
            Self::Swar | Self::Dsp => 16,
            Self::Simd => 64,
        }
    }

    /// Rows of a panel.
    #[must_use]
    pub const fn panel_rows(self, bits: WeightBits) -> usize {
        match bits {
            WeightBits::Eight => self.panel(),
            WeightBits::Four => 2 * self.panel(),
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

    /// Largest magnitude of a digit in a plane ([`crate::kernels::Plane`]).
    #[must_use]
    pub const fn plane_max(self, bits: WeightBits) -> u32 {
        match (self, bits) {
            (Self::Swar, WeightBits::Eight) => 32,
            // Small weights leave room for whole codes.
            (Self::Swar, WeightBits::Four) | (Self::Dsp | Self::Simd, _) => 128,
        }
    }

    /// Words of a plane of `columns` digits, `columns` being a result of
    /// [`Self::row_columns`].
    #[must_use]
    pub const fn plane_words(self, bits: WeightBits, columns: usize) -> usize {
        match (self, bits) {
            // Two words for four digits, and one a chunk of at least eight.
            (Self::Swar, WeightBits::Eight) => columns / 2 + columns.div_ceil(8),
            // As many, and one a chunk of at least 32.
            (Self::Swar, WeightBits::Four) => columns / 2 + columns.div_ceil(32),
            (Self::Dsp, WeightBits::Eight) => columns / 2,
            (Self::Dsp, WeightBits::Four) => columns / 2 + 1,
            // Two halves of the digits, and a vector for each before every
            // 512 columns; whole digits with one before every 64 need less.
            (Self::Simd, WeightBits::Eight) => columns / 2 + 16 * columns.div_ceil(512),
            // The digits, and a vector before every 512 or more of them.
            (Self::Simd, WeightBits::Four) => columns / 4 + 8 * columns.div_ceil(512),
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
        rows.next_multiple_of(self.panel_rows(bits)) * columns / bits.per_word()
    }
}
