//! AdamW (Burn's) with a learning rate per role, and a weight average.
use super::network::{ROLES, Role, Values};
use super::recipe::Recipe;
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};

/// Learning rate of a role at step `step` of a part with `steps` steps: linear
/// warm-up, then half a cosine down to zero.
pub fn learning_rate(recipe: &Recipe, role: Role, quantised: bool, step: u64, steps: u64) -> f64 {
    let t = &recipe.training;
    let peak = match role {
        Role::Threshold => t.threshold_learning_rate,
        Role::Scale => t.scale_learning_rate,
        _ if quantised => t.quantised_learning_rate,
        _ => t.learning_rate,
    };
    let warmup = if quantised {
        t.quantised_warmup_steps
    } else {
        t.warmup_steps
    };
    let warm = (step + 1) as f64 / warmup.max(1) as f64;
    let progress = step as f64 / steps.max(1) as f64;
    peak * warm.min(1.0) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

/// State of the optimiser.
pub struct Optimiser {
    decayed: AdamW,
    plain: AdamW,
    states: Vec<Option<AdamWState<2>>>,
}

/// Host copy of the state of one parameter: steps taken, both moments.
pub type Moments = Option<(usize, Vec<f32>, Vec<f32>)>;

impl Optimiser {
    /// A fresh optimiser.
    pub fn new(recipe: &Recipe) -> Self {
        let build = |decay| {
            AdamWConfig::new()
                .with_weight_decay(decay)
                .with_epsilon(1e-8)
                .build()
        };
        Self {
            decayed: build(recipe.training.weight_decay),
            plain: build(0.0),
            states: ROLES.iter().map(|_| None).collect(),
        }
    }

    /// Updates parameter `k`.
    pub fn step(
        &mut self,
        k: usize,
        rate: f64,
        value: Tensor<2>,
        gradient: Tensor<2>,
    ) -> Tensor<2> {
        let optimiser = if ROLES[k] == Role::Matrix {
            &self.decayed
        } else {
            &self.plain
        };
        let (value, state) = optimiser.step(rate, value, gradient, self.states[k].take());
        self.states[k] = state;
        value
    }

    /// Copies the state to the host.
    pub fn moments(&self) -> Vec<Moments> {
        let host = |t: &Tensor<2>| {
            t.clone()
                .into_data()
                .try_to_vec::<f32>()
                .unwrap_or_default()
        };
        self.states
            .iter()
            .map(|s| {
                s.as_ref().map(|s| {
                    (
                        s.momentum.time,
                        host(&s.momentum.moment_1),
                        host(&s.momentum.moment_2),
                    )
                })
            })
            .collect()
    }

    /// Restores a state; `shapes` are those of the parameters.
    pub fn restore(&mut self, moments: Vec<Moments>, shapes: &[[usize; 2]; 8], device: &Device) {
        let tensor = |v, shape| Tensor::from_data(TensorData::new(v, shape), device);
        for ((state, moments), shape) in self.states.iter_mut().zip(moments).zip(shapes) {
            *state = moments.map(|(time, m1, m2)| {
                let mut momentum =
                    AdaptiveMomentumState::new(time, tensor(m1, *shape), tensor(m2, *shape));
                momentum.time = time;
                AdamWState::new(momentum)
            });
        }
    }
}

/// Moves the average towards `values`. `step` counts from the start of the
/// part; early steps weigh more, so that the start is soon forgotten.
pub fn average(average: &mut Values, values: &[Vec<f32>], decay: f32, step: u64) {
    let decay = decay.min((1 + step) as f32 / (10 + step) as f32);
    for (a, v) in average.iter_mut().zip(values) {
        for (a, v) in a.iter_mut().zip(v) {
            *a += (1.0 - decay) * (v - *a);
        }
    }
}
