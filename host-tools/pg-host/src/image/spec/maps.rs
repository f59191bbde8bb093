//! Layers between feature maps, as integers.

use super::GateSpec;
use pg_runtime::image::FeatureMap;
use pg_runtime::layers::{Displacement, Window};
use pg_runtime::pixels::PixelNorm;
use pg_runtime::quant::Requant;

/// What an image network has beside its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphSpec {
    /// Every feature map, with its place in the arena; map 0 is the input.
    pub maps: Vec<FeatureMap>,
    /// From pixels to the codes of map 0, a norm for each channel; empty if the
    /// input is no picture.
    pub pixels: Vec<PixelNorm>,
}

/// Some channels of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapChannels {
    /// Number of the map.
    pub map: usize,
    /// First channel.
    pub first: usize,
    /// Distance from one channel to the next.
    pub step: usize,
    /// Number of channels.
    pub channels: usize,
}

/// A layer from one map to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLayerSpec {
    /// The channels that are read.
    pub input: MapChannels,
    /// The channels that are written.
    pub output: MapChannels,
    /// What is computed.
    pub op: MapOpSpec,
}

/// What a layer between maps computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapOpSpec {
    /// Convolution.
    Conv(ConvSpec),
    /// Depthwise convolution.
    Depthwise(DepthwiseSpec),
    /// Channels copied, or each moved by its displacement.
    Shift(Option<Vec<Displacement>>),
    /// Largest code of a window.
    MaxPool(Window),
    /// Mean of a window, or of the whole map, with the requantisation of a sum.
    AveragePool(Option<Window>, Requant),
}

/// A convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Kernel size, stride and padding.
    pub window: Window,
    /// Bits of the prediction digit; meaningless where the gate is open.
    pub msb_bits: u8,
    /// The gate over the output channels.
    pub gate: GateSpec,
    /// Output channels that open together.
    pub group: usize,
    /// Weights, `[C_out][k][k][C_in]`.
    pub weights: Vec<i8>,
    /// Bias of every output channel, in accumulator units.
    pub bias: Vec<i32>,
    /// Requantisation of every output channel.
    pub requant: Vec<Requant>,
    /// What is added.
    pub residual: Option<ResidualSpec>,
}

/// A map that is added to a convolution's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidualSpec {
    /// The channels that are added.
    pub channels: MapChannels,
    /// Distance of the pixels that are read.
    pub stride: usize,
    /// Output channel that the first one is added to.
    pub offset: usize,
    /// Factor of a code, to sixteenths of an output code.
    pub mult: u16,
    /// Shift of the product.
    pub shift: u8,
}

/// A depthwise convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthwiseSpec {
    /// Kernel size, stride and padding.
    pub window: Window,
    /// Weights, `[k][k][C]`.
    pub weights: Vec<i8>,
    /// Bias of every channel, in accumulator units.
    pub bias: Vec<i32>,
    /// Requantisation of every channel.
    pub requant: Vec<Requant>,
}
