//! A convolution of one image, with or without a gate, and its gradients.

mod backward;
mod forward;
mod gate;

pub use backward::{Backward, Gradients, backward};
pub use forward::forward;
pub use gate::{Gate, GateTape};

use super::Shape;
use super::pad::Spread;

/// Shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Of the input.
    pub input: Shape,
    /// Of the output.
    pub output: Shape,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Distance between windows.
    pub stride: usize,
    /// Zeros around the input.
    pub pad: usize,
}

impl Geometry {
    /// Numbers of the padded input.
    pub fn padded(&self) -> usize {
        (self.input[0] + 2 * self.pad) * self.padded_row()
    }

    fn padded_row(&self) -> usize {
        (self.input[1] + 2 * self.pad) * self.input[2]
    }

    /// Frame of the output's gradient for the transposed convolution.
    pub fn spread(&self) -> Spread {
        Spread {
            stride: self.stride,
            border: self.kernel - 1 - self.pad,
            columns: self.input[1] + self.kernel - 1,
        }
    }

    /// Numbers of that frame. Rows that no window of the input reaches are
    /// beyond it for a stride that does not divide the input, hence the larger.
    pub fn spread_len(&self) -> usize {
        let rows = self.input[0] + self.kernel - 1;
        rows * self.spread().columns * self.output[2]
    }

    /// Outputs of one image.
    pub fn outputs(&self) -> usize {
        self.output.iter().product()
    }
}

/// Weights of a convolution, rounded and in the orders that the passes read.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Codes, `[k, k C_in, C_out]`.
    pub forward: Vec<f32>,
    /// Codes of the kernel turned round, `[k, k C_out, C_in]`.
    pub backward: Vec<f32>,
    /// Value of one code, `[C_out]`.
    pub scale: Vec<f32>,
}

impl Weights {
    /// Rounds `w` `[C_out, k, k, C_in]` to codes up to `max`, or keeps it as it
    /// is where there is no `max`.
    pub fn prepare(&mut self, w: &[f32], g: &Geometry, max: Option<f32>) {
        let (k, inputs, outputs) = (g.kernel, g.input[2], g.output[2]);
        self.forward.resize(w.len(), 0.0);
        self.backward.resize(w.len(), 0.0);
        self.scale.resize(outputs, 0.0);
        let row = k * k * inputs;
        for (o, w) in w.chunks_exact(row).enumerate() {
            let largest = w.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let scale = max.map_or(1.0, |max| (largest / max).max(1e-12));
            self.scale[o] = scale;
            for (tap, w) in w.chunks_exact(inputs).enumerate() {
                for (c, w) in w.iter().enumerate() {
                    let code = if max.is_some() {
                        (w / scale).round()
                    } else {
                        *w
                    };
                    self.forward[(tap * inputs + c) * outputs + o] = code;
                    let turned = k * k - 1 - tap;
                    self.backward[(turned * outputs + o) * inputs + c] = code;
                }
            }
        }
    }
}

/// Buffers of one thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    hi: Vec<f32>,
    lo: Vec<f32>,
    rows: [Vec<f32>; 2],
    spread: Vec<f32>,
    high: Vec<f32>,
    low: Vec<f32>,
}

/// Sizes a buffer that has to be zero outside what is written to it.
fn zeroed(buffer: &mut Vec<f32>, len: usize) {
    buffer.clear();
    buffer.resize(len, 0.0);
}

/// Counts of one or more images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Outputs that are open.
    pub open: u64,
    /// Prediction and update digits that are not zero.
    pub digits: [u64; 2],
}

impl Counts {
    /// Adds the counts of others.
    pub fn add(&mut self, other: &Self) {
        self.open += other.open;
        for (sum, v) in self.digits.iter_mut().zip(other.digits) {
            *sum += v;
        }
    }
}
