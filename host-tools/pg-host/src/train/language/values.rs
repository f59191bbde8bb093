//! The parameters, and what they start as.
use super::recipe::LanguageRecipe;
use crate::train::lstm::LstmSpec;
use crate::train::random::{Purpose, stream, uniform};
use crate::train::recipe::Granularity;

/// Bound of the embeddings and of the projection's weights at the start.
const BOUND: f32 = 0.1;

/// The parameters, row-major: V words, E numbers each, H hidden units, N = 4H
/// rows in the order of the gates i, f, g, o.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// `[V, E]`.
    pub embedding: Vec<f32>,
    /// `[N, E]`.
    pub w_x: Vec<f32>,
    /// `[N, H]`.
    pub w_h: Vec<f32>,
    /// `[N]`.
    pub bias: Vec<f32>,
    /// Thresholds: one per row, per gate, or one.
    pub threshold: Vec<f32>,
    /// Logarithms of the scales of embeddings and of hidden states.
    pub log_scale: Vec<f32>,
    /// `[V, H]`.
    pub head_w: Vec<f32>,
    /// `[V]`.
    pub head_b: Vec<f32>,
}

impl Values {
    /// What a run starts from: uniform numbers, a forget bias of 1.
    pub fn initial(recipe: &LanguageRecipe, words: usize) -> Self {
        let (e, h) = (recipe.model.embedding, recipe.model.hidden);
        let mut rng = stream(recipe.seed, Purpose::Initial, 0);
        let mut draw = |n: usize, bound: f32| -> Vec<f32> {
            (0..n).map(|_| uniform(&mut rng, -bound, bound)).collect()
        };
        let small = 1.0 / (h as f32).sqrt();
        let mut bias = vec![0.0; 4 * h];
        bias[h..2 * h].fill(1.0);
        let thresholds = match recipe.gate.granularity {
            Granularity::Row => 4 * h,
            Granularity::Gate => 4,
            Granularity::Layer => 1,
        };
        Self {
            embedding: draw(words * e, BOUND),
            w_x: draw(4 * h * e, small),
            w_h: draw(4 * h * h, small),
            bias,
            threshold: vec![recipe.gate.threshold; thresholds],
            log_scale: vec![0.0; 2],
            head_w: draw(words * h, BOUND),
            head_b: vec![0.0; words],
        }
    }

    /// Names and values, in order.
    pub fn list(&self) -> [(&'static str, &[f32]); 8] {
        [
            ("embedding", &self.embedding),
            ("w_x", &self.w_x),
            ("w_h", &self.w_h),
            ("bias", &self.bias),
            ("threshold", &self.threshold),
            ("log_scale", &self.log_scale),
            ("head_w", &self.head_w),
            ("head_b", &self.head_b),
        ]
    }

    /// The values that `get` gives for the names of [`Self::list`].
    ///
    /// # Errors
    /// The first error of `get`.
    pub fn from_list<E>(mut get: impl FnMut(&str) -> Result<Vec<f32>, E>) -> Result<Self, E> {
        Ok(Self {
            embedding: get("embedding")?,
            w_x: get("w_x")?,
            w_h: get("w_h")?,
            bias: get("bias")?,
            threshold: get("threshold")?,
            log_scale: get("log_scale")?,
            head_w: get("head_w")?,
            head_b: get("head_b")?,
        })
    }

    /// Scales of embeddings and of hidden states.
    pub fn scales(&self) -> [f32; 2] {
        [self.log_scale[0].exp(), self.log_scale[1].exp()]
    }

    /// One threshold per row, whatever is shared; empty without a gate.
    pub fn thresholds(&self, spec: &LstmSpec) -> Vec<f32> {
        let rows = if spec.gated() { spec.rows() } else { 0 };
        let shared = &self.threshold;
        (0..rows)
            .map(|row| shared[row * shared.len() / rows])
            .collect()
    }
}

/// Sums of the rows' gradients over those that share a threshold.
pub fn shared_gradient(rows: &[f32], shared: usize) -> Vec<f32> {
    let run = rows.len() / shared;
    rows.chunks(run.max(1)).map(|r| r.iter().sum()).collect()
}
