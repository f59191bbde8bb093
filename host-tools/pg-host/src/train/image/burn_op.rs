//! Registration of a whole image network as a Burn operation of one parameter,
//! all trained values in a row.
//!
//! On the CPU backend (Flex) the operation runs the kernels of this module on
//! slices, with their own backward pass; other backends run the same network
//! composed of tensor operations (`reference.rs`). What differs between Burn
//! versions is confined to this file.
use super::backward::backward;
use super::forward::{Pass, forward};
use super::kernels::conv::Counts;
use super::plan::Plan;
use super::reference;
use super::tape::Workspace;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// What one call needs besides the trained values.
#[derive(Clone, Debug)]
pub struct Call {
    /// The network.
    pub plan: Arc<Plan>,
    /// Its buffers.
    pub workspace: Workspace,
    /// Codes of the batch, `[N, H, W, C]`.
    pub images: Arc<Vec<f32>>,
    /// Running means and variances.
    pub tracked: Arc<Vec<f32>>,
    /// Whether batch norm uses the batch's own statistics and a backward pass follows.
    pub training: bool,
}

/// What one call gives.
pub struct Output {
    /// `[N, classes]`.
    pub logits: Tensor<2>,
    /// Means and variances of the batch, in training.
    pub batch: Vec<f32>,
    /// What every convolution counted; zeros for other nodes.
    pub counts: Vec<Counts>,
}

/// Runs the network with the trained `values` `[1, P]`. `fused` picks the CPU
/// kernels, which need `values` on the Flex backend.
pub fn network(values: Tensor<2>, call: Call, fused: bool) -> Output {
    if !fused {
        return reference::network(values, &call);
    }
    let workspace = call.workspace.clone();
    let logits = <Dispatch as ImageOps>::pg_image_network(values.into_dispatch(), call);
    let logits = Tensor::from_dispatch(logits);
    let tape = workspace.lock();
    Output {
        logits,
        batch: tape.batch.clone(),
        counts: tape.convs.iter().map(|c| c.counts).collect(),
    }
}

/// The operation, as Burn dispatches it.
#[backend_extension(Flex, Autodiff)]
pub trait ImageOps: Backend {
    /// Logits `[N, classes]`; see [`network`].
    fn pg_image_network(values: FloatTensor<Self>, call: Call) -> FloatTensor<Self>;
}

/// The backward pass of a backend that implements [`ImageOps`].
pub trait ImageGradients: Backend {
    /// Gradient of the trained values, `[1, P]`.
    fn pg_image_backward(
        values: FloatTensor<Self>,
        d_logits: FloatTensor<Self>,
        call: &Call,
    ) -> FloatTensor<Self>;
}

/// The elements of a contiguous tensor.
fn slice(tensor: &FlexTensor, len: usize) -> &[f32] {
    &tensor.storage::<f32>()[..len]
}

fn pass<'a>(call: &'a Call, values: &'a FlexTensor) -> Pass<'a> {
    Pass {
        plan: &call.plan,
        values: slice(values, call.plan.trained),
        tracked: &call.tracked,
        training: call.training,
    }
}

impl ImageOps for Flex {
    fn pg_image_network(values: FloatTensor<Self>, call: Call) -> FloatTensor<Self> {
        let values = values.to_contiguous();
        let mut tape = call.workspace.lock();
        let logits = forward(&pass(&call, &values), &call.images, &mut tape);
        FlexTensor::from_data(TensorData::new(
            logits,
            [tape.images, call.plan.network.classes],
        ))
    }
}

impl ImageGradients for Flex {
    fn pg_image_backward(
        values: FloatTensor<Self>,
        d_logits: FloatTensor<Self>,
        call: &Call,
    ) -> FloatTensor<Self> {
        let (values, d_logits) = (values.to_contiguous(), d_logits.to_contiguous());
        let mut tape = call.workspace.lock();
        let logits = tape.images * call.plan.network.classes;
        let gradient = backward(&pass(call, &values), slice(&d_logits, logits), &mut tape);
        FlexTensor::from_data(TensorData::new(gradient, [1, call.plan.trained]))
    }
}

#[derive(Debug)]
struct ImageBackward;

impl<B: ImageGradients> Backward<B, 1> for ImageBackward {
    type State = (FloatTensor<B>, Call);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_logits = grads.consume::<B>(&ops.node);
        let (values, call) = ops.state;
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let gradient = B::pg_image_backward(values, d_logits, &call);
            grads.register::<B>(node.id, gradient);
        }
    }
}

impl<B: ImageOps + ImageGradients, C: CheckpointStrategy> ImageOps for Autodiff<B, C> {
    fn pg_image_network(values: FloatTensor<Self>, call: Call) -> FloatTensor<Self> {
        let (node, values) = (values.node, values.primitive);
        match ImageBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let out = B::pg_image_network(values.clone(), call.clone());
                prep.finish((values, call), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::pg_image_network(values, call)),
        }
    }
}
