//! The training text as streams of words, and other texts for evaluation.
use super::head;
use super::network::Batch;
use crate::train::random::{Purpose, stream};
use anyhow::{Result, ensure};
use rand::RngExt;

/// The training text, cut into streams of equal length that are read side by
/// side. Every epoch starts at another word, the text being a ring.
pub struct Batches<'a> {
    words: &'a [u32],
    seed: u64,
    streams: usize,
    unroll: usize,
    per_epoch: u64,
}

impl<'a> Batches<'a> {
    /// `words` in `streams` streams, read `unroll` words at a time.
    ///
    /// # Errors
    /// When the text is too short for a single batch.
    pub fn new(words: &'a [u32], seed: u64, streams: usize, unroll: usize) -> Result<Self> {
        let per_epoch = words.len() / streams / unroll;
        ensure!(
            per_epoch > 0,
            "the training text has {} words, fewer than training.batch * training.unroll = {}",
            words.len(),
            streams * unroll
        );
        Ok(Self {
            words,
            seed,
            streams,
            unroll,
            per_epoch: per_epoch as u64,
        })
    }

    /// Steps of an epoch; what is left of each stream is not read.
    pub fn per_epoch(&self) -> u64 {
        self.per_epoch
    }

    /// The words of a step, and whether it continues where the one before ended.
    pub fn training(&self, step: u64) -> (Batch, bool) {
        let (epoch, place) = (step / self.per_epoch, step % self.per_epoch);
        let n = self.words.len();
        let start = stream(self.seed, Purpose::Batch, epoch).random_range(0..n);
        let length = n / self.streams;
        let mut batch = Batch {
            streams: self.streams,
            inputs: Vec::with_capacity(self.streams * self.unroll),
            targets: Vec::with_capacity(self.streams * self.unroll),
        };
        for s in 0..self.streams {
            let first = start + s * length + place as usize * self.unroll;
            for k in first..first + self.unroll {
                batch.inputs.push(self.words[k % n]);
                batch.targets.push(self.words[(k + 1) % n]);
            }
        }
        (batch, place > 0)
    }
}

/// A text in batches of `streams` streams and `unroll` words, every word a
/// target once; the word before the first is `end`. The streams follow on each
/// other from batch to batch.
pub fn whole(words: &[u32], end: u32, streams: usize, unroll: usize) -> Vec<Batch> {
    let length = words.len().div_ceil(streams);
    let word = |k: Option<usize>| match k {
        Some(k) => words.get(k).copied(),
        None => Some(end),
    };
    (0..length)
        .step_by(unroll)
        .map(|from| {
            let to = (from + unroll).min(length);
            let places = || (0..streams).flat_map(|s| (from..to).map(move |k| s * length + k));
            Batch {
                streams,
                inputs: places()
                    .map(|k| word(k.checked_sub(1)).unwrap_or(end))
                    .collect(),
                targets: places()
                    .map(|k| word(Some(k)).unwrap_or(head::NONE))
                    .collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_go_on_from_step_to_step_and_targets_are_one_ahead() {
        let words: Vec<u32> = (0..103).collect();
        let batches = Batches::new(&words, 1, 4, 5).unwrap();
        assert_eq!(batches.per_epoch(), 5);
        let (first, goes_on) = batches.training(0);
        let (second, on) = batches.training(1);
        assert!(!goes_on && on && !batches.training(5).1);
        for (a, b) in first.inputs.iter().zip(&first.targets) {
            assert_eq!((a + 1) % 103, *b);
        }
        for s in 0..4 {
            assert_eq!(first.targets[5 * s + 4], second.inputs[5 * s]);
        }
        assert_ne!(first, batches.training(5).0);
        assert!(Batches::new(&words, 1, 20, 6).is_err());
    }

    #[test]
    fn every_word_of_a_text_is_asked_for_once() {
        let words: Vec<u32> = (10..33).collect();
        let batches = whole(&words, 7, 3, 5);
        let mut seen: Vec<u32> = Vec::new();
        for batch in &batches {
            for (input, target) in batch.inputs.iter().zip(&batch.targets) {
                if *target != head::NONE {
                    let before = if *target == 10 { 7 } else { target - 1 };
                    assert_eq!(*input, before);
                    seen.push(*target);
                }
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, words);
    }
}
