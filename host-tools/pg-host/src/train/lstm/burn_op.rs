//! Registration of the whole-sequence layer as a Burn operation.
//!
//! On the CPU backend (Flex) the operation runs the kernels of this module on
//! the tensors' slices, with their own backward pass. Other backends run the
//! same network composed of tensor operations (`reference.rs`). What differs
//! between Burn versions is confined to this file.
use super::backward::backward;
use super::call::{Call, Output, Parameters};
use super::forward::{Inputs, forward};
use super::reference;
use super::weights::WeightView;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, TensorData};

/// Runs the layer over `x` `[B, T, I]`. `fused` picks the CPU kernels, which
/// need `x` on the Flex backend; otherwise the layer is composed of tensor
/// operations and runs anywhere.
pub fn lstm(x: Tensor<3>, parameters: Parameters, call: Call, fused: bool) -> Output {
    if !fused {
        return reference::lstm(x, parameters, &call);
    }
    let workspace = call.workspace.clone();
    let spec = call.spec;
    let p = parameters;
    let hidden = Tensor::from_dispatch(<Dispatch as LstmOps>::pg_lstm(
        x.into_dispatch(),
        p.w_x.into_dispatch(),
        p.w_h.into_dispatch(),
        p.bias.into_dispatch(),
        p.threshold.into_dispatch(),
        p.scale_x.into_dispatch(),
        p.scale_h.into_dispatch(),
        call,
    ));
    let tape = workspace.lock();
    Output {
        hidden,
        state: tape.final_state(&spec),
        stats: tape.stats,
        pressure: None,
    }
}

/// The operation, as Burn dispatches it.
#[backend_extension(Flex, Autodiff)]
pub trait LstmOps: Backend {
    /// Hidden states `[B, T, H]` of the layer; see [`lstm`].
    #[allow(clippy::too_many_arguments)]
    fn pg_lstm(
        x: FloatTensor<Self>,
        w_x: FloatTensor<Self>,
        w_h: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        threshold: FloatTensor<Self>,
        scale_x: FloatTensor<Self>,
        scale_h: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self>;
}

/// The backward pass of a backend that implements [`LstmOps`].
pub trait LstmGradients: Backend {
    /// Gradients in the order of the parameters of [`LstmOps::pg_lstm`].
    fn pg_lstm_backward(
        x: FloatTensor<Self>,
        d_out: FloatTensor<Self>,
        call: &Call,
    ) -> [FloatTensor<Self>; 6];
}

/// The elements of a contiguous tensor.
fn slice(tensor: &FlexTensor) -> &[f32] {
    let n: usize = tensor.shape().iter().product();
    &tensor.storage::<f32>()[..n]
}

impl LstmOps for Flex {
    fn pg_lstm(
        x: FloatTensor<Self>,
        w_x: FloatTensor<Self>,
        w_h: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        threshold: FloatTensor<Self>,
        scale_x: FloatTensor<Self>,
        scale_h: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        let [batch, frames, _] = x.shape().dims();
        let (x, w_x, w_h) = (x.to_contiguous(), w_x.to_contiguous(), w_h.to_contiguous());
        let (bias, threshold) = (bias.to_contiguous(), threshold.to_contiguous());
        let (scale_x, scale_h) = (scale_x.to_contiguous(), scale_h.to_contiguous());
        let weights = WeightView {
            w_x: slice(&w_x),
            w_h: slice(&w_h),
            bias: slice(&bias),
            threshold: slice(&threshold),
            scale_x: slice(&scale_x)[0],
            scale_h: slice(&scale_h)[0],
        };
        let (hidden, cell) = call.state.as_ref().map_or((None, None), |(h, c)| {
            (Some(h.as_slice()), Some(c.as_slice()))
        });
        let inputs = Inputs {
            batch,
            frames,
            x: slice(&x),
            mask: call.mask.as_deref(),
            hidden,
            cell,
        };
        let mut out = vec![0.0; batch * frames * call.spec.hidden];
        let mut tape = call.workspace.lock();
        forward(
            &call.spec,
            &weights,
            &inputs,
            call.training,
            &mut tape,
            &mut out,
        );
        FlexTensor::from_data(TensorData::new(out, [batch, frames, call.spec.hidden]))
    }
}

impl LstmGradients for Flex {
    fn pg_lstm_backward(
        x: FloatTensor<Self>,
        d_out: FloatTensor<Self>,
        call: &Call,
    ) -> [FloatTensor<Self>; 6] {
        let (x, d_out) = (x.to_contiguous(), d_out.to_contiguous());
        let (n, i, h) = (call.spec.rows(), call.spec.inputs, call.spec.hidden);
        let mut tape = call.workspace.lock();
        let mask = call.mask.as_deref();
        let grads = backward(&call.spec, &mut tape, slice(&x), mask, slice(&d_out));
        let tensor = |v, shape: [usize; 2]| FlexTensor::from_data(TensorData::new(v, shape));
        [
            tensor(grads.w_x, [n, i]),
            tensor(grads.w_h, [n, h]),
            tensor(grads.bias, [1, n]),
            tensor(grads.threshold, [1, n]),
            tensor(vec![grads.scale_x], [1, 1]),
            tensor(vec![grads.scale_h], [1, 1]),
        ]
    }
}

#[derive(Debug)]
struct LstmBackward;

impl<B: LstmGradients> Backward<B, 6> for LstmBackward {
    type State = (FloatTensor<B>, Call);

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = grads.consume::<B>(&ops.node);
        let (x, call) = ops.state;
        let gradients = B::pg_lstm_backward(x, d_out, &call);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: LstmOps + LstmGradients, C: CheckpointStrategy> LstmOps for Autodiff<B, C> {
    fn pg_lstm(
        x: FloatTensor<Self>,
        w_x: FloatTensor<Self>,
        w_h: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        threshold: FloatTensor<Self>,
        scale_x: FloatTensor<Self>,
        scale_h: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        let nodes = [
            w_x.node,
            w_h.node,
            bias.node,
            threshold.node,
            scale_x.node,
            scale_h.node,
        ];
        let x = x.primitive;
        let run = |x: FloatTensor<B>, call: Call| {
            B::pg_lstm(
                x,
                w_x.primitive,
                w_h.primitive,
                bias.primitive,
                threshold.primitive,
                scale_x.primitive,
                scale_h.primitive,
                call,
            )
        };
        match LstmBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let out = run(x.clone(), call.clone());
                // The starting state is not needed again.
                prep.finish(
                    (
                        x,
                        Call {
                            state: None,
                            ..call
                        },
                    ),
                    out,
                )
            }
            OpsKind::UnTracked(prep) => prep.finish(run(
                x,
                Call {
                    training: false,
                    ..call
                },
            )),
        }
    }
}
