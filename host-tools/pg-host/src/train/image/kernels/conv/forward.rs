//! The forward pass of one image.
use super::gate::combine;
use super::{Counts, Gate, GateTape, Geometry, Scratch, Weights, zeroed};
use crate::train::image::kernels::norm;
use crate::train::image::kernels::pad::{Digits, digits};
use crate::train::image::kernels::tile::Product;
use pulp::Simd;

/// One image: `out[i] = scale_x * scale_w * (w * code)`, gated if there is a
/// gate. `sums` (`[2, C_out]`) gets the sums of outputs and their squares.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn forward<S: Simd>(
    simd: S,
    g: &Geometry,
    split: Digits,
    codes: &[f32],
    scale_x: f32,
    weights: &Weights,
    gate: Option<Gate<'_>>,
    tape: GateTape<'_>,
    scratch: &mut Scratch,
    out: &mut [f32],
    sums: &mut [f32],
) -> Counts {
    let [height, width, n] = g.output;
    let split = if gate.is_some() { split } else { Digits::Whole };
    zeroed(&mut scratch.hi, g.padded());
    if gate.is_some() {
        zeroed(&mut scratch.lo, g.padded());
    }
    let digits = digits(
        codes,
        g.input,
        g.pad,
        split,
        &mut scratch.hi,
        &mut scratch.lo,
    );
    let mut counts = Counts { open: 0, digits };
    let row = width * n;
    scratch.rows.iter_mut().for_each(|r| r.resize(row, 0.0));
    let scale: Vec<f32> = weights.scale.iter().map(|s| s * scale_x).collect();
    let [high, low] = &mut scratch.rows;
    for y in 0..height {
        row_product(simd, g, weights, y, &scratch.hi, high);
        let out = &mut out[y * row..][..row];
        match gate {
            None => {
                for (out, z) in out.chunks_exact_mut(n).zip(high.chunks_exact(n)) {
                    for ((out, z), s) in out.iter_mut().zip(z).zip(&scale) {
                        *out = z * s;
                    }
                }
            }
            Some(gate) => {
                row_product(simd, g, weights, y, &scratch.lo, low);
                let tape = if tape.mask.is_empty() {
                    None
                } else {
                    Some((
                        &mut tape.slope[y * row..][..row],
                        &mut tape.mask[y * row..][..row],
                    ))
                };
                counts.open += combine(&gate, &scale, high, low, out, tape);
            }
        }
        norm::add_sums(out, n, sums);
    }
    counts
}

/// Output row `y` of the convolution of a padded map.
#[inline(always)]
fn row_product<S: Simd>(
    simd: S,
    g: &Geometry,
    weights: &Weights,
    y: usize,
    from: &[f32],
    to: &mut [f32],
) {
    let taps = g.kernel * g.input[2];
    Product {
        a: &from[y * g.stride * g.padded_row()..],
        a_row: g.stride * g.input[2],
        a_column: 1,
        a_segment: g.padded_row(),
        b: &weights.forward,
        b_segment: taps * g.output[2],
        segments: g.kernel,
        m: g.output[1],
        n: g.output[2],
        k: taps,
        c: to,
        accumulate: false,
    }
    .run(simd);
}
