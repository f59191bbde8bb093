//! The whole-sequence precision-gated LSTM: forward pass, hand-written
//! back-propagation through time, and its registration with Burn.
//!
//! Shapes use `B` clips, `T` frames, `I` inputs, `H` hidden units and
//! `N = 4H` rows in gate order i, f, g, o. For one frame, with activation codes
//! `q` split into `hb` and `lb` (`q = (hb << s) + lb`),
//!
//! ```text
//! z_hb = W (hb << s) + b      prediction
//! z_lb = W lb                 update
//! z    = z_hb + m * z_lb      m = 1 where |z_hb| < t ("within") or z_hb > t
//!                             ("above"), else 0;
//!                             rows of a group: 1 where it holds for any of them
//! c    = sigmoid(z_f) * c + sigmoid(z_i) * tanh(z_g)
//! h    = sigmoid(z_o) * tanh(c)      quantised: the next frame's code
//! ```
//!
//! (Zhang et al., "Precision Gating", ICLR 2020, with the gate of the paper's
//! LSTM.) Gradients: rounding and saturation pass straight through; the step
//! `m` takes the slope of `sigmoid(alpha * (t - |z_hb|))`, or of
//! `sigmoid(alpha * (z_hb - t))`, optionally only
//! where the gate is open (sparse back-propagation), and within a group only
//! for rows that decide as the group does: a row that is open because of
//! another one could not close it by its own threshold; the split passes the
//! gradient to the activation through `hb`; scales follow LSQ (Esser et al.,
//! ICLR 2020).

mod backward;
mod burn_op;
mod call;
mod forward;
mod reference;
mod weights;

pub use backward::{Grads, backward};
pub use burn_op::lstm;
pub use call::{Call, Output, Parameters, Workspace};
pub use forward::{Inputs, Stats, Tape, forward};
pub use weights::WeightView;

use crate::model::{GateGroup, GateTest, SplitKind};
use pg_runtime::quant::Split;

/// How the LSTM computes its gate pre-activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Plain floating point, no quantisation.
    Float,
    /// Quantised activations and weights, one full-precision pass.
    Uniform,
    /// Prediction pass, gate, update pass.
    Gated,
}

/// Fixed properties of the layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LstmSpec {
    /// Inputs per frame, `I`.
    pub inputs: usize,
    /// Hidden units, `H`.
    pub hidden: usize,
    /// Arithmetic of the gate pre-activations.
    pub arithmetic: Arithmetic,
    /// Bits of an activation code, 2 to 8, sign included.
    pub activation_bits: u8,
    /// Bits of the most significant digit, 1 to `activation_bits`.
    pub msb_bits: u8,
    /// Bits of a weight, 4 or 8, sign included.
    pub weight_bits: u8,
    /// How codes are cut into digits.
    pub digits: SplitKind,
    /// Which predictions get the update pass.
    pub test: GateTest,
    /// Slope of the surrogate gradient of the gate, per unit of `z`.
    pub alpha: f32,
    /// Let the gate's gradient pass only where the gate is open.
    pub sparse_backprop: bool,
    /// Rows whose gates open together. `H` is a multiple of its units.
    pub group: GateGroup,
    /// Weight of the pressure on changes of the hidden state from one frame to
    /// the next, in units of the mean absolute change; 0 switches it off.
    pub temporal: f32,
    /// Compute the gradient of the input scale.
    pub learn_input_scale: bool,
    /// Compute the gradient of the input.
    pub input_gradient: bool,
}

impl LstmSpec {
    /// Rows of the weight matrix, `N = 4H`.
    pub fn rows(&self) -> usize {
        4 * self.hidden
    }

    /// Columns of the weight matrix, `I + H`.
    pub fn columns(&self) -> usize {
        self.inputs + self.hidden
    }

    /// Largest activation code.
    pub fn code_max(&self) -> f32 {
        ((1u32 << (self.activation_bits - 1)) - 1) as f32
    }

    /// Largest weight code.
    pub fn weight_max(&self) -> f32 {
        ((1u32 << (self.weight_bits - 1)) - 1) as f32
    }

    /// How the two passes share a code: without a gate, the prediction pass
    /// has the whole of it.
    ///
    /// # Panics
    /// When the bits are out of the ranges that a recipe allows.
    pub fn split(&self) -> Split {
        let msb_bits = if self.gated() {
            self.msb_bits
        } else {
            self.activation_bits
        };
        match Split::new(self.activation_bits, msb_bits, true) {
            Some(split) => split,
            None => panic!("{msb_bits} of {} bits is no split", self.activation_bits),
        }
    }

    /// Value of one unit of the most significant digit, `2^(B - B_hb)`.
    pub fn digit(&self) -> f32 {
        (1u32 << (self.activation_bits - self.msb_bits)) as f32
    }

    /// What is added to a code, in digits, before it is rounded down to one.
    pub fn half(&self) -> f32 {
        match self.digits {
            SplitKind::Rounded => 0.5,
            SplitKind::Truncated => 0.0,
        }
    }

    /// How far a prediction is inside the range that opens its row; open
    /// above 0.
    #[inline(always)]
    fn margin(&self, z_hb: f32, threshold: f32) -> f32 {
        match self.test {
            GateTest::Within => threshold - z_hb.abs(),
            GateTest::Above => z_hb - threshold,
        }
    }

    /// Slopes of [`Self::margin`] by the prediction and by the threshold.
    #[inline(always)]
    fn slopes(&self, z_hb: f32) -> (f32, f32) {
        match self.test {
            GateTest::Within => (-sign(z_hb), 1.0),
            GateTest::Above => (1.0, -1.0),
        }
    }

    /// Whether codes are rounded at all.
    pub fn quantised(&self) -> bool {
        self.arithmetic != Arithmetic::Float
    }

    /// Whether there is a gate.
    pub fn gated(&self) -> bool {
        self.arithmetic == Arithmetic::Gated
    }
}

/// Slope of the magnitude, zero at zero.
#[inline(always)]
fn sign(v: f32) -> f32 {
    if v > 0.0 {
        1.0
    } else if v < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Largest magnitude of a gate pre-activation: the runtime's tables end here.
pub const Z_LIMIT: f32 = 8.0;
/// Largest magnitude of the cell state in the runtime.
pub const CELL_LIMIT: f32 = 16.0;

#[cfg(test)]
mod tests;
