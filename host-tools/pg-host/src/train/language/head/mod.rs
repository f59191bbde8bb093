//! The projection to the vocabulary, softmax and cross entropy, as one pass.
//!
//! The vocabulary is cut into chunks of a fixed size, each of which a thread
//! takes through a matrix product, the exponentials and, once the sums of all
//! are known, two products for the gradients: logits never leave the chunk's
//! own buffer, and the result does not depend on the number of threads.

use crate::quantise::quantise_rows;
use crate::train::math::exp;
use crate::train::matmul::{Operand, product};
use crate::train::simd::dispatch;
use rayon::prelude::*;

/// Words of a chunk.
const CHUNK: usize = 1024;

/// A target that is not counted.
pub const NONE: u32 = u32::MAX;

/// Parameters, row-major.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// `[V, H]`.
    pub w: &'a [f32],
    /// `[V]`.
    pub bias: &'a [f32],
    /// Largest weight code, to whose range each row is rounded; `None` for
    /// floating point.
    pub max: Option<f32>,
}

/// Gradients of the mean loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grads {
    /// `[V, H]`.
    pub w: Vec<f32>,
    /// `[V]`.
    pub bias: Vec<f32>,
    /// Of the input `[N, H]`.
    pub hidden: Vec<f32>,
}

/// Buffers of a pass, kept from step to step.
#[derive(Default)]
pub struct Head {
    chunks: Vec<Chunk>,
    /// Per row of the batch, what turns a chunk's exponentials into gradients.
    rows: Vec<Row>,
}

#[derive(Default)]
struct Chunk {
    /// First word.
    first: usize,
    /// Words.
    width: usize,
    /// `[width, H]` rounded weights; empty in floating point.
    rounded: Vec<f32>,
    /// `[N, width]` logits, then their exponentials, then gradients.
    logits: Vec<f32>,
    /// Per row, the largest logit and the sum of the exponentials below it.
    peaks: Vec<(f32, f32)>,
    /// `[N, H]` the chunk's share of the input's gradient.
    hidden: Vec<f32>,
}

/// What all chunks say of a row.
#[derive(Clone, Copy, Default)]
struct Row {
    peak: f32,
    /// `1 / sum(e^(logit - peak))`, over the number of targets.
    factor: f32,
    target: u32,
}

impl Head {
    /// Sum of the cross entropies of `hidden` `[N, H]` against `targets`, and
    /// how many there are beside [`NONE`]. [`Self::backward`] may follow.
    ///
    /// # Panics
    /// When a slice does not have the stated shape.
    pub fn forward(
        &mut self,
        weights: &Weights<'_>,
        hidden: &[f32],
        targets: &[u32],
    ) -> (f64, usize) {
        let (words, n) = (weights.bias.len(), targets.len());
        let h = weights.w.len() / words;
        assert_eq!(hidden.len(), n * h, "input has another shape");
        self.chunks
            .resize_with(words.div_ceil(CHUNK), Chunk::default);
        self.chunks.par_iter_mut().enumerate().for_each(|(k, c)| {
            c.first = k * CHUNK;
            c.width = CHUNK.min(words - c.first);
            c.forward(weights, h, hidden, n);
        });
        let count = targets.iter().filter(|t| **t != NONE).count();
        let mut loss = 0.0;
        self.rows.clear();
        for (row, &target) in targets.iter().enumerate() {
            let peaks = || self.chunks.iter().map(|c| c.peaks[row]);
            let peak = peaks().fold(f32::MIN, |m, p| m.max(p.0));
            let sum: f32 = peaks().map(|(p, sum)| sum * (p - peak).exp()).sum();
            let counted = target != NONE;
            if counted {
                let chunk = &self.chunks[target as usize / CHUNK];
                let place = row * chunk.width + target as usize - chunk.first;
                // The exponential, and with it the logit.
                let own = f64::from(chunk.logits[place].ln() + chunk.peaks[row].0);
                let total = f64::from(sum.ln()) + f64::from(peak);
                loss += total - own;
            }
            self.rows.push(Row {
                peak,
                factor: f32::from(u8::from(counted)) / (sum * count.max(1) as f32),
                target,
            });
        }
        (loss, count)
    }

