//! Fake-quantised weights in the layouts the two passes want.
use super::LstmSpec;
use crate::quantise::{Rows, join_columns, quantise_recurrent};

/// Borrowed parameters of the layer, row-major.
#[derive(Clone, Copy)]
pub struct WeightView<'a> {
    /// Input weights `[N, I]`, per unit of the normalised input.
    pub w_x: &'a [f32],
    /// Recurrent weights `[N, H]`.
    pub w_h: &'a [f32],
    /// Bias `[N]`.
    pub bias: &'a [f32],
    /// Gate thresholds `[N]` in units of `z`; empty without a gate.
    pub threshold: &'a [f32],
    /// Input scale: one input code step, in normalised units.
    pub scale_x: f32,
    /// Activation scale: one hidden code step.
    pub scale_h: f32,
}

/// Weights ready for a forward and backward pass.
#[derive(Default, Debug)]
pub struct Prepared {
    /// `[I, N]`: weight codes (real weights without quantisation), transposed.
    pub x_forward: Vec<f32>,
    /// `[H, N]`, likewise.
    pub h_forward: Vec<f32>,
    /// `[N, I]`: the same weights in real units, per unit of normalised input.
    pub x_backward: Vec<f32>,
    /// `[N, H]`: in real units.
    pub h_backward: Vec<f32>,
    /// `[N]`: real value of one accumulator unit.
    pub row_scale: Vec<f32>,
    /// `[N]`, a whole number of accumulator units.
    pub bias: Vec<f32>,
    /// `[N]`, empty without a gate.
    pub threshold: Vec<f32>,
    /// Input scale; 1 without quantisation.
    pub scale_x: f32,
    /// Activation scale; 1 without quantisation.
    pub scale_h: f32,
}

/// The layer's integers, by the exporter's own functions.
pub fn integers(spec: &LstmSpec, view: &WeightView<'_>) -> Rows {
    let joined = join_columns(
        (view.w_x, spec.inputs),
        (view.w_h, spec.hidden),
        view.scale_x,
        view.scale_h,
    );
    quantise_recurrent(
        &joined,
        view.bias,
        spec.columns(),
        spec.weight_bits,
        view.scale_h,
        spec.split(),
    )
}

impl Prepared {
    /// Quantises `view` per row over the concatenated columns.
    pub fn new(spec: &LstmSpec, view: &WeightView<'_>) -> Self {
        let (n, i, h) = (spec.rows(), spec.inputs, spec.hidden);
        let (w_x, w_h, row_scale, bias, scale_x, scale_h) = if spec.quantised() {
            let rows = integers(spec, view);
            let (mut x, mut r) = (Vec::with_capacity(n * i), Vec::with_capacity(n * h));
            for row in rows.codes.chunks_exact(spec.columns()) {
                x.extend_from_slice(&row[..i]);
                r.extend_from_slice(&row[i..]);
            }
            let row_scale: Vec<f32> = rows.units(view.scale_h).map(|u| u as f32).collect();
            let bias = (rows.bias.iter().zip(&row_scale)).map(|(b, u)| *b as f32 * u);
            let bias = bias.collect();
            (x, r, row_scale, bias, view.scale_x, view.scale_h)
        } else {
            (
                view.w_x.to_vec(),
                view.w_h.to_vec(),
                vec![1.0; n],
                view.bias.to_vec(),
                1.0,
                1.0,
            )
        };
        let real = |w: &[f32], columns: usize, scale: f32| -> Vec<f32> {
            let rows = w.chunks_exact(columns).zip(&row_scale);
            rows.flat_map(|(row, s)| row.iter().map(move |w| w * s / scale))
                .collect()
        };
        Self {
            x_forward: transpose(&w_x, i),
            h_forward: transpose(&w_h, h),
            x_backward: real(&w_x, i, scale_x),
            h_backward: real(&w_h, h, scale_h),
            row_scale,
            bias,
            threshold: if spec.gated() {
                view.threshold.to_vec()
            } else {
                Vec::new()
            },
            scale_x,
            scale_h,
        }
    }
}

fn transpose(w: &[f32], columns: usize) -> Vec<f32> {
    let rows = w.len() / columns;
    let mut out = vec![0.0; w.len()];
    for (r, row) in w.chunks_exact(columns).enumerate() {
        for (c, v) in row.iter().enumerate() {
            out[c * rows + r] = *v;
        }
    }
    out
}
