//! What a pass starts from, quantised and split into digits.
use super::tape::Shard;
use crate::train::lstm::weights::Prepared;
use crate::train::lstm::{Arithmetic, LstmSpec};
use crate::train::math::round_half_up;

/// Input of one pass, batch-major.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Clips, `B`.
    pub batch: usize,
    /// Frames, `T`.
    pub frames: usize,
    /// Normalised features `[B, T, I]`.
    pub x: &'a [f32],
    /// Factors of the features' codes `[B, T, I]`, for dropout; `None` is 1.
    pub mask: Option<&'a [f32]>,
    /// Hidden state before the first frame, `[B, H]`; `None` is zero.
    pub hidden: Option<&'a [f32]>,
    /// Cell state before the first frame, `[B, H]`; `None` is zero.
    pub cell: Option<&'a [f32]>,
}

/// How codes are cut into digits.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// Value of one unit of the digit, `2^(B - B_hb)`.
    digit: f32,
    inverse: f32,
    half: f32,
}

impl Cut {
    pub(super) fn of(spec: &LstmSpec) -> Self {
        let digit = spec.digit();
        Self {
            digit,
            inverse: 1.0 / digit,
            half: spec.half(),
        }
    }

    /// The value of a code's digit, and the rest.
    #[inline(always)]
    pub(super) fn split(self, code: f32) -> (f32, f32) {
        let hb = (code * self.inverse + self.half).floor() * self.digit;
        (hb, code - hb)
    }
}

/// [`Shard::load_inputs`], compiled for the processor it runs on.
//
// `pulp` compiles `with_simd` once per instruction set and picks one when the
// program runs. A closure would do, were it certain to be inlined there.
pub(super) struct LoadInputs<'a> {
    /// Where the codes go.
    pub shard: &'a mut Shard,
    /// Properties of the layer.
    pub spec: &'a LstmSpec,
    /// Weights and scales.
    pub weights: &'a Prepared,
    /// Input of the whole batch.
    pub inputs: &'a Inputs<'a>,
    /// First clip of the shard.
    pub start: usize,
}

impl pulp::WithSimd for LoadInputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.shard
            .load_inputs(self.spec, self.weights, self.inputs, self.start);
    }
}

impl Shard {
    /// Quantises and splits the features of this shard, time-major.
    #[inline(always)]
    fn load_inputs(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        inputs: &Inputs<'_>,
        start: usize,
    ) {
        let (r, t, i) = (self.clips, inputs.frames, spec.inputs);
        let (inverse, max) = (1.0 / weights.scale_x, spec.code_max());
        let cut = Cut::of(spec);
        let (mut changed, mut entries) = (0u32, 0u64);
        for clip in 0..r {
            for frame in 0..t {
                let source = &inputs.x[((start + clip) * t + frame) * i..][..i];
                let at = (frame * r + clip) * i;
                match spec.arithmetic {
                    Arithmetic::Float => self.x_hb[at..at + i].copy_from_slice(source),
                    Arithmetic::Uniform => {
                        for (q, x) in self.x_hb[at..at + i].iter_mut().zip(source) {
                            *q = round_half_up(x * inverse).clamp(-max, max);
                        }
                    }
                    Arithmetic::Gated => {
                        let (before, now) = self.x_hb.split_at_mut(at);
                        let now = &mut now[..i];
                        let lb = &mut self.x_lb[at..at + i];
                        for ((hb, lb), x) in now.iter_mut().zip(lb).zip(source) {
                            let q = round_half_up(x * inverse).clamp(-max, max);
                            (*hb, *lb) = cut.split(q);
                        }
                        // Before the first frame every digit is zero.
                        let mut steps = 0.0f32;
                        if frame == 0 {
                            for a in now.iter() {
                                changed += u32::from(*a != 0.0);
                                steps += a.abs();
                            }
                        } else {
                            let before = &before[at - r * i..at - r * i + i];
                            for (a, b) in now.iter().zip(before) {
                                changed += u32::from(a != b);
                                steps += (a - b).abs();
                            }
                        }
                        entries += (steps / cut.digit) as u64;
                    }
                }
                if let Some(mask) = inputs.mask {
                    let mask = &mask[((start + clip) * t + frame) * i..][..i];
                    scale(&mut self.x_hb[at..at + i], mask);
                    if spec.gated() {
                        scale(&mut self.x_lb[at..at + i], mask);
                    }
                }
            }
        }
        self.stats.changed += u64::from(changed);
        self.stats.entries += entries;
    }

    /// Loads the starting hidden codes and cell state.
    pub(super) fn load_state(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        inputs: &Inputs<'_>,
        start: usize,
    ) {
        let (r, h) = (self.clips, spec.hidden);
        let range = start * h..(start + r) * h;
        match inputs.cell {
            Some(cell) => self.cell[..r * h].copy_from_slice(&cell[range.clone()]),
            None => self.cell[..r * h].fill(0.0),
        }
        let Some(hidden) = inputs.hidden.map(|v| &v[range]) else {
            self.h_hb[..r * h].fill(0.0);
            if spec.gated() {
                self.h_lb[..r * h].fill(0.0);
            }
            return;
        };
        let (max, cut) = (spec.code_max(), Cut::of(spec));
        for (k, value) in hidden.iter().enumerate() {
            let code = if spec.quantised() {
                round_half_up(value / weights.scale_h).clamp(-max, max)
            } else {
                *value
            };
            if spec.gated() {
                (self.h_hb[k], self.h_lb[k]) = cut.split(code);
            } else {
                self.h_hb[k] = code;
            }
        }
    }
}

/// Multiplies values by factors.
#[inline(always)]
fn scale(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
}
