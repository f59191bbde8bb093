//! How many bits a stored weight has.

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
