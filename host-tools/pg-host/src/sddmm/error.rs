//! Why operands are refused.

use thiserror::Error;

/// Why operands were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SddmmError {
    /// The weights are not rows of as many numbers as a patch has.
    #[error("{given} weights are not rows of {columns}")]
    Weights {
        /// Numbers given.
        given: usize,
        /// Numbers of a patch.
        columns: usize,
    },
    /// The numbers end before the last patch does.
    #[error("the patches need {needed} numbers, {given} were given")]
    Patches {
        /// Numbers needed.
        needed: usize,
        /// Numbers given.
        given: usize,
    },
    /// A digit whose products with two weights do not fit 16 bits.
    #[error("a digit of {largest}, the most is 127")]
    Digit {
        /// The largest digit.
        largest: u8,
    },
    /// The operands give another matrix than the mask is for.
    #[error("operands of {operands:?} rows and columns for a mask of {mask:?}")]
    Mask {
        /// Rows of weights and patches.
        operands: [usize; 2],
        /// Rows and columns of the mask.
        mask: [usize; 2],
    },
    /// The output and the mask are not of the same size.
    #[error("{given} outputs for a mask of {rows} x {columns}")]
    Output {
        /// Numbers given.
        given: usize,
        /// Rows of the mask.
        rows: usize,
        /// Columns of the mask.
        columns: usize,
    },
}
