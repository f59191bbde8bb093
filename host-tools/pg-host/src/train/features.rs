//! Log-mel features of whole clips, made by the runtime's own front-end.
use super::recipe::{Features, Recipe};
use crate::mel::{MelFilters, mel_filters};
use anyhow::{Context, Result};
use pg_runtime::audio::{AudioParams, BandNorm, Frontend, HOP, WINDOW};
use pg_runtime::quant::Requant;

/// Samples of a training clip, one second.
pub const CLIP: usize = 16_000;
/// Frames of it.
pub const FRAMES: usize = (CLIP - WINDOW) / HOP + 1;

/// Filter banks, one per stretch of the mel axis.
pub struct Banks {
    bands: usize,
    filters: Vec<MelFilters>,
    norm: Vec<BandNorm>,
}

impl Banks {
    /// The filter bank of `features`, without stretch.
    ///
    /// # Errors
    /// When the bands and frequencies give no valid filter bank.
    pub fn plain(features: &Features) -> Result<Self> {
        Self::stretched(features, &[1.0])
    }

    /// Nine stretches from `1 - warp` to `1 + warp`, for training; the plain
    /// bank if `warp` is 0.
    ///
    /// # Errors
    /// As [`Banks::plain`].
    pub fn training(recipe: &Recipe) -> Result<Self> {
        let warp = recipe.augmentation.warp;
        let steps = if warp > 0.0 { 4 } else { 0 };
        let factors: Vec<f64> = (-steps..=steps)
            .map(|k| 1.0 + warp * f64::from(k) / f64::from(steps.max(1)))
            .collect();
        Self::stretched(&recipe.features, &factors)
    }

    fn stretched(features: &Features, factors: &[f64]) -> Result<Self> {
        // The front-end asks for a normalisation, which is not applied here.
        let unit = BandNorm {
            offset: 0,
            requant: Requant {
                mult: 1 << 14,
                pre: 0,
                post: 14,
            },
            reserved: 0,
        };
        let filters = factors
            .iter()
            .map(|f| {
                let high = (features.high_hz * f).min(8000.0);
                mel_filters(features.bands, features.low_hz * f, high)
                    .context("the recipe's [features] give no filter bank (with augmentation.warp)")
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            bands: features.bands,
            filters,
            norm: vec![unit; features.bands],
        })
    }

    /// Number of stretches.
    pub fn count(&self) -> usize {
        self.filters.len()
    }

    /// Log-mel of `samples`, cut or padded with zeros to one second:
    /// `[FRAMES, bands]`, log2 units, Q8.
    pub fn features(&self, bank: usize, samples: &[i16], out: &mut [i16]) {
        let filters = &self.filters[bank % self.filters.len()];
        let params = AudioParams {
            bands: self.bands as u8,
            code_limit: 127,
            first_bin: filters.first_bin,
            filters: &filters.filters,
            norm: &self.norm,
        };
        let mut padded = [0i16; CLIP];
        let n = samples.len().min(CLIP);
        padded[..n].copy_from_slice(&samples[..n]);
        let (mut frontend, mut rest) = (Frontend::new(), &padded[..]);
        let mut rows = out.chunks_exact_mut(self.bands);
        while let Some(logmel) = frontend.push(&params, &mut rest) {
            if let Some(row) = rows.next() {
                row.copy_from_slice(logmel);
            }
        }
    }

    /// Values of one clip's features.
    pub fn clip_len(&self) -> usize {
        FRAMES * self.bands
    }
}

/// Normalisation of the bands: `x = (logmel - mean) / std`, log2 units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norm {
    /// Mean per band.
    pub mean: Vec<f32>,
    /// Standard deviation per band.
    pub std: Vec<f32>,
}

impl Norm {
    /// Statistics of Q8 features `[.., bands]`.
    pub fn of(features: &[i16], bands: usize) -> Self {
        let (mut sum, mut squares) = (vec![0.0f64; bands], vec![0.0f64; bands]);
        for row in features.chunks_exact(bands) {
            for (k, v) in row.iter().enumerate() {
                let v = f64::from(*v) / 256.0;
                sum[k] += v;
                squares[k] += v * v;
            }
        }
        let n = (features.len() / bands).max(1) as f64;
        let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
        let deviation = |(s, m): (&f64, &f64)| (s / n - m * m).max(1e-4).sqrt() as f32;
        Self {
            std: squares.iter().zip(&mean).map(deviation).collect(),
            mean: mean.into_iter().map(|m| m as f32).collect(),
        }
    }

    /// Normalises Q8 features.
    pub fn apply(&self, features: &[i16], out: &mut [f32]) {
        let bands = self.mean.len();
        for (row, out) in features
            .chunks_exact(bands)
            .zip(out.chunks_exact_mut(bands))
        {
            for k in 0..bands {
                out[k] = (f32::from(row[k]) / 256.0 - self.mean[k]) / self.std[k];
            }
        }
    }
}
