use std::fs;

use super::*;
use tempfile::TempDir;

const HEADER: &str = "file,label,word,speaker,split,samples\n";

/// Sound with some content: a decaying tone.
pub fn tone(samples: usize, level: f64) -> Vec<i16> {
    (0..samples)
        .map(|i| {
            let t = i as f64 / f64::from(audio::SAMPLE_RATE);
            (level * (t * 3000.0).sin() * (-t * 3.0).exp()) as i16
        })
        .collect()
}

pub fn write_wav(path: &Path, samples: &[i16], rate: u32, channels: u16) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for &s in samples {
        writer.write_sample(s).unwrap();
    }
    writer.finalize().unwrap();
}

fn dataset(manifest: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("manifest.csv"), manifest).unwrap();
    dir
}

fn open_error(manifest: &str) -> String {
    let dir = dataset(manifest);
    let error = Dataset::open(dir.path()).unwrap_err();
    assert!(error.downcast_ref::<ManifestError>().is_some());
    error.to_string()
}

#[test]
fn reads_wav_and_flac() {
    let dir = dataset(&format!(
        "{HEADER}a/x.wav,yes,yes,s1,train,16000\nb.flac,unknown,cat,s2,test,\n"
    ));
    let sound = tone(16_000, 9000.0);
    write_wav(&dir.path().join("a/x.wav"), &sound, 16_000, 1);
    let flac = audio::encode_flac(&sound[..1234], 4096).unwrap();
    fs::write(dir.path().join("b.flac"), &flac).unwrap();
    write_wav(&dir.path().join("noise/hum.wav"), &sound[..99], 16_000, 1);
    fs::write(dir.path().join("noise/README.txt"), "not a sound").unwrap();

    let data = Dataset::open(dir.path()).unwrap();
    assert_eq!(data.labels(), ["unknown", "yes"]);
    assert_eq!(data.load(&data.clips()[0]).unwrap(), sound);
    assert_eq!(data.load(&data.clips()[1]).unwrap(), sound[..1234]);
    assert_eq!(data.clips()[1].word, "cat");
    assert_eq!(data.split(Split::Test).count(), 1);
    assert_eq!(data.counts(Split::Train), [0, 1]);
    assert_eq!(data.noise().unwrap(), [sound[..99].to_vec()]);
    assert!(data.require(Split::Valid).is_err());
    let mut seen = 0;
    data.check(|done, total| seen = done * 10 + total).unwrap();
    assert_eq!(seen, 33);
}

#[test]
fn labels_have_a_fixed_order() {
    let names = [
        "zebra", "go", "off", "on", "right", "left", "down", "up", "no", "yes", "unknown", "ant",
        "silence",
    ];
    let rows: String = names.map(|l| format!("{l}.wav,{l},{l},,test,1\n")).concat();
    let dir = dataset(&format!("{HEADER}{rows}"));
    let expected = [
        "silence", "unknown", "yes", "no", "up", "down", "left", "right", "on", "off", "go", "ant",
        "zebra",
    ];
    let data = Dataset::open(dir.path()).unwrap();
    assert_eq!(data.labels(), expected);
    for clip in data.clips() {
        assert_eq!(data.labels()[clip.label], clip.word);
    }
    let reversed: Vec<&str> = expected.iter().rev().copied().collect();
    fs::write(dir.path().join("labels.txt"), reversed.join("\n")).unwrap();
    assert_eq!(Dataset::open(dir.path()).unwrap().labels(), reversed);
    assert_eq!(
        data.map_labels(&reversed).unwrap(),
        (0..13).rev().collect::<Vec<_>>()
    );
    let error = data.map_labels(&reversed[..12]).unwrap_err().to_string();
    assert!(error.contains("no label \"silence\""), "{error}");
}

#[test]
fn label_list_and_manifest_must_agree() {
    let dir = dataset(&format!("{HEADER}a.wav,yes,yes,s,test,1\n"));
    let with = |list: &str| {
        fs::write(dir.path().join("labels.txt"), list).unwrap();
        Dataset::open(dir.path()).map_err(|e| e.to_string())
    };
    assert!(with("no\n").unwrap_err().contains("not in labels.txt"));
    assert!(
        with("yes\nno\n")
            .unwrap_err()
            .contains("\"no\" has no clip")
    );
    assert!(with("yes\nyes\n").unwrap_err().contains("listed twice"));
    assert_eq!(with("silence\nyes\n").unwrap().labels().len(), 2);
}

