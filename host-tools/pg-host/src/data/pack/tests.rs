use std::fs;

use super::*;
use crate::data::tests::{tone, write_wav};

/// Three labels, several words and speakers, all three splits, noise.
fn source() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest = "file,label,word,speaker,split\n".to_owned();
    for split in Split::ALL {
        for (word, label) in [
            ("yes", "yes"),
            ("no", "no"),
            ("cat", "unknown"),
            ("dog", "unknown"),
        ] {
            for speaker in 0..4 {
                for take in 0..3 {
                    let speaker = format!("{split}{speaker}");
                    let file = format!("{word}/{speaker}_{take}.wav");
                    manifest += &format!("{file},{label},{word},{speaker},{split}\n");
                    let level = 500.0 * f64::from(take + 1);
                    write_wav(&dir.path().join(file), &tone(4000, level), 16_000, 1);
                }
            }
        }
    }
    fs::write(dir.path().join("manifest.csv"), manifest).unwrap();
    fs::write(dir.path().join("ATTRIBUTION.txt"), "By A, CC BY 4.0").unwrap();
    fs::write(dir.path().join("LICENSE"), "CC BY 4.0").unwrap();
    write_wav(
        &dir.path().join("noise/hum.wav"),
        &tone(40_000, 3000.0),
        16_000,
        1,
    );
    dir
}

fn options(source: &Path, target: &Path) -> PackOptions {
    PackOptions {
        budget: 200_000,
        test_per_label: 4,
        valid_per_label: 3,
        noise_seconds: 1,
        snr_db: 30.0,
        ..PackOptions::shipped(source.into(), target.into())
    }
}

#[test]
fn a_pack_is_a_balanced_subset_near_the_original() {
    let source = source();
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("pack");
    let report = make(&options(source.path(), &target), |_, _| {}).unwrap();
    assert_eq!(report.labels, ["unknown", "yes", "no"]);
    assert_eq!(report.counts, [vec![24, 12, 12], vec![3; 3], vec![4; 3]]);
    assert!(report.worst_snr_db >= 30.0);
    assert!(report.to_string().contains("48      9     12"), "{report}");

    let (full, pack) = (
        Dataset::open(source.path()).unwrap(),
        Dataset::open(&target).unwrap(),
    );
    let bytes: u64 = [
        "manifest.csv",
        "ATTRIBUTION.txt",
        "LICENSE",
        "noise/hum.flac",
    ]
    .map(|f| fs::metadata(target.join(f)).unwrap().len())
    .iter()
    .sum();
    assert_eq!(bytes + report.clip_bytes, report.bytes);
    assert_eq!(pack.noise().unwrap()[0].len(), 16_000);
    let attribution = fs::read_to_string(target.join("ATTRIBUTION.txt")).unwrap();
    assert!(attribution.starts_with("By A") && attribution.contains("30 dB"));

    for clip in pack.clips() {
        let wav = clip.file.replace(".flac", ".wav");
        let original = full.clips().iter().find(|c| c.file == wav).unwrap();
        assert_eq!(original.split, clip.split);
        let (a, b) = (full.load(original).unwrap(), pack.load(clip).unwrap());
        let error: Vec<i16> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let snr = 20.0 * (crate::data::reduce::rms(&a) / crate::data::reduce::rms(&error)).log10();
        assert!(snr >= 30.0, "{}: {snr}", clip.file);
    }
    // Four test clips of a label come from its four speakers, and of unknown from
    // both words.
    let yes = pack.labels().iter().position(|l| l == "yes").unwrap();
    let speakers: std::collections::BTreeSet<&String> = pack
        .split(Split::Test)
        .filter(|c| c.label == yes)
        .map(|c| &c.speaker)
        .collect();
    assert_eq!(speakers.len(), 4);
    let cats = pack.split(Split::Test).filter(|c| c.word == "cat").count();
    assert_eq!(cats, 2);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let source = source();
    let out = tempfile::tempdir().unwrap();
    let make = |name: &str, seed| {
        let mut o = options(source.path(), &out.path().join(name));
        o.seed = seed;
        super::make(&o, |_, _| {}).unwrap();
        fs::read_to_string(out.path().join(name).join("manifest.csv")).unwrap()
    };
    assert_eq!(make("a", 1), make("b", 1));
    assert_ne!(make("a2", 1), make("c", 2));
}

#[test]
fn the_budget_bounds_the_pack() {
    let source = source();
    let out = tempfile::tempdir().unwrap();
    let full = make(&options(source.path(), &out.path().join("full")), |_, _| {}).unwrap();
    let mut small = options(source.path(), &out.path().join("small"));
    small.budget = full.bytes * 2 / 3;
    let report = make(&small, |_, _| {}).unwrap();
    assert!(report.bytes <= small.budget);
    assert!(report.counts[0].iter().sum::<usize>() < 48);
    assert_eq!(report.counts[2], [4; 3]);

    small.target = out.path().join("none");
    small.budget = 5000;
    let error = make(&small, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("raise the budget"), "{error}");
    assert!(!small.target.exists());
}

#[test]
fn licence_and_target_are_asked_for() {
    let source = source();
    let out = tempfile::tempdir().unwrap();
    let o = options(source.path(), &out.path().join("pack"));
    fs::create_dir(&o.target).unwrap();
    let error = make(&o, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("not overwritten"), "{error}");
    fs::remove_dir(&o.target).unwrap();
    fs::remove_file(source.path().join("LICENSE")).unwrap();
    let error = make(&o, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("has no LICENSE"), "{error}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

/// The pack in the repository is what the documentation says it is.
#[test]
fn the_shipped_pack_is_whole() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/kws/pack");
    let data = Dataset::open(&directory).unwrap();
    assert_eq!(
        data.labels(),
        [
            "silence", "unknown", "yes", "no", "up", "down", "left", "right", "on", "off", "go"
        ]
    );
    data.check(|_, _| {}).unwrap();
    assert_eq!(data.counts(Split::Test), [40; 11]);
    assert_eq!(data.counts(Split::Valid)[1..], [32; 10]);
    assert!(data.counts(Split::Train)[1..].iter().all(|&n| n >= 400));
    assert_eq!(data.noise().unwrap().len(), 6);
    let files = data.clips().iter().map(|c| data.path(c));
    let rest = ["manifest.csv", "ATTRIBUTION.txt", "LICENSE"].map(|f| directory.join(f));
    let all = files.chain(data.noise_files().unwrap()).chain(rest);
    let bytes: u64 = all.map(|f| fs::metadata(f).unwrap().len()).sum();
    assert!(bytes <= 25_000_000, "{bytes}");
}
