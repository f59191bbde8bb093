//! What a forward pass leaves for the backward pass. The buffers are reused
//! from step to step.
use super::kernels::conv::{Counts, Weights};
use super::kernels::depthwise;
use super::plan::Plan;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A feature map of the whole batch.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Codes, `[N, H, W, C]`; values where nothing is rounded.
    pub codes: Vec<f32>,
    /// Value of one code.
    pub scale: f32,
}

/// What one convolution keeps.
#[derive(Clone, Debug, Default)]
pub struct ConvTape {
    /// Rounded weights.
    pub weights: Weights,
    /// Likewise, of a depthwise convolution.
    pub depthwise: depthwise::Weights,
    /// Outputs of the convolution before batch norm.
    pub z: Vec<f32>,
    /// See [`super::kernels::conv::GateTape`].
    pub slope: Vec<f32>,
    /// Likewise.
    pub mask: Vec<u8>,
    /// Threshold per channel.
    pub threshold: Vec<f32>,
    /// Slope of its surrogate.
    pub alpha: Vec<f32>,
    /// From the threshold's gradient to its parameter's.
    pub unit: Vec<f32>,
    /// Mean and inverse deviation of the batch.
    pub moments: Vec<[f32; 2]>,
    /// Batch norm as a factor.
    pub factor: Vec<f32>,
    /// And an offset.
    pub offset: Vec<f32>,
    /// What the gate did.
    pub counts: Counts,
}

/// Everything a pass keeps.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// Images of the batch.
    pub images: usize,
    /// Maps, the image's first.
    pub maps: Vec<Map>,
    /// Gradients with respect to their values.
    pub gradients: Vec<Vec<f32>>,
    /// One per node; empty where it is no convolution.
    pub convs: Vec<ConvTape>,
    /// Values before quantisation, of pools; empty for other nodes.
    pub values: Vec<Vec<f32>>,
    /// Rounded weights of the head, real, `[classes, C]`.
    pub head: Vec<f32>,
    /// Means and variances of the batch, as they are tracked.
    pub batch: Vec<f32>,
    /// Of the batch norm at hand in the backward pass: channel sums of the
    /// gradient and of its product with the convolution's outputs.
    pub sums: Vec<f64>,
}

impl Tape {
    /// Sizes the lists for `plan`.
    pub fn fit(&mut self, plan: &Plan) {
        let nodes = plan.network.nodes.len();
        self.maps.resize(nodes + 1, Map::default());
        self.gradients.resize(nodes + 1, Vec::new());
        self.convs.resize(nodes, ConvTape::default());
        self.values.resize(nodes, Vec::new());
        self.batch.resize(plan.tracked, 0.0);
    }
}

/// Shared buffers: the forward and the backward pass of a step use the same.
#[derive(Clone, Debug, Default)]
pub struct Workspace(Arc<Mutex<Tape>>);

impl Workspace {
    /// The buffers. A panic elsewhere leaves only numbers that the next forward
    /// pass overwrites.
    pub fn lock(&self) -> MutexGuard<'_, Tape> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
