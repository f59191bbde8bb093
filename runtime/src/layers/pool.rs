//! Pooling over time: the read-out of a streaming classifier.
//!
//! Both kinds keep a ring of the last frames and running sums in integers,
//! so that what leaves the window is taken out exactly: after any number of
//! frames the sums equal those computed afresh.

use crate::activation::{exp_neg_q16, tanh};
use crate::arena::{take, words_of};
use crate::quant::saturate_i16;

/// Mean of the last `window` frames of logits, or of all frames since the
/// reset while there are fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanPool {
    pub(crate) width: usize,
    pub(crate) window: usize,
}

/// Mean of the last `window` frames of logits, each weighted by a learned
/// score:
///
/// ```text
/// w_t = exp(4 * tanh(a_t / 4)),   y = sum(w_t * l_t) / sum(w_t)
/// ```
///
/// A frame has the logits `l_t` of every class, then the score `a_t`, all in
/// Q8. The bounded score lets no frame outweigh another more than e^8 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionPool {
    pub(crate) classes: usize,
    pub(crate) window: usize,
}

/// Place of the next frame in a ring, and how many frames it holds with it.
fn advance(cursor: &mut [u32; 2], window: usize) -> (usize, usize) {
    let [position, filled] = cursor;
    // A restored state may hold any numbers: keep the position inside.
    let at = if (*position as usize) < window {
        *position as usize
    } else {
        0
    };
    let count = (*filled as usize).saturating_add(1).clamp(1, window.max(1));
    *position = ((at + 1) % window.max(1)) as u32;
    *filled = count as u32;
    (at, count)
}

/// `numerator / denominator` rounded to nearest, ties towards positive
/// infinity; the denominator is positive.
fn divide(numerator: i64, denominator: i64) -> i16 {
    let denominator = denominator.max(1);
    let quotient = (2 * numerator + denominator).div_euclid(2 * denominator);
    saturate_i16(quotient.clamp(-32768, 32767) as i32)
}

impl MeanPool {
    /// Number of classes.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Frames in the window, 1 to 1024.
    #[must_use]
    pub const fn window(&self) -> usize {
        self.window
    }

    pub(crate) const fn state_words(&self) -> usize {
        // Cursor, sums, ring.
        2 + self.width + words_of::<i16>(self.width * self.window)
    }

    /// One step, in place: `logits` become their mean over the window.
    pub(crate) fn step(&self, mut state: &mut [u32], logits: &mut [i16]) {
        let Ok(cursor) = take::<u32>(&mut state, 2).try_into() else {
            return;
        };
        let sums: &mut [i32] = take(&mut state, self.width);
        let ring: &mut [i16] = take(&mut state, self.width * self.window);
        let (at, count) = advance(cursor, self.window);
        let slot = ring.iter_mut().skip(at * self.width);
        for ((sum, old), logit) in sums.iter_mut().zip(slot).zip(logits) {
            *sum = sum.wrapping_add(i32::from(*logit) - i32::from(*old));
            *old = *logit;
            *logit = divide(i64::from(*sum), count as i64);
        }
    }
}

impl AttentionPool {
    /// Number of classes; the input is one wider.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// Frames in the window, 1 to 1024.
    #[must_use]
    pub const fn window(&self) -> usize {
        self.window
    }

    pub(crate) const fn state_words(&self) -> usize {
        // Cursor, sum of weights, sums of 64 bits as pairs of words, then the
        // rings of weights and logits.
        3 + 2 * self.classes
            + words_of::<u16>(self.window)
            + words_of::<i16>(self.classes * self.window)
    }

