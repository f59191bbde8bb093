//! Augmentation of samples.
use super::random::{normal, uniform};
use super::recipe::Augmentation;
use pg_runtime::audio::SAMPLE_RATE;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// Root mean square.
fn rms(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    (sum / samples.len().max(1) as f64).sqrt() as f32
}

fn decibel(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// White noise of root mean square `level` (sum of four uniforms: close
/// enough to a normal and cheap).
fn hiss(rng: &mut Pcg64Mcg, samples: &mut [f32], level: f32) {
    if level <= 0.0 {
        return;
    }
    // Four 16-bit lanes; each has variance 65536^2 / 12.
    let scale = level / (65536.0 / 3f32.sqrt());
    for sample in samples {
        let word: u64 = rng.random();
        let sum: u64 = (0..4).map(|lane| word >> (16 * lane) & 0xffff).sum();
        *sample += (sum as f32 - 131_070.0) * scale;
    }
}

/// A stretch of background noise, or white noise if there is none.
fn background(rng: &mut Pcg64Mcg, noise: &[Vec<i16>], length: usize) -> Vec<f32> {
    let usable: Vec<&Vec<i16>> = noise.iter().filter(|n| n.len() >= length).collect();
    if usable.is_empty() {
        return (0..length).map(|_| normal(rng)).collect();
    }
    let source = usable[rng.random_range(0..usable.len())];
    let start = rng.random_range(0..=source.len() - length);
    source[start..start + length]
        .iter()
        .map(|s| f32::from(*s))
        .collect()
}

fn to_i16(samples: &[f32]) -> Vec<i16> {
    // `as` saturates.
    samples.iter().map(|s| s.round() as i16).collect()
}

/// A clip with another speed, shift and gain, with background noise and hiss.
/// The length stays; what moves in from outside is silent.
pub fn clip(rng: &mut Pcg64Mcg, a: &Augmentation, samples: &[i16], noise: &[Vec<i16>]) -> Vec<i16> {
    let n = samples.len();
    if n == 0 {
        return Vec::new();
    }
    let rate = 1.0 + uniform(rng, -a.speed, a.speed);
    let reach = a.shift_ms * SAMPLE_RATE as f32 / 1000.0;
    let offset = uniform(rng, -reach, reach);
    let gain = decibel(uniform(rng, a.gain_db[0], a.gain_db[1]));
    let middle = n as f32 / 2.0;
    let mut out: Vec<f32> = (0..n)
        .map(|i| {
            let position = (i as f32 - middle) * rate + middle + offset;
            let whole = position.floor();
            if whole < 0.0 || whole as usize + 1 >= n {
                return 0.0;
            }
            let (k, share) = (whole as usize, position - whole);
            gain * (f32::from(samples[k]) * (1.0 - share) + f32::from(samples[k + 1]) * share)
        })
        .collect();
    if rng.random_bool(a.noise_probability) {
        let noise = background(rng, noise, n);
        let snr = uniform(rng, a.snr_db[0], a.snr_db[1]);
        let level = (rms(&out) + 1.0) * decibel(-snr) / (rms(&noise) + 1e-3);
        out.iter_mut()
            .zip(&noise)
            .for_each(|(s, v)| *s += v * level);
    }
    hiss(rng, &mut out, a.hiss);
    to_i16(&out)
}

/// Silence: background noise at a level drawn log-uniformly, sometimes two
/// kinds at once, half of the time swelling or fading.
pub fn silence(
    rng: &mut Pcg64Mcg,
    a: &Augmentation,
    noise: &[Vec<i16>],
    length: usize,
) -> Vec<i16> {
    let [low, high] = a.silence_rms;
    let level = uniform(rng, low.ln(), high.ln()).exp();
    let normalised = |v: Vec<f32>| {
        let scale = 1.0 / (rms(&v) + 1e-3);
        v.into_iter().map(move |s| s * scale)
    };
    let mut out: Vec<f32> = normalised(background(rng, noise, length)).collect();
    if rng.random_bool(0.3) {
        let share = rng.random::<f32>();
        let second = normalised(background(rng, noise, length));
        out.iter_mut()
            .zip(second)
            .for_each(|(s, v)| *s += share * v);
    }
    let slope = if rng.random_bool(0.5) {
        0.5 * normal(rng)
    } else {
        0.0
    };
    for (i, sample) in out.iter_mut().enumerate() {
        let position = 2.0 * i as f32 / length.max(1) as f32 - 1.0;
        *sample *= level * (slope * position).exp();
    }
    to_i16(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::{Purpose, stream};
    use crate::train::recipe::Recipe;

    #[test]
    fn a_clip_keeps_its_length_and_depends_on_the_stream() {
        let a = Recipe::kws().unwrap().augmentation;
        let tone: Vec<i16> = (0..16_000)
            .map(|i| ((i as f32 * 0.2).sin() * 3000.0) as i16)
            .collect();
        let make = |index| clip(&mut stream(1, Purpose::Clip, index), &a, &tone, &[]);
        assert_eq!(make(0), make(0));
        assert_ne!(make(0), make(1));
        assert_eq!(make(0).len(), tone.len());
        assert!(clip(&mut stream(1, Purpose::Clip, 0), &a, &[], &[]).is_empty());
    }

    #[test]
    fn levels_are_what_they_say() {
        let mut rng = stream(3, Purpose::Clip, 0);
        let mut samples = vec![0.0; 100_000];
        hiss(&mut rng, &mut samples, 20.0);
        assert!((rms(&samples) - 20.0).abs() < 0.5);
        let a = Recipe::kws().unwrap().augmentation;
        for index in 0..50 {
            let mut rng = stream(3, Purpose::Clip, index);
            let level = rms(&silence(&mut rng, &a, &[], 16_000)
                .iter()
                .map(|s| f32::from(*s))
                .collect::<Vec<_>>());
            assert!((1.0..30_000.0).contains(&level), "{level}");
        }
    }
}
