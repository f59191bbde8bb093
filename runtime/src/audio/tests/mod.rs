//! The front-end against the same definition in `f64`, and its streaming.

extern crate std;

mod reference;

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use reference::{Bank, NORM, extremes, noise, reference_spectrum, spectrum, voice};

#[test]
fn tables_follow_their_definitions() {
    for (n, &weight) in tables::HANN.iter().enumerate() {
        let angle = std::f64::consts::TAU * n as f64 / WINDOW as f64;
        let want = 32768.0 * (0.5 - 0.5 * angle.cos());
        assert!((f64::from(weight) - want).abs() <= 0.500_001);
    }
    let check = |rotation: &tables::Rotation, turns: f64| {
        let angle = std::f64::consts::TAU * turns;
        let error = |q15: i32, want: f64| (f64::from(q15) - 32768.0 * want).abs();
        assert!(error(rotation.tan(), (angle / 2.0).tan()) <= 0.500_001);
        assert!(error(rotation.sin(), angle.sin()) <= 0.500_001);
    };
    let stages = [
        (&tables::STAGE_4.once[..], &tables::STAGE_4.twice[..]),
        (&tables::STAGE_16.once[..], &tables::STAGE_16.twice[..]),
        (&tables::STAGE_64.once[..], &tables::STAGE_64.twice[..]),
    ];
    for (once, twice) in stages {
        let unit = 1.0 / (4 * twice.len()) as f64;
        for (j, rotation) in (1..).zip(once) {
            check(rotation, f64::from(j) * unit);
        }
        for (j, rotation) in (0..).zip(twice) {
            check(rotation, f64::from(2 * j) * unit - 0.25);
        }
    }
    for (k, rotation) in (1..).zip(&tables::PARTING) {
        check(rotation, f64::from(k) / 512.0);
    }
    let mut places = tables::PLACES;
    places.sort_unstable();
    assert!(places.into_iter().eq(0..=255));
    assert_eq!((tables::LOG2[0], tables::LOG2[32]), (0, 65536));
}

/// Bins are within 1.5 (roundings down by 2^-6, which add up in few bins) and -81 dB of
/// the largest (rotations rounded to Q15).
#[test]
fn spectrum_matches_f64() {
    let voices = [3.0, 30.0, 1000.0, 20_000.0].map(|peak| voice(WINDOW, peak));
    for frame in extremes().into_iter().chain(voices) {
        let bins = spectrum(&frame);
        let want = reference_spectrum(&frame);
        // Bin 0 counts: it leaks into its neighbours.
        let peak = want.iter().map(|bin| bin.norm()).fold(0.0, f64::max);
        for k in 1..256 {
            let error = (bins[k].0 - want[k].re).hypot(bins[k].1 - want[k].im);
            assert!(error <= 1.5 + peak * 0.9e-4, "{k}: {error} of {peak}");
        }
    }
}

/// Within 0.05 of the reference, 0.005 in root mean square, for bands within
/// 60 dB (20 in log2 units) of the loudest.
#[test]
fn logmel_matches_f64() {
    for bands in [20, 32, 40] {
        let bank = Bank::new(bands, 60.0, 7600.0);
        for peak in [0.0, 1.0, 3.0, 30.0, 300.0, 3000.0, 20_000.0] {
            let samples = voice(16_000, peak);
            let (mut sum, mut count) = (0.0, 0);
            let frames = bank.frames(&samples, &[16_000]);
            assert_eq!(frames.len(), 49);
            for (i, frame) in frames.iter().enumerate() {
                let want = bank.reference(&samples[i * HOP..][..WINDOW]);
                let loudest = want.iter().copied().fold(0.0, f64::max);
                for (&got, want) in frame.iter().zip(want) {
                    if want < loudest - 20.0 {
                        continue;
                    }
                    let error = (f64::from(got) / 256.0 - want).abs();
                    assert!(
                        error <= 0.05,
                        "{bands} bands, peak {peak}: {error} at {want}"
                    );
                    sum += error * error;
                    count += 1;
                }
            }
            let rms = (sum / f64::from(count)).sqrt();
            assert!(rms <= 0.005, "{bands} bands, peak {peak}: {rms}");
        }
    }
}

