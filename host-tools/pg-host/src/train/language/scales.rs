//! The scales that quantised epochs start from.
use super::network::{Batch, Network};
use super::values::Values;
use crate::train::lstm::{Arithmetic, LstmSpec};
use crate::train::math::round_half_up;

/// Ranges tried.
const STEPS: usize = 64;

/// Scales of embeddings and of hidden states at which their codes differ least,
/// in squares, from what the floating-point network computes on `batch`.
pub fn fitted(spec: &LstmSpec, values: &Values, batch: &Batch) -> [f32; 2] {
    let max = spec.code_max();
    let e = spec.inputs;
    let rows = batch.inputs.iter().map(|word| *word as usize * e);
    let x: Vec<f32> = rows
        .flat_map(|row| &values.embedding[row..row + e])
        .copied()
        .collect();
    let mut network = Network::new(LstmSpec {
        arithmetic: Arithmetic::Float,
        ..*spec
    });
    [&x, network.hidden_states(values, batch)].map(|v| least_error(v, max))
}

/// The scale at which rounding `values` to `-max..=max` loses least.
fn least_error(values: &[f32], max: f32) -> f32 {
    let peak = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let mut best = (f64::MAX, 1.0);
    for step in (1..=STEPS).filter(|_| peak > 0.0) {
        let scale = peak * step as f32 / STEPS as f32 / max;
        let error: f64 = (values.iter())
            .map(|v| v - scale * round_half_up(v / scale).clamp(-max, max))
            .map(|e| f64::from(e * e))
            .sum();
        if error < best.0 {
            best = (error, scale);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_of_codes_is_found() {
        let codes: Vec<f32> = (-7..=7).map(|q| q as f32 * 0.25).collect();
        assert_eq!(least_error(&codes, 7.0), 0.25);
        // An outlier is cut off.
        let mut long: Vec<f32> = (0..900).map(|k| (k as f32 * 0.7).sin()).collect();
        long.push(8.0);
        assert!(least_error(&long, 7.0) < 0.7);
        assert_eq!(least_error(&[0.0; 4], 7.0), 1.0);
    }
}
