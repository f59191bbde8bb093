//! Mel filters for the runtime's front-end.

use std::{error, fmt};

use pg_runtime::audio::{BINS, MAX_BANDS, MelBin, SAMPLE_RATE};

/// Hertz between two bins of the front-end's spectrum, 31.25.
const BIN_HZ: f64 = SAMPLE_RATE as f64 / (2 * (BINS - 1)) as f64;

/// Triangular mel filters: `filters` and `first_bin` of
/// [`AudioParams`](pg_runtime::audio::AudioParams).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MelFilters {
    /// Bin of `filters[0]`, 1..=255.
    pub first_bin: u16,
    /// How each bin is shared, in order of frequency.
    pub filters: Vec<MelBin>,
}

/// Why mel filters cannot be built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MelError {
    /// The number of bands, not 1..=[`MAX_BANDS`].
    Bands(usize),
    /// Lower and upper edge in Hz, not 0 <= low < high <= 8000.
    Range(f64, f64),
    /// No bin lies inside this band, counted from 0.
    EmptyBand(usize),
}

impl fmt::Display for MelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bands(bands) => write!(
                f,
                "{bands} mel bands: the front-end has 1 to {MAX_BANDS}; change `bands`"
            ),
            Self::Range(low, high) => write!(
                f,
                "mel bands from {low} to {high} Hz: the edges must rise and lie within 0 to {} Hz",
                SAMPLE_RATE / 2
            ),
            Self::EmptyBand(band) => write!(
                f,
                "mel band {band} is narrower than the {BIN_HZ} Hz between two bins: \
                 use fewer bands or a wider range"
            ),
        }
    }
}

impl error::Error for MelError {}

/// Frequency in Hz to mel: 2595 log10(1 + hz / 700) (O'Shaughnessy 1987; the
/// form of HTK).
#[must_use]
pub fn mel(hz: f64) -> f64 {
    2595.0 * (hz / 700.0).ln_1p() / std::f64::consts::LN_10
}

/// Builds `bands` triangles whose `bands + 2` corners lie at equal distances in
/// mel from `low_hz` to `high_hz`. Each triangle is straight in mel, rises from
/// 0 at one corner to 1 at the next and falls to 0 at the one after.
///
/// # Errors
/// [`MelError`] where a number is out of range or a band would hold no bin.
pub fn mel_filters(bands: usize, low_hz: f64, high_hz: f64) -> Result<MelFilters, MelError> {
    if !(1..=MAX_BANDS).contains(&bands) {
        return Err(MelError::Bands(bands));
    }
    // Written so that NaN is refused.
    if !(low_hz >= 0.0 && low_hz < high_hz && high_hz <= f64::from(SAMPLE_RATE / 2)) {
        return Err(MelError::Range(low_hz, high_hz));
    }
    let (low, high) = (mel(low_hz), mel(high_hz));
    let step = (high - low) / (bands + 1) as f64;
    let mut first_bin = 0;
    let mut filters = Vec::new();
    let mut gain = vec![0u32; bands];
    // Bins 0 and 256 never reach a band.
    for bin in 1..BINS as u16 - 1 {
        let position = (mel(f64::from(bin) * BIN_HZ) - low) / step;
        if position < 0.0 || position >= (bands + 1) as f64 {
            continue;
        }
        if filters.is_empty() {
            first_bin = bin;
        }
        let band = position.floor();
        let weight = ((position - band) * 32768.0).round() as u16;
        let band = band as usize;
        if let Some(gain) = gain.get_mut(band) {
            *gain += u32::from(weight);
        }
        if let Some(gain) = band.checked_sub(1).and_then(|below| gain.get_mut(below)) {
            *gain += 32768 - u32::from(weight);
        }
        filters.push(MelBin {
            band: band as u8,
            reserved: 0,
            weight,
        });
    }
    if let Some(band) = gain.iter().position(|&gain| gain == 0) {
        return Err(MelError::EmptyBand(band));
    }
    Ok(MelFilters { first_bin, filters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_runtime::audio::{AudioParams, BandNorm};
    use pg_runtime::quant::Requant;

    fn gains(bands: usize, built: &MelFilters) -> Vec<f64> {
        let mut gains = vec![0.0; bands];
        for filter in &built.filters {
            let (band, weight) = (usize::from(filter.band), f64::from(filter.weight) / 32768.0);
            if band < bands {
                gains[band] += weight;
            }
            if band > 0 {
                gains[band - 1] += 1.0 - weight;
            }
        }
        gains
    }

    #[test]
    fn every_choice_passes_the_runtime_and_covers_its_bands() {
        for bands in [1, 20, 32, 40] {
            let built = mel_filters(bands, 60.0, 7600.0).unwrap();
            let requant = Requant {
                mult: 1 << 14,
                pre: 0,
                post: 14,
            };
            let norm = vec![
                BandNorm {
                    offset: 0,
                    requant,
                    reserved: 0
                };
                bands
            ];
            let params = AudioParams {
                code_limit: 127,
                bands: bands as u8,
                first_bin: built.first_bin,
                filters: &built.filters,
                norm: &norm,
            };
            assert_eq!(params.validate(), Ok(()));
            assert_eq!(built.first_bin, 2);
            assert_eq!(built.filters.len(), 7600 * 4 / 125 - 1);
            // Area of a triangle in bins is half its base.
            let gains = gains(bands, &built);
            let (low, high) = (mel(60.0), mel(7600.0));
            let step = (high - low) / (bands + 1) as f64;
            let hertz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
            for (band, gain) in gains.into_iter().enumerate() {
                let base = hertz(low + (band + 2) as f64 * step) - hertz(low + band as f64 * step);
                let area = base / 2.0 / BIN_HZ;
                assert!(
                    (gain - area).abs() < 0.12 * area + 0.3,
                    "{band}: {gain} {area}"
                );
            }
        }
    }

    #[test]
    fn the_full_range_keeps_clear_of_the_ends_of_the_spectrum() {
        let built = mel_filters(40, 0.0, 8000.0).unwrap();
        assert_eq!(built.first_bin, 1);
        assert_eq!(built.filters.len(), BINS - 2);
        assert!(built.filters.is_sorted_by_key(|filter| filter.band));
    }

    #[test]
    fn refusals_name_the_number() {
        assert_eq!(mel_filters(0, 60.0, 7600.0), Err(MelError::Bands(0)));
        assert_eq!(mel_filters(41, 60.0, 7600.0), Err(MelError::Bands(41)));
        assert_eq!(
            mel_filters(20, 60.0, 9000.0),
            Err(MelError::Range(60.0, 9000.0))
        );
        assert_eq!(
            mel_filters(20, 600.0, 60.0),
            Err(MelError::Range(600.0, 60.0))
        );
        assert!(mel_filters(20, f64::NAN, 60.0).is_err());
        // Corners are 8 Hz apart here: the first bin, 62.5 Hz, rises into band 0.
        assert_eq!(mel_filters(40, 60.0, 500.0), Err(MelError::EmptyBand(1)));
    }
}
