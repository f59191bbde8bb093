//! The gate between the prediction and the update pass.
use crate::train::math::exp;

/// A gate between the two passes, per output channel.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'a> {
    /// Thresholds, real.
    pub threshold: &'a [f32],
    /// Slopes of the surrogate, per real unit.
    pub alpha: &'a [f32],
    /// Channels that open together.
    pub group: usize,
    /// The gate's gradient passes only where it is open.
    pub sparse: bool,
}

/// What a gate leaves behind for one image, `[outputs]` each; empty where no
/// backward pass follows.
pub struct GateTape<'a> {
    /// `d mask / d h * l`, the factor of the surrogate's gradient.
    pub slope: &'a mut [f32],
    /// 1 where open, else 0.
    pub mask: &'a mut [u8],
}

/// The gate over one row of pixels; returns how many outputs are open.
#[inline(always)]
pub(super) fn combine(
    gate: &Gate<'_>,
    scale: &[f32],
    high: &[f32],
    low: &[f32],
    out: &mut [f32],
    mut tape: Option<(&mut [f32], &mut [u8])>,
) -> u64 {
    let n = scale.len();
    let (threshold, alpha) = (&gate.threshold[..n], &gate.alpha[..n]);
    let closed = if gate.sparse { 0.0 } else { 1.0 };
    let mut opened = 0u64;
    for (p, out) in out.chunks_exact_mut(n).enumerate() {
        let (high, low) = (&high[p * n..][..n], &low[p * n..][..n]);
        let mut open = 0.0f32;
        for c in 0..n {
            let (h, l) = (high[c] * scale[c], low[c] * scale[c]);
            let mask = if h > threshold[c] { 1.0 } else { 0.0 };
            open += mask;
            out[c] = h + mask * l;
        }
        if let Some((slope, mask)) = &mut tape {
            let (slope, mask) = (&mut slope[p * n..][..n], &mut mask[p * n..][..n]);
            for c in 0..n {
                let (h, l) = (high[c] * scale[c], low[c] * scale[c]);
                let margin = h - threshold[c];
                let e = exp(-(alpha[c] * margin).abs());
                let s = l * alpha[c] * e / ((1.0 + e) * (1.0 + e));
                slope[c] = if margin > 0.0 { s } else { s * closed };
                mask[c] = u8::from(margin > 0.0);
            }
        }
        if gate.group > 1 {
            open = grouped(gate, scale, high, low, out, &mut tape, p);
        }
        opened += open as u64;
    }
    opened
}

/// One pixel where channels open together: all of a group if any of them would.
/// A channel that decides otherwise than its group passes no gradient.
#[inline(always)]
fn grouped(
    gate: &Gate<'_>,
    scale: &[f32],
    high: &[f32],
    low: &[f32],
    out: &mut [f32],
    tape: &mut Option<(&mut [f32], &mut [u8])>,
    pixel: usize,
) -> f32 {
    let n = scale.len();
    let mut open = 0.0;
    for first in (0..n).step_by(gate.group) {
        let group = first..(first + gate.group).min(n);
        let own = |c: usize| high[c] * scale[c] > gate.threshold[c];
        let any = group.clone().any(own);
        for c in group {
            if any {
                out[c] = (high[c] + low[c]) * scale[c];
                open += 1.0;
            }
            if let Some((slope, mask)) = tape {
                mask[pixel * n + c] = u8::from(any);
                if own(c) != any {
                    slope[pixel * n + c] = 0.0;
                }
            }
        }
    }
    open
}
