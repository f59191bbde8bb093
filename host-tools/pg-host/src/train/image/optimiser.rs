//! Stochastic gradient descent with momentum over all trained values at once,
//! with a rate and a decay for each.
use super::plan::Plan;
use super::recipe::{ImageRecipe, Mode};
use crate::network::Role;
use crate::train::random::{Purpose, normal, stream, uniform};
use burn::tensor::{Device, Tensor, TensorData};

/// Smallest range: a quantiser has to keep one.
const SMALLEST_CLIP: f32 = 1e-2;
/// Below any other value.
const NO_FLOOR: f32 = -3e38;

/// The optimiser and what it needs to know of every value, `[1, P]` each.
pub struct Optimiser {
    rate: Tensor<2>,
    decay: Tensor<2>,
    floor: Tensor<2>,
    /// 1 for thresholds that are learned.
    pub threshold: Tensor<2>,
    momentum: f32,
    /// Its state.
    pub velocity: Tensor<2>,
}

impl Optimiser {
    /// A fresh optimiser on `device`.
    pub fn new(plan: &Plan, recipe: &ImageRecipe, device: &Device) -> Self {
        let t = &recipe.training;
        let learned = recipe.mode == Mode::Pg;
        let vector = |of: &dyn Fn(Role) -> f32| {
            let mut v = vec![0.0f32; plan.trained];
            for p in plan.parameters.iter().filter(|p| !p.tracked()) {
                v[p.range.clone()].fill(of(p.parameter.role));
            }
            tensor(v, device)
        };
        let threshold_rate = if learned {
            t.threshold_learning_rate
        } else {
            0.0
        };
        Self {
            rate: vector(&|role| match role {
                Role::Threshold => threshold_rate as f32,
                Role::Clip => t.clip_learning_rate as f32,
                _ => t.learning_rate as f32,
            }),
            decay: vector(&|role| match role {
                Role::Weight | Role::Clip => t.weight_decay as f32,
                _ => 0.0,
            }),
            floor: vector(&|role| match role {
                Role::Clip => SMALLEST_CLIP,
                _ => NO_FLOOR,
            }),
            threshold: vector(&|role| match role {
                Role::Threshold if learned => 1.0,
                _ => 0.0,
            }),
            momentum: t.momentum as f32,
            velocity: tensor(vec![0.0; plan.trained], device),
        }
    }

    /// One step; `share` is that of the first learning rate.
    pub fn step(&mut self, share: f64, values: Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
        let gradient = gradient + values.clone() * self.decay.clone();
        self.velocity = self.velocity.clone() * self.momentum + gradient;
        let step = self.velocity.clone() * self.rate.clone() * share as f32;
        (values - step).max_pair(self.floor.clone())
    }
}

/// Host values as `[1, P]`.
pub fn tensor(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [1, n]), device)
}

/// Starting values, trained and tracked: weights normal with the variance that
/// keeps that of a ReLU's outputs (He et al., 2015), the head's uniform.
pub fn initial(plan: &Plan, recipe: &ImageRecipe) -> (Vec<f32>, Vec<f32>) {
    let mut rng = stream(recipe.seed, Purpose::Initial, 0);
    let (mut trained, mut tracked) = (vec![0.0; plan.trained], vec![0.0; plan.tracked]);
    for p in &plan.parameters {
        let shape = &p.parameter.shape;
        let fan = shape.iter().skip(1).product::<usize>().max(1) as f32;
        let all = if p.tracked() {
            &mut tracked
        } else {
            &mut trained
        };
        for v in &mut all[p.range.clone()] {
            *v = match p.parameter.role {
                Role::Weight if shape.len() == 2 => uniform(&mut rng, -1.0, 1.0) / fan.sqrt(),
                Role::Weight => normal(&mut rng) * (2.0 / fan).sqrt(),
                Role::Threshold => recipe.gate.threshold,
                Role::Gamma | Role::Variance => 1.0,
                Role::Clip => recipe.model.clip,
                Role::Beta | Role::Mean | Role::Bias => 0.0,
            };
        }
    }
    (trained, tracked)
}
