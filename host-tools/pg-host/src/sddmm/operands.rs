//! What is multiplied.

use super::element::{Element, Fold};
use super::{Plan, SddmmError};

/// Bytes of the map that a tile of patches lies in. With them rows of weights and
/// outputs pass through a first cache of 32 KiB.
const TILE_BYTES: usize = 28 << 10;

/// Weights and inputs that fit each other.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'o, E: Element> {
    pub(super) weights: &'o [E::Weight],
    pub(super) inputs: &'o [E],
    pub(super) plan: &'o Plan,
    pub(super) rows: usize,
    /// Columns whose patches stay in the cache while all rows pass over them.
    pub(super) tile: usize,
    pub(super) fold: Fold,
}

impl<'o, E: Element> Operands<'o, E> {
    /// `weights`: for every row of the mask as many as a patch has. `inputs`: the
    /// numbers that the patches of `plan` lie in, fastest where patches start at a
    /// line of the cache. Digits are at most 127; they are read once here, to see
    /// how large the largest is.
    ///
    /// # Errors
    ///
    /// If weights are missing or too many, or inputs are missing, or a digit is too
    /// large.
    pub fn new(
        weights: &'o [E::Weight],
        inputs: &'o [E],
        plan: &'o Plan,
    ) -> Result<Self, SddmmError> {
        let (columns, given) = (plan.patches.columns(), weights.len());
        if columns == 0 || !given.is_multiple_of(columns) {
            return Err(SddmmError::Weights { given, columns });
        }
        let (needed, given) = (plan.needed, inputs.len());
        if given < needed {
            return Err(SddmmError::Patches { needed, given });
        }
        Ok(Self {
            weights,
            inputs,
            plan,
            rows: weights.len() / columns,
            tile: plan.tile(TILE_BYTES / size_of::<E>()),
            fold: E::fold(weights, inputs, &plan.patches)?,
        })
    }

    /// Rows and columns of the product.
    #[must_use]
    pub const fn shape(&self) -> [usize; 2] {
        [self.rows, self.plan.count()]
    }
}
