//! Where examples come from: the clips in memory, the law they are drawn by,
//! and a reservoir of augmented features that is renewed while training.
//!
//! Making features costs more than a training step takes, so a clip's features
//! are used a few times: step `s` draws from the youngest `reservoir` of the
//! first `prefill + s * fresh_per_step` examples. Example `n` depends on the
//! seed and on `n` alone, so a run can be resumed by making them again.
use super::augment;
use super::features::{Banks, CLIP, Norm};
use super::random::{Purpose, pick, stream};
use super::recipe::Recipe;
use crate::data::{Dataset, SILENCE, Split, UNKNOWN};
use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Clips grouped by what they are drawn for.
struct Group {
    label: usize,
    /// Clips of one word each, or all clips of the label in one.
    words: Vec<Vec<usize>>,
}

/// Training material.
pub struct Corpus {
    recipe: Recipe,
    banks: Banks,
    labels: Vec<String>,
    clips: Vec<Vec<i16>>,
    noise: Vec<Vec<i16>>,
    groups: Vec<Group>,
    /// Cumulative weights of the groups.
    law: Vec<f64>,
}

/// Features and labels of a fixed set of clips.
pub struct Examples {
    /// `[n, FRAMES, bands]`, Q8.
    pub features: Vec<i16>,
    /// Label of each.
    pub labels: Vec<usize>,
}

impl Corpus {
    /// Reads the training clips of `data` into memory.
    ///
    /// # Errors
    /// When the split is empty, a clip cannot be read, or a label has no clip.
    pub fn load(data: &Dataset, recipe: &Recipe) -> Result<Self> {
        data.require(Split::Train)?;
        let rows: Vec<_> = data.split(Split::Train).collect();
        let clips: Vec<Vec<i16>> = rows
            .par_iter()
            .map(|c| data.load(c))
            .collect::<Result<_>>()?;
        let labels = data.labels().to_vec();
        let mut groups = Vec::new();
        for (label, name) in labels.iter().enumerate() {
            let mut words: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (index, row) in rows
                .iter()
                .enumerate()
                .filter(|(_, row)| row.label == label)
            {
                let by_word = recipe.training.uniform_words && name == UNKNOWN;
                words
                    .entry(if by_word { &row.word } else { "" })
                    .or_default()
                    .push(index);
            }
            ensure!(
                !words.is_empty() || name == SILENCE,
                "no training clip has the label {name}: add some to the manifest, or remove the label from it"
            );
            groups.push(Group {
                label,
                words: words.into_values().collect(),
            });
        }
        let mut total = 0.0;
        let law = labels
            .iter()
            .map(|name| {
                total += if name == UNKNOWN {
                    recipe.training.unknown_weight
                } else {
                    1.0
                };
                total
            })
            .collect();
        let noise = data.noise().context("cannot read the background noise")?;
        Ok(Self {
            banks: Banks::training(recipe)?,
            recipe: recipe.clone(),
            labels,
            clips,
            noise,
            groups,
            law,
        })
    }

    /// Number of training clips.
    pub fn clips(&self) -> usize {
        self.clips.len()
    }

    /// The labels, in the order of the model's outputs.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Example `index`: writes its features, returns its label.
    fn example(&self, index: u64, out: &mut [i16]) -> u8 {
        let rng = &mut stream(self.recipe.seed, Purpose::Clip, index);
        let group = &self.groups[pick(rng, &self.law)];
        let a = &self.recipe.augmentation;
        let samples = if group.words.is_empty() {
            augment::silence(rng, a, &self.noise, CLIP)
        } else {
            let word = &group.words[rng.random_range(0..group.words.len())];
            let clip = &self.clips[word[rng.random_range(0..word.len())]];
            augment::clip(rng, a, clip, &self.noise)
        };
        let bank = rng.random_range(0..self.banks.count());
        self.banks.features(bank, &samples, out);
        group.label as u8
    }

    /// Validation or test clips as they are, plus synthesised silence if the
    /// split has none and `silence` asks for it.
    ///
    /// # Errors
    /// When a clip cannot be read.
    pub fn held_out(&self, data: &Dataset, split: Split, silence: usize) -> Result<Examples> {
        let banks = Banks::plain(&self.recipe.features)?;
        let rows: Vec<_> = data.split(split).collect();
        let mut clips: Vec<Vec<i16>> = rows
            .par_iter()
            .map(|c| data.load(c))
            .collect::<Result<_>>()?;
        let mut labels: Vec<usize> = rows.iter().map(|c| c.label).collect();
        let silent = self.labels.iter().position(|l| l == SILENCE);
        if let Some(label) = silent.filter(|l| !labels.contains(l)) {
            for index in 0..silence as u64 {
                let rng = &mut stream(self.recipe.seed, Purpose::Validation, index);
                clips.push(augment::silence(
                    rng,
                    &self.recipe.augmentation,
                    &self.noise,
                    CLIP,
                ));
                labels.push(label);
            }
        }
        let mut features = vec![0; clips.len() * banks.clip_len()];
        features
            .par_chunks_exact_mut(banks.clip_len())
            .zip(&clips)
            .for_each(|(out, clip)| banks.features(0, clip, out));
        Ok(Examples { features, labels })
    }
}

