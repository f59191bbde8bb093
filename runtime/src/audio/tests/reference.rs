//! The definition in `f64`, and signals to hold the front-end against it.

use std::vec::Vec;

use realfft::RealFftPlanner;

use super::super::fft::{self, Complex, FRACTION};
use super::super::tables::POINTS;
use super::super::*;

pub(super) const REQUANT: Requant = Requant {
    mult: 1 << 14,
    pre: 0,
    post: 14,
};
pub(super) const NORM: BandNorm = BandNorm {
    offset: 0,
    requant: REQUANT,
    reserved: 0,
};

/// Owned parameters.
pub(super) struct Bank {
    pub(super) bands: u8,
    pub(super) first_bin: u16,
    pub(super) filters: Vec<MelBin>,
    pub(super) norm: Vec<BandNorm>,
}

impl Bank {
    /// Triangles with corners at equal distances on the mel scale.
    pub(super) fn new(bands: u8, low_hz: f64, high_hz: f64) -> Self {
        let mel = |hz: f64| (1.0 + hz / 700.0).ln();
        let step = (mel(high_hz) - mel(low_hz)) / f64::from(bands + 1);
        let bins: Vec<(u16, f64)> = (1..256)
            .map(|bin| (bin, (mel(f64::from(bin) * 31.25) - mel(low_hz)) / step))
            .filter(|&(_, at)| at >= 0.0 && at < f64::from(bands + 1))
            .collect();
        Self {
            bands,
            first_bin: bins[0].0,
            filters: bins
                .iter()
                .map(|&(_, at)| MelBin {
                    band: at as u8,
                    reserved: 0,
                    weight: (at.fract() * 32768.0).round() as u16,
                })
                .collect(),
            norm: std::vec![NORM; bands.into()],
        }
    }

    pub(super) fn params(&self) -> AudioParams<'_> {
        AudioParams {
            code_limit: 127,
            bands: self.bands,
            first_bin: self.first_bin,
            filters: &self.filters,
            norm: &self.norm,
        }
    }

    /// Frames of `samples` given in chunks of `sizes`, over and over.
    pub(super) fn frames(&self, samples: &[i16], sizes: &[usize]) -> Vec<Vec<i16>> {
        let params = self.params();
        params.validate().unwrap();
        let mut frontend = Frontend::new();
        let mut frames = Vec::new();
        let mut rest = samples;
        for &size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (mut chunk, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            while let Some(frame) = frontend.push(&params, &mut chunk) {
                frames.push(frame.to_vec());
            }
            assert!(chunk.is_empty());
        }
        frames
    }

    /// The definition, in `f64`: `log2(energy + floor)` per band.
    pub(super) fn reference(&self, frame: &[i16]) -> Vec<f64> {
        let bins = reference_spectrum(frame);
        let mut energies = std::vec![0.0; usize::from(self.bands)];
        for (bin, filter) in (usize::from(self.first_bin)..).zip(&self.filters) {
            let (band, share) = (usize::from(filter.band), f64::from(filter.weight) / 32768.0);
            let power = bins[bin].norm_sqr();
            if let Some(energy) = energies.get_mut(band) {
                *energy += share * power;
            }
            if band > 0 {
                energies[band - 1] += (1.0 - share) * power;
            }
        }
        energies
            .into_iter()
            .map(|energy| (energy + f64::from(1 << FLOOR_LOG2)).log2())
            .collect()
    }
}

/// Spectrum of a frame under an `f64` window, folded modulo 512.
pub(super) fn reference_spectrum(frame: &[i16]) -> Vec<realfft::num_complex::Complex<f64>> {
    let mut folded = std::vec![0.0; 512];
    for (n, &sample) in frame.iter().enumerate() {
        let angle = std::f64::consts::TAU * n as f64 / WINDOW as f64;
        folded[n % 512] += f64::from(sample) * (0.5 - 0.5 * angle.cos());
    }
    let transform = RealFftPlanner::new().plan_fft_forward(512);
    let mut bins = transform.make_output_vec();
    transform.process(&mut folded, &mut bins).unwrap();
    bins
}

/// Spectrum of a frame by the code under test; bin 0 means nothing.
pub(super) fn spectrum(frame: &[i16]) -> Vec<(f64, f64)> {
    let mut points = [Complex::default(); POINTS];
    let older = frame[..HOP].try_into().unwrap();
    let newer = frame[HOP..].try_into().unwrap();
    fft::spectrum(&mut points, older, newer);
    let unit = f64::from(1 << (FRACTION + 1));
    let part = |x: i32| f64::from(x) / unit;
    points
        .iter()
        .map(|bin| (part(bin.re), part(bin.im)))
        .collect()
}

/// Deterministic noise in -32768..=32767.
pub(super) fn noise(count: usize) -> impl Iterator<Item = i16> {
    let mut state = 0x1234_5678_u32;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16 as i16
    })
}

/// Decaying harmonics of a voice, 12 dB quieter per octave, over faint noise.
pub(super) fn voice(count: usize, peak: f64) -> Vec<i16> {
    noise(count)
        .enumerate()
        .map(|(n, dither)| {
            let time = n as f64 / f64::from(SAMPLE_RATE);
            let tone: f64 = (1..50)
                .map(|k| {
                    let k = f64::from(k);
                    (std::f64::consts::TAU * (123.0 + 40.0 * time) * k * time).sin() / (k * k)
                })
                .sum();
            (tone * peak + f64::from(dither) / 32768.0 * 2.0).round() as i16
        })
        .collect()
}

/// Signals at the ends of the range.
pub(super) fn extremes() -> Vec<Vec<i16>> {
    let pattern = |f: &dyn Fn(usize) -> i16| (0..WINDOW).map(f).collect::<Vec<i16>>();
    let mut all = std::vec![
        pattern(&|_| 0),
        pattern(&|_| i16::MIN),
        pattern(&|_| i16::MAX),
        pattern(&|n| if n % 2 == 0 { i16::MIN } else { i16::MAX }),
        pattern(&|n| if n == 320 { i16::MIN } else { 0 }),
        pattern(&|n| if n == 100 { i16::MAX } else { 0 }),
        noise(WINDOW)
            .map(|x| if x < 0 { i16::MIN } else { i16::MAX })
            .collect(),
        noise(WINDOW).collect(),
        noise(WINDOW).map(|x| x >> 12).collect(),
        noise(WINDOW).map(|x| x >> 15).collect(),
    ];
    // Squares that follow a bin's sign push that bin to its largest value.
    for period in [2, 3, 4, 8, 16, 37, 64, 512] {
        all.push(pattern(&|n| {
            if n % period < period / 2 {
                i16::MAX
            } else {
                i16::MIN
            }
        }));
    }
    for bin in [1, 2, 63, 64, 127, 128, 200, 255] {
        for phase in [0.0, 0.7, 1.6] {
            all.push(pattern(&|n| {
                let angle = std::f64::consts::TAU * (bin * n) as f64 / 512.0 + phase;
                if angle.cos() < 0.0 {
                    i16::MIN
                } else {
                    i16::MAX
                }
            }));
        }
    }
    all
}