    /// One step, in place: `frame` has the logits and the score, and its
    /// logits become the pooled ones.
    pub(crate) fn step(&self, mut state: &mut [u32], frame: &mut [i16]) {
        let Some((logits, &mut [score, ..])) = frame.split_at_mut_checked(self.classes) else {
            return;
        };
        let Ok(cursor) = take::<u32>(&mut state, 2).try_into() else {
            return;
        };
        let weight_sum: &mut [u32] = take(&mut state, 1);
        let sums: &mut [[u32; 2]] = take(&mut state, self.classes);
        let weights: &mut [u16] = take(&mut state, self.window);
        let ring: &mut [i16] = take(&mut state, self.classes * self.window);
        let (at, _) = advance(cursor, self.window);
        let ([total], Some(old_weight)) = (weight_sum, weights.get_mut(at)) else {
            return;
        };

        let weight = Self::weight(score);
        *total = total
            .wrapping_add(u32::from(weight))
            .wrapping_sub(u32::from(*old_weight));
        // 2^16 * 2^15 * 1024 frames: 2^41 at most, unless the state is forged.
        let slot = ring.iter_mut().skip(at * self.classes);
        for ((sum, old), logit) in sums.iter_mut().zip(slot).zip(logits) {
            let added = i64::from(weight) * i64::from(*logit);
            let removed = i64::from(*old_weight) * i64::from(*old);
            let [low, high] = *sum;
            let before = (i64::from(high) << 32) | i64::from(low);
            let now = before.wrapping_add(added - removed);
            *sum = [now as u32, (now >> 32) as u32];
            *old = *logit;
            *logit = divide(now.clamp(-(1 << 42), 1 << 42), i64::from(*total));
        }
        *old_weight = weight;
    }

    /// `exp(4 * tanh(a / 4) - 4)` in Q16 for a score in Q8: 22 to 65535.
    fn weight(score: i16) -> u16 {
        // a / 4 in Q12 is 4 times a in Q8.
        let t = i32::from(tanh(saturate_i16(i32::from(score) * 4)));
        // 4 - 4 * tanh in Q8, from Q15.
        let distance = (4 << 8) - crate::quant::round_shift(t, 5);
        exp_neg_q16(distance.max(0) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn mean_grows_then_slides() {
        let pool = MeanPool {
            width: 2,
            window: 3,
        };
        let mut state = [0u32; 7];
        assert_eq!(pool.state_words(), 7);
        let mut seen = [[0i16; 2]; 5];
        for (t, out) in seen.iter_mut().enumerate() {
            *out = [t as i16 * 10, -(t as i16)];
            pool.step(&mut state, out);
        }
        // Means of 0; 0,1; 0..2; 1..3; 2..4, ties upwards.
        assert_eq!(seen, [[0, 0], [5, 0], [10, -1], [20, -2], [30, -3]]);
    }

    #[test]
    fn attention_equals_the_sums_computed_afresh() {
        let pool = AttentionPool {
            classes: 3,
            window: 5,
        };
        let mut state = vec![0u32; pool.state_words()];
        let frames: Vec<[i16; 4]> = (0..40i32)
            .map(|t| {
                let v = |k: i32| ((t * 7919 + k * 104_729) % 65_536 - 32_768) as i16;
                [v(0), v(1) / 16, v(2) / 256, v(3) / 16]
            })
            .collect();
        for t in 0..frames.len() {
            let mut frame = frames[t];
            pool.step(&mut state, &mut frame);
            let last = &frames[t.saturating_sub(4)..=t];
            let w: Vec<f64> = last
                .iter()
                .map(|f| (4.0 * (f64::from(f[3]) / 256.0 / 4.0).tanh()).exp())
                .collect();
            for k in 0..3 {
                let sum: f64 = w.iter().zip(last).map(|(w, f)| w * f64::from(f[k])).sum();
                let real = sum / w.iter().sum::<f64>();
                let exact: i64 = (last.iter())
                    .map(|f| i64::from(AttentionPool::weight(f[3])) * i64::from(f[k]))
                    .sum();
                let total: i64 = (last.iter())
                    .map(|f| i64::from(AttentionPool::weight(f[3])))
                    .sum();
                assert_eq!(frame[k], divide(exact, total));
                let scale = last
                    .iter()
                    .map(|f| f64::from(f[k]).abs())
                    .fold(1.0, f64::max);
                assert!((f64::from(frame[k]) - real).abs() < 0.01 * scale + 1.0);
            }
        }
    }

    #[test]
    fn any_state_is_survived() {
        let mean = MeanPool {
            width: 2,
            window: 3,
        };
        let attention = AttentionPool {
            classes: 2,
            window: 3,
        };
        for fill in [u32::MAX, 0x8000_0000, 0x7fff_ffff] {
            let mut state = vec![fill; 40];
            for _ in 0..5 {
                mean.step(&mut state, &mut [i16::MIN, i16::MAX]);
                attention.step(&mut state, &mut [i16::MIN, i16::MAX, i16::MIN]);
            }
        }
    }
}