/// The youngest augmented examples.
pub struct Reservoir {
    capacity: usize,
    clip_len: usize,
    features: Vec<i16>,
    labels: Vec<u8>,
    /// Examples made so far.
    made: u64,
}

impl Reservoir {
    /// An empty reservoir for the examples of `corpus`.
    pub fn new(corpus: &Corpus) -> Self {
        let (capacity, clip_len) = (
            corpus.recipe.augmentation.reservoir,
            corpus.banks.clip_len(),
        );
        Self {
            capacity,
            clip_len,
            features: vec![0; capacity * clip_len],
            labels: vec![0; capacity],
            made: 0,
        }
    }

    /// Examples that exist at step `step`.
    pub fn due(recipe: &Recipe, step: u64) -> u64 {
        let a = &recipe.augmentation;
        a.prefill as u64 + step * a.fresh_per_step as u64
    }

    /// Makes up to `most` of the examples missing at `due`, skipping those that
    /// would be pushed out again. Returns how many are still missing.
    pub fn advance(&mut self, corpus: &Corpus, due: u64, most: usize) -> u64 {
        self.made = self.made.max(due.saturating_sub(self.capacity as u64));
        let fresh = Fresh::make(corpus, self.made..due.min(self.made + most as u64));
        self.insert(fresh);
        due - self.made.min(due)
    }

    /// Takes in examples made beforehand.
    pub fn insert(&mut self, fresh: Fresh) {
        for (k, label) in fresh.labels.iter().enumerate() {
            let slot = ((fresh.first + k as u64) % self.capacity as u64) as usize;
            let source = &fresh.features[k * self.clip_len..(k + 1) * self.clip_len];
            self.features[slot * self.clip_len..(slot + 1) * self.clip_len].copy_from_slice(source);
            self.labels[slot] = *label;
        }
        self.made = self.made.max(fresh.first + fresh.labels.len() as u64);
    }

    /// Examples made so far.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Statistics of everything held.
    pub fn norm(&self, bands: usize) -> Norm {
        let held = self.made.min(self.capacity as u64) as usize;
        Norm::of(&self.features[..held * self.clip_len], bands)
    }

    /// Draws the batch of `step`: normalised and masked features
    /// `[batch, FRAMES, bands]`, and labels.
    pub fn batch(&self, recipe: &Recipe, norm: &Norm, step: u64) -> (Vec<f32>, Vec<usize>) {
        let (batch, bands) = (recipe.training.batch, norm.mean.len());
        let held = self.made.min(self.capacity as u64) as usize;
        let mut rng = stream(recipe.seed, Purpose::Batch, step);
        let slots: Vec<usize> = (0..batch).map(|_| rng.random_range(0..held)).collect();
        let mut x = vec![0.0; batch * self.clip_len];
        let mut masks = stream(recipe.seed, Purpose::Masks, step);
        for (slot, out) in slots.iter().zip(x.chunks_exact_mut(self.clip_len)) {
            norm.apply(
                &self.features[slot * self.clip_len..(slot + 1) * self.clip_len],
                out,
            );
            mask(&mut masks, recipe, bands, out);
        }
        (
            x,
            slots.iter().map(|s| usize::from(self.labels[*s])).collect(),
        )
    }
}

/// Examples made, not yet in the reservoir.
pub struct Fresh {
    first: u64,
    features: Vec<i16>,
    labels: Vec<u8>,
}

impl Fresh {
    /// Makes the examples in `range`, in parallel.
    pub fn make(corpus: &Corpus, range: std::ops::Range<u64>) -> Self {
        let n = range.end.saturating_sub(range.start) as usize;
        let mut features = vec![0; n * corpus.banks.clip_len()];
        let mut labels = vec![0; n];
        features
            .par_chunks_exact_mut(corpus.banks.clip_len())
            .zip(&mut labels)
            .enumerate()
            .for_each(|(k, (out, label))| *label = corpus.example(range.start + k as u64, out));
        Self {
            first: range.start,
            features,
            labels,
        }
    }
}

/// Masks stretches of time and of bands with the mean (SpecAugment).
fn mask(rng: &mut rand_pcg::Pcg64Mcg, recipe: &Recipe, bands: usize, x: &mut [f32]) {
    let a = &recipe.augmentation;
    let frames = x.len() / bands;
    for _ in 0..a.time_masks {
        let width = rng.random_range(0..=a.time_mask_frames.min(frames));
        let start = rng.random_range(0..=frames - width);
        x[start * bands..(start + width) * bands].fill(0.0);
    }
    for _ in 0..a.band_masks {
        let width = rng.random_range(0..=a.band_mask_bands.min(bands));
        let start = rng.random_range(0..=bands - width);
        for row in x.chunks_exact_mut(bands) {
            row[start..start + width].fill(0.0);
        }
    }
}
