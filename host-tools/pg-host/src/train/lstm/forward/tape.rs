//! The buffers of a pass: written forward, read and overwritten backward.
use super::stats::Stats;
use crate::train::lstm::LstmSpec;
use crate::train::lstm::weights::Prepared;

/// Everything the backward pass needs, kept between steps so that no memory is
/// allocated once the shapes are known.
#[derive(Default, Debug)]
pub struct Tape {
    /// Weights as the last forward pass used them.
    pub(in crate::train::lstm) weights: Prepared,
    /// The batch, cut into shards.
    pub(in crate::train::lstm) shards: Vec<Shard>,
    /// Clips, `B`.
    pub(in crate::train::lstm) batch: usize,
    /// Frames, `T`.
    pub(in crate::train::lstm) frames: usize,
    /// Counts of the last forward pass.
    pub stats: Stats,
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

/// Buffers of one shard; time-major, `R` clips.
#[derive(Default, Debug)]
pub(in crate::train::lstm) struct Shard {
    /// Clips, `R`.
    pub clips: usize,
    /// `[T, R, I]` prediction operand (the whole code without a gate).
    pub x_hb: Vec<f32>,
    /// `[T, R, I]` update operand.
    pub x_lb: Vec<f32>,
    /// `[T + 1, R, H]` prediction operand of the hidden state; row 0 is the start.
    pub h_hb: Vec<f32>,
    /// `[T + 1, R, H]` its update operand.
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
    /// `[H]` room for the masks of one clip and frame.
    pub masks: Vec<f32>,
    /// Counts of this shard.
    pub stats: Stats,
}

impl Shard {
    /// Buffers for `clips` clips of `frames` frames, and counts of zero.
    pub(super) fn resize(&mut self, spec: &LstmSpec, clips: usize, frames: usize) {
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
        self.masks.resize(h, 0.0);
        self.stats = Stats::default();
    }
}
