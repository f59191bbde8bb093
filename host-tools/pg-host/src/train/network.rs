//! The network: LSTM, dropout, dense head, read-out, loss.
use super::lstm::{Call, LstmSpec, Output, Parameters, Workspace, lstm};
use super::random::{Purpose, dropout, normal, stream, uniform};
use super::recipe::{Granularity, Recipe};
use crate::model::Readout;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// Bound of the attention score: weights lie within `e^-4` and `e^4`.
const SCORE_LIMIT: f32 = 4.0;

/// Names of the parameters, in the order they are kept everywhere.
pub const NAMES: [&str; 8] = [
    "w_x",
    "w_h",
    "bias",
    "threshold",
    "log_scale_x",
    "log_scale_h",
    "head_w",
    "head_b",
];

/// How a parameter is optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decayed.
    Matrix,
    /// Not decayed.
    Bias,
    /// With its own learning rate; not decayed, not averaged into the norm.
    Threshold,
    /// Likewise.
    Scale,
}

/// Role of each parameter.
pub const ROLES: [Role; 8] = [
    Role::Matrix,
    Role::Matrix,
    Role::Bias,
    Role::Threshold,
    Role::Scale,
    Role::Scale,
    Role::Matrix,
    Role::Bias,
];

/// Host copy of all parameters.
pub type Values = Vec<Vec<f32>>;

/// Shapes of the parameters; vectors are `[1, n]`.
pub fn shapes(recipe: &Recipe, classes: usize) -> [[usize; 2]; 8] {
    let (i, h) = (recipe.features.bands, recipe.model.hidden);
    let outputs = recipe.model.readout.head_outputs(classes);
    let thresholds = match recipe.gate.granularity {
        Granularity::Row => 4 * h,
        Granularity::Gate => 4,
        Granularity::Layer => 1,
    };
    [
        [4 * h, i],
        [4 * h, h],
        [1, 4 * h],
        [1, thresholds],
        [1, 1],
        [1, 1],
        [outputs, h],
        [1, outputs],
    ]
}

/// Starting values: Glorot for the input weights, orthogonal recurrent blocks,
/// forget bias 1, head weights uniform within `1 / sqrt(H)`.
pub fn initial(recipe: &Recipe, classes: usize) -> Values {
    let mut rng = stream(recipe.seed, Purpose::Initial, 0);
    let shapes = shapes(recipe, classes);
    let (h, m) = (recipe.model.hidden, &recipe.model);
    let max = recipe.spec(true).code_max();
    let mut draw = |[rows, columns]: [usize; 2], bound: f32| -> Vec<f32> {
        (0..rows * columns)
            .map(|_| uniform(&mut rng, -bound, bound))
            .collect()
    };
    let [rows, inputs] = shapes[0];
    let w_x = draw(shapes[0], (6.0 / (rows + inputs) as f32).sqrt());
    let head_w = draw(shapes[6], 1.0 / (h as f32).sqrt());
    let mut w_h = Vec::with_capacity(4 * h * h);
    for _ in 0..4 {
        w_h.extend(orthogonal(h, || normal(&mut rng)));
    }
    let mut bias = vec![0.0; 4 * h];
    bias[h..2 * h].fill(1.0);
    vec![
        w_x,
        w_h,
        bias,
        vec![recipe.gate.threshold; shapes[3][1]],
        vec![(m.input_range / max).ln()],
        vec![(m.activation_range / max).ln()],
        head_w,
        vec![0.0; shapes[7][1]],
    ]
}