    /// Gradients of the mean of the last [`Self::forward`], whose `weights` and
    /// `hidden` these are.
    pub fn backward(&mut self, weights: &Weights<'_>, hidden: &[f32], grads: &mut Grads) {
        let (words, n) = (weights.bias.len(), self.rows.len());
        let h = weights.w.len() / words;
        grads.w.resize(weights.w.len(), 0.0);
        grads.bias.resize(words, 0.0);
        grads.hidden.resize(n * h, 0.0);
        let rows = &self.rows;
        let count = 1.0 / rows.iter().filter(|r| r.target != NONE).count().max(1) as f32;
        (self.chunks.par_iter_mut())
            .zip(grads.w.par_chunks_mut(CHUNK * h))
            .zip(grads.bias.par_chunks_mut(CHUNK))
            .for_each(|((chunk, w), bias)| {
                chunk.backward(weights, rows, count, hidden, w, bias);
            });
        let chunks = &self.chunks;
        let blocks = grads.hidden.par_chunks_mut(h * 32).enumerate();
        blocks.for_each(|(k, sums)| {
            sums.fill(0.0);
            for chunk in chunks {
                let share = &chunk.hidden[k * h * 32..][..sums.len()];
                sums.iter_mut().zip(share).for_each(|(a, b)| *a += b);
            }
        });
    }
}

impl Chunk {
    /// The chunk's weights as they are computed with.
    fn used<'a>(&'a self, weights: &Weights<'a>, h: usize) -> &'a [f32] {
        match weights.max {
            Some(_) => &self.rounded,
            None => &weights.w[self.first * h..][..self.width * h],
        }
    }

    fn forward(&mut self, weights: &Weights<'_>, h: usize, hidden: &[f32], n: usize) {
        if let Some(max) = weights.max {
            let own = &weights.w[self.first * h..][..self.width * h];
            let (mut codes, scales) = quantise_rows(own, h, max);
            for (row, scale) in codes.chunks_exact_mut(h).zip(scales) {
                row.iter_mut().for_each(|c| *c *= scale);
            }
            self.rounded = codes;
        }
        let mut logits = std::mem::take(&mut self.logits);
        logits.resize(n * self.width, 0.0);
        product(
            (n, self.width, h),
            Operand::rows(hidden, h),
            Operand::transposed(self.used(weights, h), h),
            &mut logits,
            false,
        );
        self.logits = logits;
        self.peaks.resize(n, (0.0, 0.0));
        let bias = &weights.bias[self.first..][..self.width];
        dispatch(Exponentials {
            logits: &mut self.logits,
            bias,
            peaks: &mut self.peaks,
        });
    }

    fn backward(
        &mut self,
        weights: &Weights<'_>,
        rows: &[Row],
        count: f32,
        hidden: &[f32],
        d_w: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let (n, width) = (rows.len(), self.width);
        let h = hidden.len() / n;
        d_bias.fill(0.0);
        let logits = self.logits.chunks_exact_mut(width).zip(rows);
        for ((row, all), (peak, _)) in logits.zip(&self.peaks) {
            let factor = all.factor * (peak - all.peak).exp();
            row.iter_mut().for_each(|e| *e *= factor);
            if let Some(own) = (all.target as usize)
                .checked_sub(self.first)
                .and_then(|place| row.get_mut(place))
            {
                *own -= count;
            }
            d_bias.iter_mut().zip(&*row).for_each(|(sum, d)| *sum += d);
        }
        product(
            (width, h, n),
            Operand::transposed(&self.logits, width),
            Operand::rows(hidden, h),
            d_w,
            false,
        );
        let mut share = std::mem::take(&mut self.hidden);
        share.resize(n * h, 0.0);
        product(
            (n, h, width),
            Operand::rows(&self.logits, width),
            Operand::rows(self.used(weights, h), h),
            &mut share,
            false,
        );
        self.hidden = share;
    }
}

/// Logits to their exponentials, row by row, compiled for the processor.
struct Exponentials<'a> {
    /// `[N, width]`.
    logits: &'a mut [f32],
    /// `[width]`.
    bias: &'a [f32],
    /// `[N]`.
    peaks: &'a mut [(f32, f32)],
}

impl pulp::WithSimd for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        /// Sums side by side: one would wait for itself.
        const LANES: usize = 16;
        let rows = self.logits.chunks_exact_mut(self.bias.len());
        for (row, peak) in rows.zip(self.peaks) {
            let mut largest = [f32::MIN; LANES];
            for (row, bias) in row.chunks_mut(LANES).zip(self.bias.chunks(LANES)) {
                for ((l, b), m) in row.iter_mut().zip(bias).zip(&mut largest) {
                    *l += b;
                    *m = if *l > *m { *l } else { *m };
                }
            }
            let largest = largest.into_iter().fold(f32::MIN, f32::max);
            let mut sums = [0.0f32; LANES];
            for row in row.chunks_mut(LANES) {
                for (l, sum) in row.iter_mut().zip(&mut sums) {
                    *l = exp(*l - largest);
                    *sum += *l;
                }
            }
            *peak = (largest, sums.iter().sum());
        }
    }
}

#[cfg(test)]
mod tests;
