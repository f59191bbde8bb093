//! The gate: which outputs of the prediction pass get the update pass.

use crate::error::ImageError;

/// The test a prediction `z_hb` must pass for its output to be updated.
///
/// `z_hb` and thresholds are in accumulator units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GateKind {
    /// Every output is updated: plain integer arithmetic.
    Open = 0,
    /// Opens where `z_hb > t`: what a ReLU would zero stays at low precision
    /// (Zhang et al., ICLR 2020, eq. 3).
    Above = 1,
    /// Opens where `|z_hb| < t`: what a sigmoid or tanh saturates stays at
    /// low precision.
    Within = 2,
}

impl GateKind {
    /// Reads the tag of the image.
    pub(crate) const fn from_tag(tag: u8) -> Result<Self, ImageError> {
        match tag {
            0 => Ok(Self::Open),
            1 => Ok(Self::Above),
            2 => Ok(Self::Within),
            _ => Err(ImageError::UnknownGate { tag }),
        }
    }

    /// Decides one output.
    #[inline(always)]
    #[must_use]
    pub const fn opens(self, z_hb: i32, threshold: i32) -> bool {
        match self {
            Self::Open => true,
            Self::Above => z_hb > threshold,
            // unsigned_abs: i32::MIN has no i32 magnitude. A negative
            // threshold never opens, and validation refuses it.
            Self::Within => threshold > 0 && z_hb.unsigned_abs() < threshold as u32,
        }
    }
}

/// A gate with its thresholds: one per block of `block` consecutive outputs.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    pub(crate) kind: GateKind,
    pub(crate) block: usize,
    pub(crate) thresholds: &'a [i32],
}

impl<'a> Gate<'a> {
    /// A gate with one threshold, in accumulator units, per block of `block`
    /// consecutive outputs; none for [`GateKind::Open`]. An output without a
    /// threshold is open.
    #[must_use]
    pub const fn new(kind: GateKind, block: usize, thresholds: &'a [i32]) -> Self {
        Self {
            kind,
            block,
            thresholds,
        }
    }

    /// The kind of test.
    #[must_use]
    pub const fn kind(&self) -> GateKind {
        self.kind
    }

    /// Outputs that share one threshold.
    #[must_use]
    pub const fn block(&self) -> usize {
        self.block
    }

    /// Thresholds in accumulator units, one per block; empty for [`GateKind::Open`].
    #[must_use]
    pub const fn thresholds(&self) -> &'a [i32] {
        self.thresholds
    }

    /// The threshold of output `row`; none where every output opens.
    #[inline(always)]
    #[must_use]
    pub fn threshold(&self, row: usize) -> Option<i32> {
        if matches!(self.kind, GateKind::Open) {
            return None;
        }
        // A block of one is the common case: no division on cores without one.
        let index = if self.block == 1 {
            row
        } else {
            row / self.block.max(1)
        };
        self.thresholds.get(index).copied()
    }

    /// Decides output `row` by its prediction.
    #[inline(always)]
    #[must_use]
    pub fn opens(&self, row: usize, z_hb: i32) -> bool {
        match self.threshold(row) {
            Some(t) => self.kind.opens(z_hb, t),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_test_strictly() {
        assert!(!GateKind::Above.opens(5, 5));
        assert!(GateKind::Above.opens(6, 5));
        assert!(GateKind::Within.opens(-4, 5));
        assert!(!GateKind::Within.opens(-5, 5));
        assert!(!GateKind::Within.opens(0, 0));
        assert!(!GateKind::Within.opens(i32::MIN, i32::MAX));
        assert!(GateKind::Open.opens(i32::MIN, i32::MAX));
    }

    #[test]
    fn blocks_share_a_threshold() {
        let gate = Gate {
            kind: GateKind::Above,
            block: 2,
            thresholds: &[0, 10],
        };
        let open: [bool; 4] = core::array::from_fn(|row| gate.opens(row, 5));
        assert_eq!(open, [true, true, false, false]);
    }
}