/// A random orthogonal `[n, n]` matrix (modified Gram and Schmidt).
fn orthogonal(n: usize, mut draw: impl FnMut() -> f32) -> Vec<f32> {
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(n);
    while rows.len() < n {
        let mut row: Vec<f32> = (0..n).map(|_| draw()).collect();
        for _ in 0..2 {
            for other in &rows {
                let dot: f32 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = row.iter().map(|a| a * a).sum::<f32>().sqrt();
        if norm > 1e-3 {
            row.iter_mut().for_each(|a| *a /= norm);
            rows.push(row);
        }
    }
    rows.concat()
}

/// Puts host values on a device.
pub fn tensors(values: &Values, shapes: &[[usize; 2]; 8], device: &Device) -> Vec<Tensor<2>> {
    values
        .iter()
        .zip(shapes)
        .map(|(v, s)| Tensor::from_data(TensorData::new(v.clone(), *s), device))
        .collect()
}

/// Input of one pass.
pub struct Batch {
    /// Normalised features `[B, FRAMES, bands]`.
    pub x: Vec<f32>,
    /// Labels `[B]`.
    pub labels: Vec<usize>,
    /// Starting hidden and cell state.
    pub state: Option<(Vec<f32>, Vec<f32>)>,
}

/// What a forward pass gives.
pub struct Forward {
    /// Logits after the read-out, `[B, classes]`.
    pub logits: Tensor<2>,
    /// The layer's own output.
    pub layer: Output,
}

/// The network with the arithmetic of one part of the training.
pub struct Network<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Arithmetic of the LSTM.
    pub spec: LstmSpec,
    /// Number of labels.
    pub classes: usize,
    /// Use the CPU kernels.
    pub fused: bool,
    /// Their buffers.
    pub workspace: Workspace,
    /// Where tensors live.
    pub device: Device,
}

impl Network<'_> {
    /// Runs the network. `dropout_step` switches dropout on and numbers it.
    pub fn forward(
        &self,
        parameters: &[Tensor<2>],
        batch: &Batch,
        dropout_step: Option<u64>,
    ) -> Forward {
        let (b, h) = (batch.labels.len(), self.spec.hidden);
        let frames = batch.x.len() / (b * self.spec.inputs).max(1);
        let shape = [b, frames, self.spec.inputs];
        let x = Tensor::<3>::from_data(TensorData::new(batch.x.clone(), shape), &self.device);
        let call = Call {
            spec: self.spec,
            workspace: self.workspace.clone(),
            state: batch.state.clone(),
            mask: None,
            training: dropout_step.is_some(),
        };
        let p = |k: usize| parameters[k].clone();
        let layer_parameters = Parameters {
            w_x: p(0),
            w_h: p(1),
            bias: p(2),
            threshold: self.row_thresholds(p(3)),
            scale_x: p(4).exp(),
            scale_h: p(5).exp(),
        };
        let layer = lstm(x, layer_parameters, call, self.fused);
        let mut hidden = layer.hidden.clone();
        if let Some(step) = dropout_step.filter(|_| self.recipe.training.dropout > 0.0) {
            hidden = hidden * self.dropout([b, frames, h], step);
        }
        let weights = if self.spec.quantised() {
            self.fake_quantised(p(6))
        } else {
            p(6)
        };
        let first = frames.saturating_sub(self.recipe.model.window);
        let window = frames - first;
        let hidden = hidden.narrow(1, first, window);
        let logits = match self.recipe.model.readout {
            // The head is linear, so the mean may come first.
            Readout::Mean => {
                hidden
                    .mean_dim(1)
                    .reshape([b, h])
                    .matmul(weights.transpose())
                    + p(7)
            }
            Readout::Attention => {
                let out = hidden.reshape([b * window, h]).matmul(weights.transpose()) + p(7);
                let out = out.reshape([b, window, self.classes + 1]);
                let score = out.clone().narrow(2, self.classes, 1);
                let weight = ((score / SCORE_LIMIT).tanh() * SCORE_LIMIT).exp();
                let sum = (out.narrow(2, 0, self.classes) * weight.clone()).sum_dim(1);
                (sum / weight.sum_dim(1)).reshape([b, self.classes])
            }
        };
        Forward { logits, layer }
    }

    /// One threshold per row, whatever the granularity.
    fn row_thresholds(&self, threshold: Tensor<2>) -> Tensor<2> {
        let rows = self.spec.rows();
        let shared = threshold.dims()[1];
        if shared == rows {
            return threshold;
        }
        threshold
            .reshape([shared, 1])
            .repeat_dim(1, rows / shared)
            .reshape([1, rows])
    }

    /// Per-row rounding to the weight bits, gradient passed straight through.
    fn fake_quantised(&self, w: Tensor<2>) -> Tensor<2> {
        let scale = w.clone().detach().abs().max_dim(1) / self.spec.weight_max();
        let scale = scale.clamp_min(1e-12);
        let hard = (w.clone().detach() / scale.clone()).round() * scale;
        w.clone() + (hard - w).detach()
    }

    fn dropout(&self, shape: [usize; 3], step: u64) -> Tensor<3> {
        let mut rng = stream(self.recipe.seed, Purpose::Dropout, step);
        let mut mask = vec![0.0f32; shape.iter().product()];
        dropout(&mut rng, self.recipe.training.dropout, &mut mask);
        Tensor::from_data(TensorData::new(mask, shape), &self.device)
    }

    /// Cross entropy with label smoothing, the threshold pressure if
    /// thresholds are learned, and the temporal pressure where it is part of
    /// the graph.
    pub fn loss(
        &self,
        forward: Forward,
        parameters: &[Tensor<2>],
        labels: &[usize],
        learned: bool,
    ) -> Tensor<1> {
        let (b, classes) = (labels.len(), self.classes);
        let smoothing = self.recipe.training.label_smoothing;
        let mut target = vec![smoothing / classes as f32; b * classes];
        for (row, label) in labels.iter().enumerate() {
            target[row * classes + label] += 1.0 - smoothing;
        }
        let target = Tensor::<2>::from_data(TensorData::new(target, [b, classes]), &self.device);
        let mut loss = -(log_softmax(forward.logits, 1) * target).sum() / b as f32;
        if learned {
            let distance = parameters[3].clone() - self.recipe.gate.target;
            loss = loss + (distance.clone() * distance).sum() * self.recipe.gate.sigma;
        }
        match forward.layer.pressure {
            Some(pressure) => loss + pressure,
            None => loss,
        }
    }
}

/// Index of the largest of each row of `logits`, the first on a tie.
pub fn decisions(logits: &[f32], classes: usize) -> Vec<usize> {
    logits
        .chunks_exact(classes)
        .map(|row| {
            let mut best = 0;
            for (k, v) in row.iter().enumerate() {
                if *v > row[best] {
                    best = k;
                }
            }
            best
        })
        .collect()
}
