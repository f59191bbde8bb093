//! The gate between prediction and update.
use crate::train::lstm::weights::Prepared;
use crate::train::lstm::{LstmSpec, Z_LIMIT};
use crate::train::math::exp;

/// Gate of one clip and frame: turns accumulators into `z_hb` and the slope of
/// the surrogate, writes the clamped pre-activation, returns the open rows.
#[inline(always)]
pub(super) fn gate(
    spec: &LstmSpec,
    weights: &Prepared,
    training: bool,
    z_hb: &mut [f32],
    z_lb: &mut [f32],
    z: &mut [f32],
) -> u32 {
    let n = z.len();
    let (z_hb, z_lb) = (&mut z_hb[..n], &mut z_lb[..n]);
    let (scale, bias) = (&weights.row_scale[..n], &weights.bias[..n]);
    let threshold = &weights.threshold[..n];
    let alpha = spec.alpha;
    let closed_slope = if spec.sparse_backprop { 0.0 } else { 1.0 };
    let mut open = 0u32;
    for k in 0..n {
        let high = z_hb[k] * scale[k] + bias[k];
        let low = z_lb[k] * scale[k];
        let margin = threshold[k] - high.abs();
        let mask = if margin > 0.0 { 1.0 } else { 0.0 };
        open += u32::from(margin > 0.0);
        z[k] = (high + mask * low).clamp(-Z_LIMIT, Z_LIMIT);
        z_hb[k] = high;
        if training {
            // low * alpha * sigmoid'(alpha * margin), for d mask / d threshold.
            let e = exp(-(alpha * margin).abs());
            let slope = alpha * e / ((1.0 + e) * (1.0 + e));
            z_lb[k] = low * slope * if margin > 0.0 { 1.0 } else { closed_slope };
        }
    }
    open
}
