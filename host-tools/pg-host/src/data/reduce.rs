//! Near-lossless reduction: the low bits that a clip can do without become zero.
//!
//! FLAC stores low bits that are zero throughout a frame for nothing ("wasted
//! bits", RFC 9639 section 9.2.2), and every player restores them, so a clip rounded
//! to a multiple of 2^k is an ordinary 16-bit file at its ordinary level and a third
//! of the size. k is chosen per clip: rounding to a multiple of 2^k adds an error of
//! 2^k / sqrt(12) RMS, and the largest k is taken whose error, measured on the clip,
//! stays a stated distance below the clip's own RMS.

/// Root mean square of samples, in units of one 16-bit step.
#[must_use]
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

/// A clip with low bits removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduced {
    /// The samples, each a multiple of `1 << bits`.
    pub samples: Vec<i16>,
    /// Low bits removed, 0 to 14.
    pub bits: u32,
    /// RMS of the clip over RMS of the error in dB; infinite where nothing changed.
    pub snr_db: f64,
}

/// Removes as many low bits as leave the error at least `snr_db` below the clip.
#[must_use]
pub fn reduce(samples: &[i16], snr_db: f64) -> Reduced {
    let level = rms(samples);
    for bits in (1..=14).rev() {
        let rounded: Vec<i16> = samples.iter().map(|&s| round_to(s, bits)).collect();
        let error: Vec<i16> = samples
            .iter()
            .zip(&rounded)
            // At most half a step, except next to full scale: it fits.
            .map(|(&a, &b)| a.wrapping_sub(b))
            .collect();
        let noise = rms(&error);
        let reached = match noise {
            0.0 => f64::INFINITY,
            _ => 20.0 * (level / noise).log10(),
        };
        if reached >= snr_db {
            return Reduced {
                samples: rounded,
                bits,
                snr_db: reached,
            };
        }
    }
    Reduced {
        samples: samples.to_vec(),
        bits: 0,
        snr_db: f64::INFINITY,
    }
}

/// The nearest multiple of `1 << bits` (halves go up) that 16 bits hold.
fn round_to(sample: i16, bits: u32) -> i16 {
    let half = 1i32 << (bits - 1);
    let rounded = ((i32::from(sample) + half) >> bits) << bits;
    let top = (1i32 << 15) - (1i32 << bits);
    rounded.min(top) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_stays_below_the_stated_level() {
        let tone = crate::data::tests::tone(8000, 12_000.0);
        let mut before = 16;
        for snr in [10.0, 20.0, 30.0, 40.0, 60.0] {
            let r = reduce(&tone, snr);
            assert!(
                r.snr_db >= snr && r.snr_db < snr + 7.0,
                "{snr}: {}",
                r.snr_db
            );
            assert!(r.samples.iter().all(|s| s.trailing_zeros() >= r.bits));
            assert!(r.bits < before);
            before = r.bits;
        }
    }

    #[test]
    fn silence_and_full_scale_survive() {
        assert_eq!(reduce(&[0; 100], 30.0).samples, [0; 100]);
        let loud = [i16::MAX, i16::MIN, i16::MAX, -1, 0, 1];
        for bits in 1..=14 {
            for s in loud {
                let r = round_to(s, bits);
                assert!((i32::from(r) - i32::from(s)).abs() <= 1 << bits);
            }
        }
        let quiet = [1, -1, 1, 1, -1, 0];
        assert_eq!(reduce(&quiet, 30.0).samples, quiet);
    }

    /// What makes the method worth its while: the encoder exploits the zero bits.
    #[test]
    fn zero_low_bits_cost_nothing() {
        let noise: Vec<i16> = (0..16_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as i16 - 2048)
            .collect();
        let reduced = reduce(&noise, 20.0);
        let size = |s: &[i16]| crate::data::audio::encode_flac(s, 2048).unwrap().len();
        // 12 bits of noise a sample against 12 less those removed.
        let expected = f64::from(12 - reduced.bits) / 12.0;
        let ratio = size(&reduced.samples) as f64 / size(&noise) as f64;
        assert!((ratio - expected).abs() < 0.1, "{ratio} {expected}");
    }
}
