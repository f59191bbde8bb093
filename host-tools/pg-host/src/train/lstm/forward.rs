//! Forward pass over a whole sequence, on slices.
//!
//! The batch is cut into shards of a fixed size, each of which runs through
//! all frames on one thread: no synchronisation inside the sequence, and the
//! result does not depend on the number of threads.
use super::weights::{Prepared, WeightView};
use super::{Arithmetic, CELL_LIMIT, LstmSpec, Z_LIMIT};
use crate::train::math::{exp, round_half_up, sigmoid, tanh};
use crate::train::matmul::{Operand, product};
use rayon::prelude::*;

/// Clips one thread carries through the sequence.
const SHARD: usize = 25;

/// Input of one pass, batch-major.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Clips, `B`.
    pub batch: usize,
    /// Frames, `T`.
    pub frames: usize,
    /// Normalised features `[B, T, I]`.
    pub x: &'a [f32],
    /// Hidden state before the first frame, `[B, H]`; `None` is zero.
    pub hidden: Option<&'a [f32]>,
    /// Cell state before the first frame, `[B, H]`; `None` is zero.
    pub cell: Option<&'a [f32]>,
}

/// What the gates did, summed over clips and frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Gate pre-activations computed.
    pub outputs: u64,
    /// Of these, outputs whose update pass ran.
    pub open: u64,
    /// Activation columns seen.
    pub columns: u64,
    /// Of these, columns whose most significant digit differs from the frame before.
    pub changed: u64,
}

impl Stats {
    /// Share of closed outputs, `Sp`.
    pub fn sparsity(&self) -> f64 {
        if self.outputs == 0 {
            0.0
        } else {
            1.0 - self.open as f64 / self.outputs as f64
        }
    }

    /// Share of columns whose digit changed.
    pub fn changed_share(&self) -> f64 {
        if self.columns == 0 {
            1.0
        } else {
            self.changed as f64 / self.columns as f64
        }
    }

    /// Multiply-accumulates executed over those of a dense pass: a changed
    /// column costs one per row, an open row one per column.
    pub fn executed_share(&self) -> f64 {
        self.changed_share() + 1.0 - self.sparsity()
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.outputs += other.outputs;
        self.open += other.open;
        self.columns += other.columns;
        self.changed += other.changed;
    }
}

/// Everything the backward pass needs, kept between steps so that no memory is
/// allocated once the shapes are known.
#[derive(Default, Debug)]
pub struct Tape {
    pub(super) weights: Prepared,
    pub(super) shards: Vec<Shard>,
    pub(super) batch: usize,
    pub(super) frames: usize,
    /// Counts of the last forward pass.
    pub stats: Stats,
}

/// Buffers of one shard; time-major, `R` clips.
#[derive(Default, Debug)]
pub(super) struct Shard {
    pub clips: usize,
    /// `[T, R, I]` prediction operand (the whole code without a gate).
    pub x_hb: Vec<f32>,
    /// `[T, R, I]` update operand.
    pub x_lb: Vec<f32>,
    /// `[T + 1, R, H]` likewise for the hidden state; row 0 is the start.
    pub h_hb: Vec<f32>,
    pub h_lb: Vec<f32>,
    /// `[T + 1, R, H]` cell state.
    pub cell: Vec<f32>,
    /// `[T, R, H]` tanh of the cell state.
    pub tanh_cell: Vec<f32>,
    /// `[T, R, N]` prediction `z_hb`; backward: its gradient.
    pub z_hb: Vec<f32>,
    /// `[T, R, N]` update `z_lb`, then the surrogate slope; backward: its gradient.
    pub z_lb: Vec<f32>,
    /// `[T, R, N]` gate activations.
    pub gates: Vec<f32>,
    pub stats: Stats,
}

