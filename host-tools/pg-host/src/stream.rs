//! Long streams composed of clips, and how well a detector does on them.

use crate::data::{Clip, Dataset, Split, is_background};
use crate::image::ImageBytes;
use crate::spotter::{Spotter, arena, frame_end};
use anyhow::{Context, Result, ensure};
use pg_runtime::audio::SAMPLE_RATE;
use pg_runtime::detector::Event;
use pg_runtime::image::Image;
use pg_runtime::probe::NoProbe;
use serde::Serialize;
use std::fmt;

/// A word in a stream.
#[derive(Clone, Debug, Serialize)]
pub struct Spoken {
    /// Label of the data set.
    pub label: String,
    /// Seconds where its clip begins.
    pub start: f64,
    /// Seconds where its clip ends.
    pub end: f64,
}

/// A composed stream.
#[derive(Clone, Debug)]
pub struct Composed {
    /// 16 kHz samples.
    pub samples: Vec<i16>,
    /// What was said, in order.
    pub spoken: Vec<Spoken>,
}

/// A small generator: the sequence is part of the results, so it must not
/// depend on a library's version (SplitMix64, Steele et al. 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Composes a stream: clips of a split in random order, 0.5 to 2 s apart,
/// over background noise where the data set has any.
///
/// # Errors
///
/// If the split is empty or a file cannot be read.
pub fn compose(data: &Dataset, split: Split, seconds: u32, seed: u64) -> Result<Composed> {
    let rate = SAMPLE_RATE as usize;
    let length = seconds as usize * rate;
    let clips: Vec<&Clip> = data.split(split).collect();
    ensure!(!clips.is_empty(), "the {} split has no clips", split.name());
    let mut rng = SplitMix(seed);
    let mut samples = background(data, length, &mut rng)?;
    let mut spoken = Vec::new();
    let mut at = rate;
    while at + 2 * rate < length {
        let clip = clips[rng.below(clips.len())];
        let voice = data.load(clip)?;
        for (s, v) in samples[at..].iter_mut().zip(&voice) {
            *s = s.saturating_add(*v);
        }
        let end = at + voice.len();
        spoken.push(Spoken {
            label: data.labels()[clip.label].clone(),
            start: at as f64 / rate as f64,
            end: end as f64 / rate as f64,
        });
        at = end + rate / 2 + rng.below(rate * 3 / 2);
    }
    Ok(Composed { samples, spoken })
}

/// Noise of the data set at a quarter of its level, looped; silence without any.
fn background(data: &Dataset, length: usize, rng: &mut SplitMix) -> Result<Vec<i16>> {
    let noise = data.noise()?;
    if noise.iter().all(Vec::is_empty) {
        return Ok(vec![0; length]);
    }
    let file = &noise[rng.below(noise.len())];
    let from = rng.below(file.len());
    let looped = file.iter().cycle().skip(from).take(length);
    Ok(looped.map(|s| s / 4).collect())
}

/// A detection with its time.
#[derive(Clone, Debug, Serialize)]
pub struct Detection {
    /// Seconds from the start of the stream.
    pub time: f64,
    /// Label.
    pub label: String,
    /// Averaged posterior, 0 to 1.
    pub score: f64,
}

impl Detection {
    /// The event as a user reads it.
    #[must_use]
    pub fn of(event: Event, image: &Image<'_>) -> Self {
        Self {
            time: frame_end(event.frame),
            label: image.label(usize::from(event.label)).to_owned(),
            score: f64::from(event.score) / 32768.0,
        }
    }
}

/// Runs a stream through front-end, engine and detector from a reset.
///
/// # Errors
///
/// If the image has no audio input or no detector.
pub fn detect(bytes: &ImageBytes, samples: &[i16]) -> Result<Vec<Detection>> {
    let image = bytes.image()?;
    image
        .detector()
        .context("the image has no detector settings; export it again")?;
    let mut memory = arena(&image);
    let mut spotter = Spotter::new(&image, &mut memory)?;
    let mut found = Vec::new();
    spotter.push(samples, true, &mut NoProbe, |_, event| {
        found.extend(event.map(|e| Detection::of(e, &image)));
    })?;
    Ok(found)
}

/// How detections compare with what was said.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    /// Seconds of stream.
    pub seconds: f64,
    /// Keywords said.
    pub keywords: usize,
    /// Keywords detected once, in time and by the right name.
    pub hits: usize,
    /// Keywords not detected.
    pub misses: usize,
    /// Keywords reported by another name.
    pub confusions: usize,
    /// Detections beyond the first within one word.
    pub repeats: usize,
    /// Detections where no keyword was said.
    pub false_alarms: usize,
    /// Of these, per hour.
    pub false_alarms_per_hour: f64,
}

/// Matches detections with words: a detection belongs to the clip that it
/// falls into, or up to 0.5 s after.
#[must_use]
pub fn score(composed: &Composed, detections: &[Detection]) -> Score {
    let seconds = composed.samples.len() as f64 / f64::from(SAMPLE_RATE);
    let mut score = Score {
        seconds,
        ..Score::default()
    };
    let keyword = |s: &Spoken| !is_background(&s.label);
    let mut owner: Vec<Vec<&Detection>> = vec![Vec::new(); composed.spoken.len()];
    for d in detections {
        let word = (composed.spoken.iter())
            .position(|s| d.time >= s.start && d.time < s.end + 0.5 && keyword(s));
        match word {
            Some(i) => owner[i].push(d),
            None => score.false_alarms += 1,
        }
    }
    for (s, found) in composed.spoken.iter().zip(&owner) {
        if !keyword(s) {
            continue;
        }
        score.keywords += 1;
        match found.as_slice() {
            [] => score.misses += 1,
            [first, rest @ ..] => {
                score.repeats += rest.len();
                if first.label == s.label {
                    score.hits += 1;
                } else {
                    score.confusions += 1;
                }
            }
        }
    }
    score.false_alarms_per_hour = score.false_alarms as f64 * 3600.0 / seconds.max(1e-9);
    score
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.hits as f64 / self.keywords.max(1) as f64;
        write!(
            f,
            "{:.0} s, {} keywords: {} detected ({share:.1} %), {} by another name, {} missed, \
             {} repeated; {} false alarms ({:.1} per hour)",
            self.seconds,
            self.keywords,
            self.hits,
            self.confusions,
            self.misses,
            self.repeats,
            self.false_alarms,
            self.false_alarms_per_hour
        )
    }
}
