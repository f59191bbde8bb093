//! The gate between prediction and update.
use crate::train::lstm::weights::Prepared;
use crate::train::lstm::{LstmSpec, Z_LIMIT};
use crate::train::math::exp;

/// For every unit, 1 where the rows of its group are open, else 0; `masks` has
/// one number per unit.
#[inline(always)]
pub(in crate::train::lstm) fn group_masks(
    spec: &LstmSpec,
    units: usize,
    threshold: &[f32],
    z_hb: &[f32],
    masks: &mut [f32],
) {
    masks.fill(0.0);
    let gates = z_hb.chunks_exact(spec.hidden);
    for (z_hb, threshold) in gates.zip(threshold.chunks_exact(spec.hidden)) {
        for ((mask, z), t) in masks.iter_mut().zip(z_hb).zip(threshold) {
            *mask = if spec.margin(*z, *t) > 0.0 {
                1.0
            } else {
                *mask
            };
        }
    }
    if units > 1 {
        for group in masks.chunks_exact_mut(units) {
            let any = group.iter().fold(0.0, |any: f32, m| any.max(*m));
            group.fill(any);
        }
    }
}

/// Gate of one clip and frame: turns accumulators into `z_hb` and the slope of
/// the surrogate, writes the clamped pre-activation, returns the open rows.
/// `masks` is room for one number per unit.
#[inline(always)]
pub(super) fn gate(
    spec: &LstmSpec,
    weights: &Prepared,
    training: bool,
    z_hb: &mut [f32],
    z_lb: &mut [f32],
    masks: &mut [f32],
    z: &mut [f32],
) -> u32 {
    let n = z.len();
    let (z_hb, z_lb) = (&mut z_hb[..n], &mut z_lb[..n]);
    let (scale, bias) = (&weights.row_scale[..n], &weights.bias[..n]);
    let threshold = &weights.threshold[..n];
    for k in 0..n {
        z_hb[k] = z_hb[k] * scale[k] + bias[k];
        z_lb[k] *= scale[k];
    }
    let Some(units) = spec.group.units() else {
        return rows(spec, training, threshold, z_hb, z_lb, z, |own, _| own);
    };
    group_masks(spec, units, threshold, z_hb, masks);
    let h = spec.hidden;
    let mut open = 0;
    for gate in 0..4 {
        let at = gate * h..(gate + 1) * h;
        open += rows(
            spec,
            training,
            &threshold[at.clone()],
            &z_hb[at.clone()],
            &mut z_lb[at.clone()],
            &mut z[at],
            |_, k| masks[k],
        );
    }
    open
}

/// The rows of one run: `mask` gives the mask of a row from what the row itself
/// would decide, and from its place in the run.
#[inline(always)]
fn rows(
    spec: &LstmSpec,
    training: bool,
    threshold: &[f32],
    z_hb: &[f32],
    z_lb: &mut [f32],
    z: &mut [f32],
    mask: impl Fn(f32, usize) -> f32,
) -> u32 {
    let n = z.len();
    let (threshold, z_hb, z_lb) = (&threshold[..n], &z_hb[..n], &mut z_lb[..n]);
    let alpha = spec.alpha;
    let closed_slope = if spec.sparse_backprop { 0.0 } else { 1.0 };
    let mut open = 0.0f32;
    for k in 0..n {
        let (high, low) = (z_hb[k], z_lb[k]);
        let margin = spec.margin(high, threshold[k]);
        let own = if margin > 0.0 { 1.0 } else { 0.0 };
        let mask = mask(own, k);
        open += mask;
        z[k] = (high + mask * low).clamp(-Z_LIMIT, Z_LIMIT);
        if training {
            // low * alpha * sigmoid'(alpha * margin), for d mask / d threshold.
            let e = exp(-(alpha * margin).abs());
            let slope = alpha * e / ((1.0 + e) * (1.0 + e));
            let passes = if own == 1.0 { 1.0 } else { closed_slope };
            let decides = if own == mask { passes } else { 0.0 };
            z_lb[k] = low * slope * decides;
        }
    }
    open as u32
}