impl Shard {
    fn resize(&mut self, spec: &LstmSpec, clips: usize, frames: usize) {
        let (i, h, n) = (spec.inputs, spec.hidden, spec.rows());
        let second = usize::from(spec.gated());
        self.clips = clips;
        self.x_hb.resize(frames * clips * i, 0.0);
        self.x_lb.resize(second * frames * clips * i, 0.0);
        self.h_hb.resize((frames + 1) * clips * h, 0.0);
        self.h_lb.resize(second * (frames + 1) * clips * h, 0.0);
        self.cell.resize((frames + 1) * clips * h, 0.0);
        self.tanh_cell.resize(frames * clips * h, 0.0);
        self.z_hb.resize(frames * clips * n, 0.0);
        self.z_lb.resize(second * frames * clips * n, 0.0);
        self.gates.resize(frames * clips * n, 0.0);
        self.stats = Stats::default();
    }
}

/// Clips of each shard of a batch.
pub(super) fn shard_sizes(batch: usize) -> Vec<usize> {
    let count = batch.div_ceil(SHARD).max(1);
    (0..count)
        .map(|s| (s + 1) * batch / count - s * batch / count)
        .collect()
}

/// Runs the layer over a batch and writes the (fake-quantised) hidden states
/// `[B, T, H]` to `out`. `tape` then holds what [`super::backward`] needs;
/// `training = false` skips what only the backward pass would use.
///
/// # Panics
/// When a slice does not have the stated shape.
pub fn forward(
    spec: &LstmSpec,
    weights: &WeightView<'_>,
    inputs: &Inputs<'_>,
    training: bool,
    tape: &mut Tape,
    out: &mut [f32],
) {
    let (batch, frames) = (inputs.batch, inputs.frames);
    assert_eq!(
        inputs.x.len(),
        batch * frames * spec.inputs,
        "features have another shape"
    );
    assert_eq!(
        out.len(),
        batch * frames * spec.hidden,
        "output has another shape"
    );
    assert_eq!(weights.bias.len(), spec.rows(), "bias has another shape");
    assert!(
        !spec.gated() || weights.threshold.len() == spec.rows(),
        "one threshold per row"
    );
    tape.weights = Prepared::new(spec, weights);
    tape.batch = batch;
    tape.frames = frames;
    let sizes = shard_sizes(batch);
    tape.shards.resize_with(sizes.len(), Shard::default);
    let prepared = &tape.weights;
    let mut jobs = Vec::with_capacity(sizes.len());
    let mut rest = out;
    let mut start = 0;
    for (shard, clips) in tape.shards.iter_mut().zip(sizes) {
        let (mine, tail) = rest.split_at_mut(clips * frames * spec.hidden);
        rest = tail;
        jobs.push((shard, clips, start, mine));
        start += clips;
    }
    jobs.into_par_iter().for_each(|(shard, clips, start, out)| {
        shard.resize(spec, clips, frames);
        shard.run(spec, prepared, inputs, start, training, out);
    });
    tape.stats = Stats::default();
    for shard in &tape.shards {
        tape.stats.add(&shard.stats);
    }
}

/// Splits a code into the value of its digit and the rest; `digit = 2^(B - B_hb)`.
#[inline(always)]
fn split(code: f32, digit: f32, inverse: f32) -> (f32, f32) {
    let hb = round_half_up(code * inverse) * digit;
    (hb, code - hb)
}

// `pulp` compiles `with_simd` once per instruction set and picks one when the
// program runs. A closure would do, were it certain to be inlined there.
struct LoadInputs<'a> {
    shard: &'a mut Shard,
    spec: &'a LstmSpec,
    weights: &'a Prepared,
    inputs: &'a Inputs<'a>,
    start: usize,
}

impl pulp::WithSimd for LoadInputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.shard
            .load_inputs(self.spec, self.weights, self.inputs, self.start);
    }
}

struct Frame<'a> {
    shard: &'a mut Shard,
    spec: &'a LstmSpec,
    weights: &'a Prepared,
    frame: usize,
    frames: usize,
    training: bool,
    out: &'a mut [f32],
}