#[test]
fn manifest_errors_have_names() {
    let dir = tempfile::tempdir().unwrap();
    let error = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("directory with a manifest.csv"), "{error}");

    let row = |row: &str| open_error(&format!("{HEADER}ok.wav,yes,yes,s1,train,9\n{row}\n"));
    for (row_text, expected) in [
        ("a.wav,,yes,s,train,1", "line 3: the label is missing"),
        ("a.wav,yes,yes,s,dev,1", "unknown split \"dev\""),
        (
            "a.wav,yes,yes,s1,test,1",
            "speaker \"s1\" is in both train and test",
        ),
        ("../a.wav,yes,yes,s,train,1", "outside the dataset"),
        ("/etc/a.wav,yes,yes,s,train,1", "outside the dataset"),
        ("a/../../b.wav,yes,yes,s,train,1", "outside the dataset"),
        ("C:\\a.wav,yes,yes,s,train,1", "outside the dataset"),
        (",yes,yes,s,train,1", "outside the dataset"),
        ("ok.wav,yes,yes,s,train,1", "listed twice"),
        ("a.wav,yes,yes,s,train,0", "samples is \"0\""),
        ("a.wav,yes,yes,s,train,-1", "samples is \"-1\""),
        ("a.wav,yes", "not a readable CSV"),
    ] {
        let error = row(row_text);
        assert!(error.contains(expected), "{row_text}: {error}");
    }
    for column in ["file", "label", "word", "speaker", "split"] {
        let error = open_error(&HEADER.replace(column, "other"));
        assert!(error.contains(&format!("no column {column:?}")), "{error}");
    }
    assert!(open_error(HEADER).contains("lists no clips"));
    assert!(open_error("").contains("no column"));
}

fn clip_error(bytes: &[u8]) -> ClipError {
    audio::decode_clip(Path::new("clip.wav"), bytes).unwrap_err()
}

#[test]
fn clip_errors_have_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    let missing = read_clip(&path).unwrap_err();
    assert!(matches!(missing, ClipError::Read { .. }));
    assert!(missing.to_string().contains("x.wav"));

    assert!(matches!(clip_error(b""), ClipError::Empty { .. }));
    assert!(matches!(clip_error(b"OggS1234"), ClipError::Unknown { .. }));
    assert!(matches!(clip_error(b"RIFF"), ClipError::Corrupt { .. }));
    assert!(matches!(clip_error(b"fLaC"), ClipError::Corrupt { .. }));

    write_wav(&path, &[], 16_000, 1);
    assert!(matches!(read_clip(&path), Err(ClipError::Empty { .. })));
    write_wav(&path, &[1, 2, 3, 4], 44_100, 2);
    let error = read_clip(&path).unwrap_err();
    assert!(matches!(
        error,
        ClipError::Format {
            rate: 44_100,
            channels: 2,
            ..
        }
    ));
    assert!(error.to_string().contains("ffmpeg -i"), "{error}");

    write_wav(&path, &tone(500, 500.0), 16_000, 1);
    let mut wav = fs::read(&path).unwrap();
    wav.truncate(600);
    assert!(matches!(clip_error(&wav), ClipError::Corrupt { .. }));
    let mut flac = audio::encode_flac(&tone(9000, 500.0), 4096).unwrap();
    flac.truncate(flac.len() * 2 / 3);
    assert!(matches!(clip_error(&flac), ClipError::Corrupt { .. }));
}

#[test]
fn a_length_other_than_the_manifests_is_corruption() {
    let dir = dataset(&format!("{HEADER}a.wav,yes,yes,s,test,100\n"));
    write_wav(&dir.path().join("a.wav"), &[5; 99], 16_000, 1);
    let data = Dataset::open(dir.path()).unwrap();
    let error = data.load(&data.clips()[0]).unwrap_err().to_string();
    assert!(error.contains("the manifest says 100"), "{error}");
}

/// Whatever the bytes, the answer is a clip or a named error. Every byte of a small
/// file is changed in turn, to several values, and the file cut at every length.
#[test]
fn damaged_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    let sound = tone(700, 7000.0);
    write_wav(&path, &sound, 16_000, 1);
    let wav = fs::read(&path).unwrap();
    // Frames of several kinds: predicted, constant, with zero low bits.
    let mut mixed = sound.clone();
    mixed.extend([0; 200]);
    mixed.extend(sound.iter().map(|s| s >> 5 << 5));
    let flac = audio::encode_flac(&mixed, 192).unwrap();
    assert_eq!(audio::decode_clip(&path, &flac).unwrap(), mixed);

    let mut accepted_changed = 0;
    for file in [&wav, &flac] {
        for i in 0..file.len() {
            let _ = audio::decode_clip(&path, &file[..i]);
            for flip in [0x01, 0x10, 0x80, 0x7f, 0xff] {
                let mut bytes = file.clone();
                bytes[i] ^= flip;
                if let Ok(samples) = audio::decode_clip(&path, &bytes)
                    && file == &flac
                    && samples != mixed
                {
                    accepted_changed += 1;
                }
            }
        }
    }
    // The frame checksums cover the sound itself.
    assert_eq!(accepted_changed, 0);
}
