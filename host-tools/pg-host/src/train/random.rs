//! Random numbers that depend on the seed and on what they are for, not on
//! the order of drawing: a resumed or differently threaded run draws the same.
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// What a stream of random numbers is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// Initial weights.
    Initial,
    /// One augmented clip.
    Clip,
    /// Choice of a batch.
    Batch,
    /// Masks over the features of a batch.
    Masks,
    /// Dropout.
    Dropout,
    /// Starting states of a batch.
    Carry,
    /// Silence for validation.
    Validation,
}

/// The stream number `index` for `purpose`.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> Pcg64Mcg {
    // SplitMix64's finaliser, applied to each part in turn.
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let golden = 0x9e37_79b9_7f4a_7c15u64;
    let seed = mix(seed.wrapping_add(golden)) ^ (purpose as u64 + 1).wrapping_mul(golden);
    Pcg64Mcg::seed_from_u64(mix(mix(seed).wrapping_add(index.wrapping_mul(golden))))
}

/// Uniform in `[low, high]`; `low` where they are equal.
pub fn uniform(rng: &mut Pcg64Mcg, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Standard normal (Box and Muller).
pub fn normal(rng: &mut Pcg64Mcg) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}

/// Which entry of a cumulative distribution a draw in `[0, 1)` falls on.
pub fn pick(rng: &mut Pcg64Mcg, cumulative: &[f64]) -> usize {
    let total = cumulative.last().copied().unwrap_or(0.0);
    let draw = rng.random::<f64>() * total;
    cumulative
        .partition_point(|c| *c <= draw)
        .min(cumulative.len().saturating_sub(1))
}

/// Fills `mask` with zeros, a share of `rate`, and with what keeps the mean of
/// what it multiplies.
pub fn dropout(rng: &mut Pcg64Mcg, rate: f32, mask: &mut [f32]) {
    let keep = 1.0 / (1.0 - rate).max(1e-6);
    let limit = (rate * 65536.0) as u64;
    for lanes in mask.chunks_mut(4) {
        let word: u64 = rng.random();
        for (k, v) in lanes.iter_mut().enumerate() {
            *v = if (word >> (16 * k)) & 0xffff < limit {
                0.0
            } else {
                keep
            };
        }
    }
}
