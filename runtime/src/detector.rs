//! From posteriors, frame by frame, to one event per spoken word.
//!
//! Posteriors are averaged over the last frames (Chen, Parada and Heigold
//! 2014, "Small-footprint keyword spotting using deep neural networks"). A
//! moving average is used, not an exponential one, because it forgets a word
//! completely, so that a detector's answer depends on a bounded past. It is
//! kept as running sums, which are compared with the threshold times the
//! number of frames: no division until an event is reported.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most frames averaged: 16 hops of 20 ms are 320 ms, a short word.
pub const MAX_SMOOTH: usize = 16;

/// Most classes: `background` has a bit for each.
pub const MAX_CLASSES: usize = 16;

/// Settings of a [`Detector`], as they lie in a model image.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct DetectorParams {
    /// A word is reported when its averaged posterior exceeds this, Q15,
    /// 1..=32767.
    pub threshold: u16,
    /// A reported word can be reported again only after its averaged posterior
    /// fell below this, Q15, 1..=`threshold`.
    pub release: u16,
    /// Bit `k` is set where label `k` is never reported (silence, unknown).
    pub background: u16,
    /// Frames averaged, 1..=[`MAX_SMOOTH`].
    pub smooth: u8,
    /// Frames after an event in which nothing is reported, 0..=255.
    pub refractory: u8,
    /// Zero.
    pub reserved: [u8; 8],
}

/// Why settings of a detector were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DetectorError {
    /// `smooth` is 0 or above [`MAX_SMOOTH`].
    Smooth,
    /// `threshold` is not 1..=32767, or `release` not 1..=`threshold`.
    Threshold,
    /// A reserved byte is not zero.
    Reserved,
    /// No classes, more than [`MAX_CLASSES`], or every one is background.
    Classes,
}

impl core::fmt::Display for DetectorError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Smooth => "the detector's smoothing is not 1 to 16 frames",
            Self::Threshold => "the detector's threshold or release level is out of range",
            Self::Reserved => "a reserved byte of the detector's settings is not zero",
            Self::Classes => "the detector has no class to report, or more than 16 classes",
        })
    }
}

impl core::error::Error for DetectorError {}

impl DetectorParams {
    /// Checks every field against a model of `classes` classes.
    ///
    /// # Errors
    /// [`DetectorError`] names the first field out of its range.
    pub const fn validate(&self, classes: usize) -> Result<(), DetectorError> {
        if self.smooth == 0 || self.smooth as usize > MAX_SMOOTH {
            return Err(DetectorError::Smooth);
        }
        let release_fits = self.release >= 1 && self.release <= self.threshold;
        if self.threshold > i16::MAX.cast_unsigned() || !release_fits {
            return Err(DetectorError::Threshold);
        }
        let mut k = 0;
        while k < self.reserved.len() {
            if self.reserved[k] != 0 {
                return Err(DetectorError::Reserved);
            }
            k += 1;
        }
        if classes == 0
            || classes > MAX_CLASSES
            || self.background.trailing_ones() as usize >= classes
        {
            return Err(DetectorError::Classes);
        }
        Ok(())
    }
}

/// A word was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Event {
    /// Index of the label.
    pub label: u8,
    /// Frame that completed the detection, counted from 0 at the last reset;
    /// wraps after 2^32 (994 days).
    pub frame: u32,
    /// Averaged posterior, Q15.
    pub score: u16,
}

/// Reports each spoken word once.
///
/// A word is reported when its averaged posterior is the largest of all that
/// are not background and exceeds the threshold, unless an event happened
/// within the refractory period or this word was reported before and its
/// average has not fallen below the release level since: a word held for
/// longer than the refractory period stays one event, while another word may
/// follow it. Frames before the first count as zero.
///
/// `CLASSES` is 1..=[`MAX_CLASSES`]; 36 bytes per class and 32 more.
#[derive(Clone, Debug)]
pub struct Detector<const CLASSES: usize = MAX_CLASSES> {
    params: DetectorParams,
    /// The last `smooth` frames, Q15.
    history: [[u16; CLASSES]; MAX_SMOOTH],
    /// Sum of `history` per class, at most 16 * 65535.
    sums: [u32; CLASSES],
    /// Row of `history` that is written next.
    next: u8,
    /// Frames left of the refractory period.
    quiet: u8,
    /// Bit `k`: label `k` was reported and has not been released yet.
    held: u16,
    /// Frames seen.
    frame: u32,
}

