//! A layer between feature maps, and which maps they are.

use super::{AveragePool, Depthwise, Ends, MaxPool, Shift};
use crate::layers::{Conv, View};

/// What such a layer computes.
#[derive(Clone, Copy, Debug)]
pub enum MapOp<'a> {
    /// Convolution, gated or not.
    Conv(Conv<'a>),
    /// Depthwise convolution.
    Depthwise(Depthwise<'a>),
    /// Channels copied or moved.
    Shift(Shift<'a>),
    /// Largest code of a window.
    MaxPool(MaxPool),
    /// Mean of a window.
    AveragePool(AveragePool),
}

/// A layer of an image network.
#[derive(Clone, Copy, Debug)]
pub struct MapLayer<'a> {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) residual: Option<usize>,
    pub(crate) ends: Ends,
    pub(crate) op: MapOp<'a>,
}

impl<'a> MapLayer<'a> {
    /// Number of the map that is read.
    #[must_use]
    pub const fn input(&self) -> usize {
        self.input
    }

    /// Number of the map that is written.
    #[must_use]
    pub const fn output(&self) -> usize {
        self.output
    }

    /// Number of the map that is added; may be the output.
    #[must_use]
    pub const fn residual(&self) -> Option<usize> {
        self.residual
    }

    /// What is computed.
    #[must_use]
    pub const fn op(&self) -> &MapOp<'a> {
        &self.op
    }

    /// The channels that are read and written.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// The channels that are added.
    #[must_use]
    pub fn residual_view(&self) -> Option<View> {
        match &self.op {
            MapOp::Conv(l) => l.config().residual.map(|r| r.view),
            _ => None,
        }
    }

    /// The field's usual name of the layer kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match &self.op {
            MapOp::Conv(_) => "conv",
            MapOp::Depthwise(_) => "depthwise",
            MapOp::Shift(l) if l.displacement().is_none() => "copy",
            MapOp::Shift(_) => "shift",
            MapOp::MaxPool(_) => "max-pool",
            MapOp::AveragePool(_) => "average-pool",
        }
    }

    /// Multiply-accumulates of a dense run, taps outside the map included.
    #[must_use]
    pub fn dense_macs(&self) -> u32 {
        let shape = self.ends.output.shape;
        match &self.op {
            MapOp::Conv(l) => {
                let weights = &l.config().weights;
                (shape.height * shape.width * weights.rows() * weights.columns()) as u32
            }
            MapOp::Depthwise(l) => l.counts().dense_macs,
            MapOp::Shift(_) | MapOp::MaxPool(_) | MapOp::AveragePool(_) => 0,
        }
    }

    /// Words of scratch used within a run.
    #[must_use]
    pub const fn scratch_words(&self) -> usize {
        match &self.op {
            MapOp::Conv(l) => l.scratch_words(),
            _ => 0,
        }
    }
}
