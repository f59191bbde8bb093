//! What the loader checks of an LSTM beside the ranges of single numbers.

use super::Lstm;
use crate::error::LayerField;
use crate::gate::GateKind;

impl Lstm<'_> {
    /// Looks at every weight: padding is zero, copies agree, the stated
    /// `row_sum` is the largest, and a layer with panels is narrow.
    pub(crate) fn validate(&self) -> Result<(), LayerField> {
        let shift = self.split.shift();
        let panels = self.weights.has_panels();
        if panels && self.pre != shift {
            return Err(LayerField::Requant);
        }
        // A gate without panels starts open rows from the whole codes again.
        if !panels && !self.weights.has_rows() {
            return Err(LayerField::Layout);
        }
        let mut narrow = true;
        let largest = self.weights.validate(|row, sum| {
            let Some(&bias) = self.bias.get(row) else {
                return;
            };
            // Below 2^7 * 2^21 and 2^29.
            let prediction = self.split.largest_digit() * sum + (bias >> shift).unsigned_abs();
            narrow &=
                prediction <= i16::MAX as u32 >> self.lift && (bias >> shift) << shift == bias;
        });
        if largest != Some(self.row_sum) {
            return Err(LayerField::Weight);
        }
        if panels && !narrow {
            return Err(LayerField::Bound);
        }
        let thresholds = self.gate.thresholds.iter();
        if self.gate.kind == GateKind::Within && thresholds.clone().any(|&t| t < 0) {
            return Err(LayerField::Threshold);
        }
        Ok(())
    }
}
