//! A run in progress, and how far it is.
use crate::model::TrainedMetrics;
use crate::train::corpus::{Corpus, Reservoir};
use crate::train::features::Norm;
use crate::train::lstm::Workspace;
use crate::train::network::{Network, Values};
use crate::train::optimiser::Optimiser;
use crate::train::options::{Backend, TrainOptions};
use crate::train::recipe::Recipe;
use crate::train::tally::Tally;
use burn::tensor::{Device, Tensor};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Hidden and cell states, `[B, H]` each.
pub(super) type State = (Vec<f32>, Vec<f32>);

/// A run in progress.
pub struct Trainer<'a> {
    /// Settings that do not change the result.
    pub(super) options: &'a TrainOptions,
    /// What is trained.
    pub(super) recipe: &'a Recipe,
    /// The training split.
    pub(super) corpus: &'a Corpus,
    /// Augmented clips, from which batches are drawn.
    pub(super) reservoir: Reservoir,
    /// Normalisation of the features.
    pub(super) norm: Norm,
    /// Shapes of the parameters.
    pub(super) shapes: [[usize; 2]; 8],
    /// Device with differentiation.
    pub(super) device: Device,
    /// The same device without.
    pub(super) plain: Device,
    /// Buffers of the layer.
    pub(super) workspace: Workspace,
    /// Parameters.
    pub(super) values: Vec<Tensor<2>>,
    /// Their running average.
    pub(super) average: Values,
    /// The optimiser's state.
    pub(super) optimiser: Optimiser,
    /// Last states of the batch before, within a part.
    pub(super) state: Option<State>,
    /// Steps done.
    pub(super) step: u64,
    /// The current epoch so far.
    pub(super) tally: Tally,
    /// Epoch, validation result and average of the selected epoch.
    pub(super) best: Option<(usize, TrainedMetrics, Values)>,
    /// Seconds before this process.
    pub(super) before: f64,
    /// When this process started.
    pub(super) started: Instant,
    /// When the last checkpoint was written.
    pub(super) saved: Instant,
}

impl<'a> Trainer<'a> {
    /// Whether the run was asked to stop.
    pub(super) fn stopping(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    /// Steps of the floating-point or the quantised part.
    pub(super) fn steps_of(&self, quantised: bool) -> u64 {
        let t = &self.recipe.training;
        (if quantised {
            t.quantised_epochs
        } else {
            t.float_epochs
        } * t.steps_per_epoch) as u64
    }

    /// Steps of both parts.
    pub(super) fn total(&self) -> u64 {
        self.steps_of(false) + self.steps_of(true)
    }

    /// Whether `step` belongs to the quantised part, and its number there.
    pub(super) fn part(&self, step: u64) -> (bool, u64) {
        let float = self.steps_of(false);
        (
            step >= float,
            if step >= float { step - float } else { step },
        )
    }

    /// The network with the arithmetic of a part, on `device`.
    pub(super) fn network(&self, quantised: bool, device: &Device) -> Network<'a> {
        Network {
            recipe: self.recipe,
            spec: self.recipe.spec(quantised),
            classes: self.corpus.labels().len(),
            fused: self.options.backend == Backend::Cpu,
            workspace: self.workspace.clone(),
            device: device.clone(),
        }
    }

    /// Seconds spent, over all resumed runs.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

/// Values of a tensor; empty if the device fails, which the next use reports.
pub(super) fn host(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap_or_default()
}