/// Overflow checks are on in this build.
#[test]
fn extremes_stay_in_range() {
    for bands in [1, 20, 40] {
        for (low, high) in [(0.0, 8000.0), (60.0, 7600.0)] {
            let bank = Bank::new(bands, low, high);
            for frame in extremes() {
                let got = bank.frames(&frame, &[WINDOW]);
                let peak = reference_spectrum(&frame)
                    .iter()
                    .map(|bin| bin.norm_sqr())
                    .fold(1.0, f64::max)
                    .log2();
                for (&value, want) in got[0].iter().zip(bank.reference(&frame)) {
                    assert!((2560..=12_288).contains(&value));
                    // Within 48 dB of the largest bin, in a band or not.
                    if want > peak - 16.0 {
                        let error = (f64::from(value) / 256.0 - want).abs();
                        assert!(error < 0.05, "{bands} bands: {error} at {want} of {peak}");
                    }
                }
            }
        }
    }
}

#[test]
fn silence_gives_the_floor_and_dither_stays_near_it() {
    let bank = Bank::new(40, 60.0, 7600.0);
    let silent = bank.frames(&[0; 1600], &[100]);
    assert_eq!(silent.len(), 4);
    assert!(silent.iter().flatten().all(|&value| value == 2560));
    // Triangular dither of one unit either way, rounded.
    let dither: Vec<i16> = noise(32_000)
        .zip(noise(32_001).skip(1))
        .map(|(a, b)| ((f64::from(a) + f64::from(b)) / 65536.0).round() as i16)
        .collect();
    let frames = bank.frames(&dither, &[1000]);
    for value in frames.into_iter().flatten() {
        assert!((2560..2560 + 512).contains(&value), "{value}");
    }
}

#[test]
fn log2_matches_f64() {
    let values = (0..64).flat_map(|bit| {
        let one = 1u64 << bit;
        (0..100).map(move |step| one + (one / 100) * step + step % 3 * (one >> 20))
    });
    for value in values.chain([u64::MAX, 1, 2, 3]) {
        let want = (value as f64).log2();
        let got = f64::from(mel::log2(value)) / 256.0;
        assert!((got - want).abs() < 0.0022, "{value}: {got} {want}");
    }
}

#[test]
fn validation_names_the_fault() {
    let bank = Bank::new(20, 60.0, 7600.0);
    assert_eq!(bank.params().validate(), Ok(()));
    let refused = |change: &dyn Fn(&mut AudioParams<'_>), want| {
        let mut params = bank.params();
        change(&mut params);
        assert_eq!(params.validate(), Err(want));
    };
    refused(&|p| p.bands = 0, AudioError::Bands);
    refused(&|p| p.bands = 41, AudioError::Bands);
    refused(&|p| p.bands = 19, AudioError::Filter);
    refused(&|p| p.bands = 21, AudioError::Norm);
    refused(&|p| p.code_limit = 0, AudioError::CodeLimit);
    refused(&|p| p.code_limit = 128, AudioError::CodeLimit);
    refused(&|p| p.first_bin = 0, AudioError::Bins);
    refused(&|p| p.first_bin = 100, AudioError::Bins);
    refused(&|p| p.first_bin = u16::MAX, AudioError::Bins);
    refused(&|p| p.filters = &[], AudioError::Bins);
    let filter = |band, reserved, weight| MelBin {
        band,
        reserved,
        weight,
    };
    for filters in [
        [filter(21, 0, 0), filter(21, 0, 0)],
        [filter(1, 0, 0), filter(0, 0, 0)],
        [filter(1, 0, 32769), filter(1, 0, 0)],
        [filter(1, 1, 0), filter(1, 0, 0)],
    ] {
        let mut params = bank.params();
        params.filters = &filters;
        assert_eq!(params.validate(), Err(AudioError::Filter));
    }
    let mut norm = bank.norm.clone();
    norm[3].reserved = 1;
    let mut params = bank.params();
    params.norm = &norm;
    assert_eq!(params.validate(), Err(AudioError::Norm));
}