impl pulp::WithSimd for Frame<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self {
            shard,
            spec,
            weights,
            frame,
            frames,
            training,
            out,
        } = self;
        shard.frame(spec, weights, frame, frames, training, out);
    }
}

impl Shard {
    fn run(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        inputs: &Inputs<'_>,
        start: usize,
        training: bool,
        out: &mut [f32],
    ) {
        let arch = pulp::Arch::new();
        let (r, t, i, h, n) = (
            self.clips,
            inputs.frames,
            spec.inputs,
            spec.hidden,
            spec.rows(),
        );
        arch.dispatch(LoadInputs {
            shard: self,
            spec,
            weights,
            inputs,
            start,
        });
        self.load_state(spec, weights, inputs, start);
        product(
            (t * r, n, i),
            Operand::rows(&self.x_hb, i),
            Operand::rows(&weights.x_forward, n),
            &mut self.z_hb,
            false,
        );
        if spec.gated() {
            product(
                (t * r, n, i),
                Operand::rows(&self.x_lb, i),
                Operand::rows(&weights.x_forward, n),
                &mut self.z_lb,
                false,
            );
        }
        for frame in 0..t {
            let (hs, zs) = (
                frame * r * h..(frame + 1) * r * h,
                frame * r * n..(frame + 1) * r * n,
            );
            product(
                (r, n, h),
                Operand::rows(&self.h_hb[hs.clone()], h),
                Operand::rows(&weights.h_forward, n),
                &mut self.z_hb[zs.clone()],
                true,
            );
            if spec.gated() {
                product(
                    (r, n, h),
                    Operand::rows(&self.h_lb[hs], h),
                    Operand::rows(&weights.h_forward, n),
                    &mut self.z_lb[zs],
                    true,
                );
            }
            arch.dispatch(Frame {
                shard: self,
                spec,
                weights,
                frame,
                frames: t,
                training,
                out,
            });
        }
        self.stats.outputs = (t * r * n) as u64;
        self.stats.columns = (t * r * (i + h)) as u64;
        if !spec.gated() {
            self.stats.open = self.stats.outputs;
            self.stats.changed = self.stats.columns;
        }
    }

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
        let digit = spec.digit();
        let mut changed = 0u32;
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
                            (*hb, *lb) = split(q, digit, 1.0 / digit);
                        }
                        // Before the first frame every digit is zero.
                        if frame == 0 {
                            changed += now.iter().map(|a| u32::from(*a != 0.0)).sum::<u32>();
                        } else {
                            let before = &before[at - r * i..at - r * i + i];
                            changed += now
                                .iter()
                                .zip(before)
                                .map(|(a, b)| u32::from(a != b))
                                .sum::<u32>();
                        }
                    }
                }
            }
        }
        self.stats.changed += u64::from(changed);
    }

    /// Starting hidden codes and cell state.
    fn load_state(
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
        let max = spec.code_max();
        for (k, value) in hidden.iter().enumerate() {
            let code = if spec.quantised() {
                round_half_up(value / weights.scale_h).clamp(-max, max)
            } else {
                *value
            };
            if spec.gated() {
                (self.h_hb[k], self.h_lb[k]) = split(code, spec.digit(), 1.0 / spec.digit());
            } else {
                self.h_hb[k] = code;
            }
        }
    }

    /// Everything of one frame that is not a matrix product.
    #[inline(always)]
    fn frame(
        &mut self,
        spec: &LstmSpec,
        weights: &Prepared,
        frame: usize,
        frames: usize,
        training: bool,
        out: &mut [f32],
    ) {
        let (r, h, n) = (self.clips, spec.hidden, spec.rows());
        let (mut open, mut changed) = (0u32, 0u32);
        for clip in 0..r {
            let zs = (frame * r + clip) * n;
            let gates = &mut self.gates[zs..zs + n];
            let z_hb = &mut self.z_hb[zs..zs + n];
            if spec.gated() {
                let z_lb = &mut self.z_lb[zs..zs + n];
                open += gate(spec, weights, training, z_hb, z_lb, gates);
            } else {
                let limit = if spec.quantised() { Z_LIMIT } else { 30.0 };
                let rows = weights.row_scale[..n].iter().zip(&weights.bias[..n]);
                for ((a, z), (s, b)) in gates.iter_mut().zip(&*z_hb).zip(rows) {
                    *a = (z * s + b).clamp(-limit, limit);
                }
            }
            let (sigmoids, tail) = gates.split_at_mut(2 * h);
            let (candidate, output) = tail.split_at_mut(h);
            for a in sigmoids.iter_mut() {
                *a = sigmoid(*a);
            }
            for a in candidate.iter_mut() {
                *a = tanh(*a);
            }
            for a in output.iter_mut() {
                *a = sigmoid(*a);
            }
            let at = (frame * r + clip) * h;
            let next = at + r * h;
            let (input, forget) = sigmoids.split_at(h);
            let (cell, cell_next) = self.cell.split_at_mut(next);
            let (cell, cell_next) = (&cell[at..at + h], &mut cell_next[..h]);
            let tanh_cell = &mut self.tanh_cell[at..at + h];
            let (hb, hb_next) = self.h_hb.split_at_mut(next);
            let (hb, hb_next) = (&hb[at..at + h], &mut hb_next[..h]);
            let result = &mut out[(clip * frames + frame) * h..][..h];
            let limit = if spec.quantised() {
                CELL_LIMIT
            } else {
                f32::MAX
            };
            for k in 0..h {
                let c = (forget[k] * cell[k] + input[k] * candidate[k]).clamp(-limit, limit);
                cell_next[k] = c;
                tanh_cell[k] = tanh(c);
                result[k] = output[k] * tanh_cell[k];
            }
            if spec.quantised() {
                let (scale, inverse, max) =
                    (weights.scale_h, 1.0 / weights.scale_h, spec.code_max());
                let digit = spec.digit();
                if spec.gated() {
                    let lb_next = &mut self.h_lb[next..next + h];
                    for k in 0..h {
                        let code = round_half_up(result[k] * inverse).clamp(-max, max);
                        let (high, low) = split(code, digit, 1.0 / digit);
                        changed += u32::from(high != hb[k]);
                        hb_next[k] = high;
                        lb_next[k] = low;
                        result[k] = code * scale;
                    }
                } else {
                    for k in 0..h {
                        let code = round_half_up(result[k] * inverse).clamp(-max, max);
                        hb_next[k] = code;
                        result[k] = code * scale;
                    }
                }
            } else {
                hb_next.copy_from_slice(result);
            }
        }
        self.stats.open += u64::from(open);
        // The digits of the last frame are applied by the frame after it.
        if frame + 1 < frames {
            self.stats.changed += u64::from(changed);
        }
    }
}

/// Gate of one clip and frame: turns accumulators into `z_hb` and the slope of
/// the surrogate, writes the clamped pre-activation, returns the open rows.
#[inline(always)]
fn gate(
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

impl Tape {
    /// Hidden (real) and cell state after the last frame, each `[B, H]`.
    pub fn final_state(&self, spec: &LstmSpec) -> (Vec<f32>, Vec<f32>) {
        let (mut hidden, mut cell) = (Vec::new(), Vec::new());
        for shard in &self.shards {
            let range = self.frames * shard.clips * spec.hidden
                ..(self.frames + 1) * shard.clips * spec.hidden;
            cell.extend_from_slice(&shard.cell[range.clone()]);
            let scale = self.weights.scale_h;
            if spec.gated() {
                let digits = shard.h_hb[range.clone()].iter().zip(&shard.h_lb[range]);
                hidden.extend(digits.map(|(hb, lb)| (hb + lb) * scale));
            } else {
                hidden.extend(shard.h_hb[range].iter().map(|q| q * scale));
            }
        }
        (hidden, cell)
    }
}
