//! Plain gradient descent with a clipped gradient for weights and biases; Adam
//! for thresholds and scales, whose gradients have other sizes.
use super::network::Gradients;
use super::recipe::LanguageRecipe;
use super::values::{Values, shared_gradient};
use crate::model::GateTest;
use crate::train::recipe::Mode;
use rayon::prelude::*;

/// Numbers that a thread takes at a time.
const BLOCK: usize = 1 << 15;
/// Decay of Adam's two averages, and what keeps its quotient finite.
const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-8;

/// Adam's averages of the parameters it trains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Of the gradients.
    pub first: Vec<f32>,
    /// Of their squares.
    pub second: Vec<f32>,
}

/// State of the optimiser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Optimiser {
    /// Of thresholds and scales; empty before the first step.
    pub moments: [Moments; 2],
}

/// Learning rates of one step.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of weights and biases.
    pub weights: f32,
    /// Of thresholds and of scales.
    pub adam: [f32; 2],
}

impl Rates {
    /// The rates at step `step` of a part with `steps` steps: half a cosine
    /// down to zero.
    pub fn at(recipe: &LanguageRecipe, quantised: bool, step: u64, steps: u64) -> Self {
        let t = &recipe.training;
        let progress = step as f64 / steps.max(1) as f64;
        let share = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let peak = if quantised {
            t.quantised_learning_rate
        } else {
            t.learning_rate
        };
        Self {
            weights: (peak * share) as f32,
            adam: [t.threshold_learning_rate, t.scale_learning_rate].map(|r| (r * share) as f32),
        }
    }
}

impl Optimiser {
    /// Number `time`, from 1, of the steps of a part.
    pub fn step(
        &mut self,
        recipe: &LanguageRecipe,
        quantised: bool,
        rates: Rates,
        time: u64,
        values: &mut Values,
        g: &Gradients,
    ) {
        let norm = norm(g);
        let limit = recipe.training.clip_norm;
        let clip = if norm > limit { limit / norm } else { 1.0 };
        let rate = rates.weights * clip;
        for (values, gradient) in [
            (&mut values.w_x, &g.lstm.w_x),
            (&mut values.w_h, &g.lstm.w_h),
            (&mut values.bias, &g.lstm.bias),
            (&mut values.head_w, &g.head.w),
            (&mut values.head_b, &g.head.bias),
        ] {
            let blocks = values.par_chunks_mut(BLOCK);
            blocks
                .zip(gradient.par_chunks(BLOCK))
                .for_each(|(values, gradient)| descend(rate, values, gradient));
        }
        let e = g.embedding.len() / g.words.len().max(1);
        for (word, gradient) in g.words.iter().zip(g.embedding.chunks_exact(e.max(1))) {
            descend(
                rate,
                &mut values.embedding[*word as usize * e..][..e],
                gradient,
            );
        }
        if !quantised || recipe.mode == Mode::Float {
            return;
        }
        let [of_thresholds, of_scales] = &mut self.moments;
        if recipe.mode == Mode::Pg {
            let gate = &recipe.gate;
            let mut gradient = shared_gradient(&g.lstm.threshold, values.threshold.len());
            for (g, t) in gradient.iter_mut().zip(&values.threshold) {
                *g += 2.0 * gate.sigma * (t - gate.target);
            }
            of_thresholds.step(rates.adam[0], time, &mut values.threshold, &gradient);
            if gate.test == GateTest::Within {
                values.threshold.iter_mut().for_each(|t| *t = t.max(0.0));
            }
        }
        let scales = values.scales();
        let gradient = [g.lstm.scale_x * scales[0], g.lstm.scale_h * scales[1]];
        of_scales.step(rates.adam[1], time, &mut values.log_scale, &gradient);
    }
}

fn descend(rate: f32, values: &mut [f32], gradient: &[f32]) {
    values
        .iter_mut()
        .zip(gradient)
        .for_each(|(v, g)| *v -= rate * g);
}

/// Norm of the gradient of weights and biases.
fn norm(g: &Gradients) -> f32 {
    let parts: [&[f32]; 6] = [
        &g.embedding,
        &g.lstm.w_x,
        &g.lstm.w_h,
        &g.lstm.bias,
        &g.head.w,
        &g.head.bias,
    ];
    // Block by block, in order: the sum does not depend on the threads.
    let sums = parts.map(|part| -> f64 {
        let blocks: Vec<f64> = (part.par_chunks(BLOCK))
            .map(|b| f64::from(squares(b)))
            .collect();
        blocks.iter().sum()
    });
    sums.iter().sum::<f64>().sqrt() as f32
}

/// Sum of squares, in lanes that the compiler can keep apart.
fn squares(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for chunk in values.chunks(16) {
        for (sum, v) in lanes.iter_mut().zip(chunk) {
            *sum += v * v;
        }
    }
    lanes.iter().sum()
}

impl Moments {
    fn step(&mut self, rate: f32, time: u64, values: &mut [f32], gradient: &[f32]) {
        self.first.resize(values.len(), 0.0);
        self.second.resize(values.len(), 0.0);
        let [b1, b2] = BETAS;
        let correct = [b1, b2].map(|b| 1.0 - b.powf(time as f32));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((v, g), (m1, m2)) in values.iter_mut().zip(gradient).zip(moments) {
            *m1 = b1 * *m1 + (1.0 - b1) * g;
            *m2 = b2 * *m2 + (1.0 - b2) * g * g;
            *v -= rate * (*m1 / correct[0]) / ((*m2 / correct[1]).sqrt() + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_moves_by_its_rate_where_the_gradient_is_steady() {
        let mut moments = Moments::default();
        let mut values = [1.0, -2.0, 0.5];
        for time in 1..=50 {
            moments.step(0.01, time, &mut values, &[3.0, -1e-3, 0.0]);
        }
        for (v, expected) in values.iter().zip([0.5, -1.5, 0.5]) {
            assert!((v - expected).abs() < 1e-3, "{values:?}");
        }
    }

    #[test]
    fn rates_fall_to_zero() {
        let recipe = LanguageRecipe::parse(super::super::recipe::BUILT_IN.1).unwrap();
        let at = |step| Rates::at(&recipe, false, step, 100).weights;
        assert_eq!(at(0), 20.0);
        assert!((at(50) - 10.0).abs() < 1e-4 && at(99) < 0.02);
    }
}
