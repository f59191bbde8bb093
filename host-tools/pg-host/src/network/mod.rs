//! Image networks as data: what the trainer trains and the exporter exports.
//! No training framework here.
//!
//! A [`Network`] is a list of [`Node`]s. Every node reads *maps* and writes
//! one: map 0 is the input image, map `i + 1` is the output of node `i`; the
//! last node gives the logits. A node is as large as a layer of a model image:
//! a convolution comes with its batch norm, its optional shortcut and its
//! quantiser, so that neither side has to search for what belongs together.
//!
//! # What a convolution computes
//!
//! With input `x` (real values on the grid of its map's scale), weights `w`
//! rounded per output channel, and `bn(a) = gamma (a - mean) / sqrt(var + EPSILON) + beta`:
//!
//! ```text
//! h = w * x_hb,  l = w * x_lb              x = x_hb + x_lb, see pg_runtime::quant::Split
//! a = h + m l                              m = 1 where h > threshold, else 0
//! y = quantise(bn(a) + shortcut)           unsigned: also the ReLU
//! ```
//!
//! In integers, with `s_x` and `s_w` the values of one code of the input and of
//! a channel's weights: `h > threshold` is `acc > floor(threshold / (s_x s_w))`.
//! `*` is a convolution, padded with zeros, without bias. The gate compares the
//! convolution itself, before batch norm, as the published implementation does;
//! `gamma` is positive, so the direction of the comparison survives folding.
//! Without a gate `a = w * x`.
//!
//! # Parameters
//!
//! In the order of [`Network::parameters`], row-major, as `f32`; `NAME` is the
//! name of the node.
//!
//! | name | shape | of | meaning |
//! |---|---|---|---|
//! | `NAME.weight` | `[C_out, k, k, C_in]` | `Conv` | real weights, order (row of the kernel, column, channel) |
//! | `NAME.weight` | `[C, k, k, 1]` | depthwise `Conv` | likewise |
//! | `NAME.threshold` | `[C_out / block]` | gated `Conv` | in units of `h`, real |
//! | `NAME.gamma`, `NAME.beta`, `NAME.mean`, `NAME.var` | `[C_out]` | `Conv` | batch norm; `gamma` > 0 |
//! | `CLIP.clip` | `[1]` | quantiser called `CLIP` | largest value of its maps, > 0; listed where it is first used |
//! | `NAME.weight`, `NAME.bias` | `[classes, C]`, `[classes]` | `Dense` | the head |
//!
//! A weight code is `round(w / s)` (halves away from zero) with
//! `s = max |w| / (2^(bits - 1) - 1)` over its output channel. An activation code is
//! `clamp(floor(x / s + 1/2), low, high)`; unsigned: 0 to `2^B - 1`,
//! `s = clip / (2^B - 1)`; signed: up to `2^(B-1) - 1` on either side, `s = clip / (2^(B-1) - 1)`.

pub mod export;
pub mod model;
mod nets;
mod parameters;
pub mod report;
pub mod reproduce;
mod shape;

pub use nets::{resnet20, shiftnet20, shufflenet_v2_05x};
pub use parameters::{Parameter, Role};

use serde::{Deserialize, Serialize};

/// Added to a variance before its root is taken.
pub const EPSILON: f32 = 1e-5;

/// Bits of the codes of the input image and of what the head reads.
pub const EDGE_BITS: u8 = 8;

/// Values to codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiser {
    /// Name of its range; quantisers of one name share it, so their maps have
    /// one scale and can be concatenated.
    pub clip: String,
    /// Codes have a sign: no ReLU.
    pub signed: bool,
    /// Bits of a code where they are not those of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
}

/// What a convolution's batch norm is added to before it is quantised: pixel
/// `(stride y, stride x)` of a map. If the map has fewer channels, they are
/// added to channels `first..first + C` and the others get nothing (option A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortcut {
    /// The map that is added.
    pub map: usize,
    /// Distance between the pixels that are read.
    pub stride: usize,
    /// Channel of the output that its first channel is added to.
    pub first: usize,
}

/// Convolution, batch norm, shortcut, quantiser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Distance between neighbouring windows.
    pub stride: usize,
    /// Zeros around the input, on every side.
    pub pad: usize,
    /// Each output channel reads the input channel of the same number only. A
    /// convolution in groups is written as one convolution a group, over
    /// [`Op::Channels`], and a concatenation.
    pub depthwise: bool,
    /// There is a gate. Never in a depthwise convolution.
    pub gated: bool,
    /// Added before quantisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortcut: Option<Shortcut>,
    /// Codes of the output.
    pub quantiser: Quantiser,
}

/// A window that moves over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Rows and columns of the window.
    pub kernel: usize,
    /// Distance between neighbouring windows.
    pub stride: usize,
    /// Pixels around the input that never win (maximum) or count as zero (average).
    pub pad: usize,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Op {
    /// Convolution, batch norm, shortcut, quantiser.
    Conv(Conv),
    /// Moves every channel: output `(y, x)` is input `(y + dy, x + dx)` of the
    /// same channel, zero outside.
    Shift {
        /// `[dy, dx]` of each channel.
        displacement: Vec<[i8; 2]>,
    },
    /// Channels `first..first + channels` of a map.
    Channels {
        /// First of them.
        first: usize,
        /// How many.
        channels: usize,
    },
    /// The channels of two maps of one scale, interleaved: output channel `2i`
    /// is channel `i` of the first input, `2i + 1` of the second. (Concatenation
    /// followed by a shuffle of two groups.)
    Interleave,
    /// Largest code of a window.
    MaxPool(Pool),
    /// Mean of a window, quantised anew.
    AveragePool {
        /// The window.
        pool: Pool,
        /// Codes of the output.
        quantiser: Quantiser,
    },
    /// Mean over the whole map, quantised anew: `[1, 1, C]`.
    GlobalAverage {
        /// Codes of the output.
        quantiser: Quantiser,
    },
    /// The head: logits `w x + bias`, weights rounded as elsewhere.
    Dense,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Unique; names its parameters.
    pub name: String,
    /// Maps it reads: one, or two for [`Op::Interleave`].
    pub inputs: Vec<usize>,
    /// What it computes.
    pub op: Op,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is called.
    pub name: String,
    /// Height, width and channels of the input image.
    pub input: [usize; 3],
    /// Outputs of the head.
    pub classes: usize,
    /// Layers in the order they run.
    pub nodes: Vec<Node>,
}

/// Which convolutions are gated. Depthwise ones never are, nor is the first,
/// which reads the image, nor the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatedLayers {
    /// All that can be.
    AllButFirst,
    /// Of these, those whose output goes into a ReLU directly, not by way of a
    /// shortcut, as in the published implementation.
    Published,
}

impl Network {
    /// The same network with gates in the layers named.
    #[must_use]
    pub fn gated(mut self, layers: GatedLayers) -> Self {
        let mut first = true;
        for node in &mut self.nodes {
            if let Op::Conv(conv) = &mut node.op {
                let fits = match layers {
                    GatedLayers::AllButFirst => true,
                    GatedLayers::Published => conv.shortcut.is_none() && !conv.quantiser.signed,
                };
                conv.gated = fits && !first && !conv.depthwise;
                first = false;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;
