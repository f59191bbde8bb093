//! What one call of the layer takes and gives, whichever way it is computed.
use super::LstmSpec;
use super::forward::{Stats, Tape};
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Buffers shared by the forward and the backward pass of one layer. Create
/// one per training loop and hand it to every step.
#[derive(Clone, Debug, Default)]
pub struct Workspace(Arc<Mutex<Tape>>);

impl Workspace {
    pub(super) fn lock(&self) -> MutexGuard<'_, Tape> {
        // The buffers are rewritten by every forward pass, so a panic
        // elsewhere cannot leave them in a state that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Host-side arguments of one call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Properties of the layer.
    pub spec: LstmSpec,
    /// Buffers to use.
    pub workspace: Workspace,
    /// Hidden and cell state before the first frame, each `[B, H]`; zero when absent.
    pub state: Option<(Vec<f32>, Vec<f32>)>,
    /// Factors of the input's codes `[B, T, I]`, for dropout; 1 when absent.
    pub mask: Option<Vec<f32>>,
    /// Whether a backward pass follows.
    pub training: bool,
}

/// The layer's parameters as tensors; vectors have shape `[1, n]`.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// `[N, I]`.
    pub w_x: Tensor<2>,
    /// `[N, H]`.
    pub w_h: Tensor<2>,
    /// `[1, N]`.
    pub bias: Tensor<2>,
    /// `[1, N]`, in units of `z`.
    pub threshold: Tensor<2>,
    /// `[1, 1]`.
    pub scale_x: Tensor<2>,
    /// `[1, 1]`.
    pub scale_h: Tensor<2>,
}

/// What one call gives.
pub struct Output {
    /// Hidden states `[B, T, H]`, fake-quantised unless the arithmetic is float.
    pub hidden: Tensor<3>,
    /// Hidden and cell state after the last frame, each `[B, H]`.
    pub state: (Vec<f32>, Vec<f32>),
    /// What the gates did.
    pub stats: Stats,
    /// Temporal pressure, where it is part of the graph rather than of the
    /// layer's own backward pass.
    pub pressure: Option<Tensor<1>>,
}