impl<const CLASSES: usize> Detector<CLASSES> {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// [`DetectorError`] where `params` do not suit `CLASSES` classes.
    pub const fn new(params: DetectorParams) -> Result<Self, DetectorError> {
        if let Err(error) = params.validate(CLASSES) {
            return Err(error);
        }
        let mut detector = Self::idle();
        detector.params = params;
        Ok(detector)
    }

    /// A detector without settings, which reports nothing: memory for
    /// [`Self::configure`]. All of it is zero, so that a static takes no flash.
    #[must_use]
    pub const fn idle() -> Self {
        Self {
            params: DetectorParams {
                threshold: 0,
                release: 0,
                background: 0,
                smooth: 0,
                refractory: 0,
                reserved: [0; 8],
            },
            history: [[0; CLASSES]; MAX_SMOOTH],
            sums: [0; CLASSES],
            next: 0,
            quiet: 0,
            held: 0,
            frame: 0,
        }
    }

    /// Takes new settings and forgets the past, in place: where the stack is
    /// small, a detector made by [`Self::new`] passes over it.
    ///
    /// # Errors
    /// [`DetectorError`] where `params` do not suit `CLASSES` classes; nothing
    /// has changed then.
    pub const fn configure(&mut self, params: DetectorParams) -> Result<(), DetectorError> {
        if let Err(error) = params.validate(CLASSES) {
            return Err(error);
        }
        self.params = params;
        self.reset();
        Ok(())
    }

    /// Forgets everything but the settings.
    pub const fn reset(&mut self) {
        self.history = [[0; CLASSES]; MAX_SMOOTH];
        self.sums = [0; CLASSES];
        self.next = 0;
        self.quiet = 0;
        self.held = 0;
        self.frame = 0;
    }

    /// Takes the posteriors of one frame, Q15 by label, and returns the event
    /// that it completes. Missing posteriors count as zero, surplus ones are
    /// not looked at.
    pub fn push(&mut self, posteriors: &[u16]) -> Option<Event> {
        if self.params.smooth == 0 {
            return None;
        }
        let frame = self.frame;
        self.frame = frame.wrapping_add(1);
        self.average(posteriors);
        let quiet = self.quiet > 0;
        self.quiet = self.quiet.saturating_sub(1);

        let smooth = u32::from(self.params.smooth);
        let release = u32::from(self.params.release) * smooth;
        let mut best = None;
        let mut largest = u32::from(self.params.threshold) * smooth;
        for (label, &sum) in (0u8..).zip(&self.sums) {
            let bit = 1u16.checked_shl(u32::from(label)).unwrap_or(0);
            if sum < release {
                self.held &= !bit;
            }
            // The first of equals wins.
            if sum > largest && self.params.background & bit == 0 {
                largest = sum;
                best = Some((label, bit));
            }
        }
        let (label, bit) = best?;
        if quiet || self.held & bit != 0 {
            return None;
        }
        self.held |= bit;
        self.quiet = self.params.refractory;
        let score = (largest / smooth).min(u32::from(u16::MAX)) as u16;
        Some(Event {
            label,
            frame,
            score,
        })
    }