#[test]
fn quantisation_rounds_and_clamps() {
    let norm = [
        (3000, 0, 14),
        // A sixteenth: 16 Q8 units to a code.
        (3000, 0, 18),
        (i16::MIN, 4, 14),
        (i16::MAX, 0, 14),
    ]
    .map(|(offset, pre, post)| BandNorm {
        offset,
        requant: Requant {
            mult: 1 << 14,
            pre,
            post,
        },
        reserved: 0,
    });
    let mut params = AudioParams {
        bands: 4,
        code_limit: 127,
        first_bin: 1,
        filters: &[],
        norm: &norm,
    };
    let mut codes = [0; 4];
    quantise(&params, &[3005, 3040, i16::MAX, i16::MIN], &mut codes);
    assert_eq!(codes, [5, 3, 127, -127]);
    params.code_limit = 7;
    quantise(&params, &[2900, 3007, i16::MIN, i16::MAX], &mut codes);
    assert_eq!(codes, [-7, 0, 0, 0]);
    // Surplus elements stay.
    let mut codes = [9; 6];
    quantise(&params, &[3001; 2], &mut codes);
    assert_eq!(codes, [1, 0, 9, 9, 9, 9]);
}

#[test]
fn reset_forgets_all_samples() {
    let bank = Bank::new(20, 60.0, 7600.0);
    let params = bank.params();
    let mut frontend = Frontend::new();
    let mut loud = &[20_000i16; 1000][..];
    while frontend.push(&params, &mut loud).is_some() {}
    frontend.reset();
    let samples = voice(700, 500.0);
    let mut rest = &samples[..];
    let got = frontend.push(&params, &mut rest).map(<[i16]>::to_vec);
    assert_eq!(rest.len(), 60);
    assert_eq!(got.as_ref(), bank.frames(&samples, &[700]).first());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_do_not_matter(
        samples in proptest::collection::vec(any::<i16>(), 0..3000),
        sizes in proptest::collection::vec(1..900usize, 1..20),
    ) {
        let bank = Bank::new(32, 20.0, 8000.0);
        let whole = bank.frames(&samples, &[3000]);
        prop_assert_eq!(whole.len(), (samples.len() + HOP).saturating_sub(WINDOW) / HOP);
        prop_assert_eq!(&bank.frames(&samples, &sizes), &whole);
        prop_assert_eq!(&bank.frames(&samples, &[1]), &whole);
    }

    /// No panic and no overflow, whatever passes validation, and none even of
    /// what does not.
    #[test]
    fn any_settings_are_safe(
        samples in proptest::collection::vec(
            prop_oneof![Just(i16::MIN), Just(i16::MAX), any::<i16>()], WINDOW),
        bands in any::<u8>(),
        first_bin in prop_oneof![0..300u16, any::<u16>()],
        filters in proptest::collection::vec(any::<(u8, u16)>(), 0..300),
    ) {
        let filters: Vec<MelBin> = filters
            .into_iter()
            .map(|(band, weight)| MelBin { band: band % 48, reserved: 0, weight })
            .collect();
        let norm = std::vec![NORM; 40];
        let params = AudioParams { bands, code_limit: 127, first_bin, filters: &filters, norm: &norm };
        let mut frontend = Frontend::new();
        let mut rest = &samples[..];
        prop_assert!(frontend.push(&params, &mut rest).is_some());
    }

    #[test]
    fn random_frames_match_f64(
        samples in proptest::collection::vec(any::<i16>(), WINDOW),
        quieter in 0..14u32,
    ) {
        let samples: Vec<i16> = samples.into_iter().map(|x| x >> quieter).collect();
        let bank = Bank::new(32, 60.0, 7600.0);
        let frames = bank.frames(&samples, &[WINDOW]);
        for (&got, want) in frames[0].iter().zip(bank.reference(&samples)) {
            prop_assert!((f64::from(got) / 256.0 - want).abs() < 0.05);
        }
    }
}