    /// Replaces the oldest of the averaged frames.
    fn average(&mut self, posteriors: &[u16]) {
        let Some(row) = self.history.get_mut(usize::from(self.next)) else {
            return;
        };
        let news = posteriors.iter().copied().chain(core::iter::repeat(0));
        for ((old, sum), new) in row.iter_mut().zip(&mut self.sums).zip(news) {
            // The sum contains `old`.
            *sum = sum.wrapping_sub(u32::from(*old)) + u32::from(new);
            *old = new;
        }
        self.next += 1;
        if self.next >= self.params.smooth {
            self.next = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const SILENCE: [u16; 4] = [32_767, 0, 0, 0];

    const PARAMS: DetectorParams = DetectorParams {
        threshold: 20_000,
        release: 10_000,
        background: 0b0011,
        smooth: 4,
        refractory: 10,
        reserved: [0; 8],
    };

    fn word(label: usize, posterior: u16) -> [u16; 4] {
        let mut all = [0; 4];
        all[label] = posterior;
        all
    }

    fn run(params: DetectorParams, parts: &[([u16; 4], usize)]) -> Vec<(u32, u8)> {
        let mut detector = Detector::<4>::new(params).unwrap();
        parts
            .iter()
            .flat_map(|&(posteriors, count)| std::iter::repeat_n(posteriors, count))
            .filter_map(|posteriors| detector.push(&posteriors))
            .map(|event| (event.frame, event.label))
            .collect()
    }

    #[test]
    fn a_word_is_one_event_however_long() {
        // The average over four exceeds 20,000 with the third frame.
        for long in [3, 10, 11, 50, 500] {
            let parts = [(SILENCE, 5), (word(2, 32_767), long), (SILENCE, 20)];
            assert_eq!(run(PARAMS, &parts), [(7, 2)], "{long} frames");
        }
        let short = [(SILENCE, 5), (word(2, 32_767), 2), (SILENCE, 20)];
        assert_eq!(run(PARAMS, &short), []);
    }

    #[test]
    fn a_repeated_word_needs_release_and_refractory_period() {
        let twice = |pause| {
            [
                (word(2, 32_767), 12),
                (SILENCE, pause),
                (word(2, 32_767), 12),
            ]
        };
        // After one frame of silence the average is 24,575, after two 16,383,
        // after three 8,191: released.
        assert_eq!(run(PARAMS, &twice(2)), [(2, 2)]);
        assert_eq!(run(PARAMS, &twice(3)), [(2, 2), (17, 2)]);
        // Released, but too early: reported when the refractory period ends.
        let params = DetectorParams {
            refractory: 40,
            ..PARAMS
        };
        let parts = [(word(2, 32_767), 3), (SILENCE, 4), (word(2, 32_767), 100)];
        assert_eq!(run(params, &parts), [(2, 2), (43, 2)]);
    }

    #[test]
    fn wavering_between_threshold_and_release_is_one_word() {
        let mut parts = Vec::new();
        for _ in 0..10 {
            parts.push((word(3, 30_000), 8));
            parts.push((word(3, 11_000), 8));
        }
        assert_eq!(run(PARAMS, &parts), [(2, 3)]);
    }

    #[test]
    fn another_word_may_follow_after_the_refractory_period() {
        let parts = [(word(2, 32_767), 30), (word(3, 32_767), 30)];
        assert_eq!(run(PARAMS, &parts), [(2, 2), (32, 3)]);
        let soon = [(word(2, 32_767), 3), (word(3, 32_767), 30)];
        assert_eq!(run(PARAMS, &soon), [(2, 2), (13, 3)]);
        // Two words that take turns above a low threshold are one event each.
        let low = DetectorParams {
            threshold: 8000,
            release: 6000,
            smooth: 1,
            ..PARAMS
        };
        let turns: Vec<_> = (0..100)
            .map(|k| ([0, 0, 9000 + 100 * (k % 2), 9050], 7))
            .collect();
        assert_eq!(run(low, &turns), [(0, 3), (11, 2)]);
    }

    #[test]
    fn background_is_never_reported() {
        assert_eq!(run(PARAMS, &[(SILENCE, 100), (word(1, 32_767), 100)]), []);
    }

    #[test]
    fn scores_are_averages_and_reset_starts_over() {
        let mut detector = Detector::<4>::new(PARAMS).unwrap();
        let mut first = None;
        for posterior in [0, 20_000, 20_004, 30_000, 31_000] {
            // Missing posteriors count as zero, surplus ones are ignored.
            first = first.or(detector.push(&[0, 0, posterior]));
        }
        let event = Event {
            label: 2,
            frame: 4,
            score: 25_251,
        };
        assert_eq!(first, Some(event));
        detector.reset();
        for _ in 0..2 {
            assert_eq!(detector.push(&[0, 0, 32_767, 0, 65_535]), None);
        }
        let event = detector.push(&[0, 0, 32_767]).unwrap();
        assert_eq!((event.frame, event.score), (2, 24_575));
    }

    #[test]
    fn an_idle_detector_reports_nothing_until_it_is_configured() {
        let mut idle: Detector<2> = Detector::idle();
        assert_eq!(idle.push(&[30_000, 30_000]), None);
        let params = DetectorParams {
            threshold: 20_000,
            release: 10_000,
            smooth: 1,
            ..DetectorParams::default()
        };
        assert!(
            idle.configure(DetectorParams {
                smooth: 0,
                ..params
            })
            .is_err()
        );
        assert_eq!(idle.push(&[30_000, 0]), None);
        idle.configure(params).unwrap();
        let mut new: Detector<2> = Detector::new(params).unwrap();
        for label in [0, 1, 1, 0] {
            let mut frame = [0; 2];
            frame[label] = 30_000;
            assert_eq!(idle.push(&frame), new.push(&frame));
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |change: &dyn Fn(&mut DetectorParams), want| {
            let mut params = PARAMS;
            change(&mut params);
            assert_eq!(params.validate(4), Err(want));
            assert_eq!(Detector::<4>::new(params).err(), Some(want));
        };
        refused(&|p| p.smooth = 0, DetectorError::Smooth);
        refused(&|p| p.smooth = 17, DetectorError::Smooth);
        refused(&|p| p.threshold = 32_768, DetectorError::Threshold);
        refused(&|p| p.release = 0, DetectorError::Threshold);
        refused(&|p| p.release = 20_001, DetectorError::Threshold);
        refused(&|p| p.reserved[7] = 1, DetectorError::Reserved);
        refused(&|p| p.background = 0b1111, DetectorError::Classes);
        assert_eq!(PARAMS.validate(0), Err(DetectorError::Classes));
        assert_eq!(PARAMS.validate(17), Err(DetectorError::Classes));
        assert_eq!(PARAMS.validate(16), Ok(()));
        assert_eq!(size_of::<DetectorParams>(), 16);
    }

    proptest! {
        /// Against sums over the whole past, and with any posteriors at all.
        #[test]
        fn averages_are_exact(
            smooth in 1..=16u8,
            refractory in any::<u8>(),
            frames in proptest::collection::vec(any::<[u16; 4]>(), 0..200),
        ) {
            let params = DetectorParams { smooth, refractory, ..PARAMS };
            let mut detector = Detector::<4>::new(params).unwrap();
            let mut last: Option<u32> = None;
            for (n, frame) in (0u32..).zip(&frames) {
                let event = detector.push(frame);
                let from = (n as usize + 1).saturating_sub(smooth.into());
                let seen = &frames[from..=n as usize];
                let sum = |label: usize| seen.iter().map(|x| u32::from(x[label])).sum::<u32>();
                if let Some(event) = event {
                    prop_assert!(event.label == 2 || event.label == 3);
                    let label = usize::from(event.label);
                    prop_assert_eq!(u32::from(event.score), sum(label) / u32::from(smooth));
                    prop_assert!(sum(label) > 20_000 * u32::from(smooth));
                    prop_assert!(sum(label) >= sum(5 - label));
                    prop_assert_eq!(event.frame, n);
                    prop_assert!(last.is_none_or(|last| n - last > refractory.into()));
                    last = Some(n);
                }
            }
        }
    }
}
