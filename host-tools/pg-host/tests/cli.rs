//! The command line under bad input: a named error that says what to do, exit
//! code 1, nothing half-written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pg_host(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pg-host"))
        .args(args)
        .current_dir(root())
        .output()
        .expect("pg-host starts")
}

/// Standard error of a command that must fail with exit code 1.
fn refused(args: &[&str]) -> String {
    let output = pg_host(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    assert!(!error.contains("panicked"), "{args:?}: {error}");
    error
}

const IMAGE: &str = "models/kws/kws.pgi";
const PACK: &str = "models/kws/pack";

fn image() -> Vec<u8> {
    std::fs::read(root().join(IMAGE)).expect("shipped image")
}

#[test]
fn damaged_images_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("bad.pgi");
    let name = path.to_str().expect("utf-8");
    let good = image();
    let reseal = |bytes: &mut [u8]| {
        let crc = pg_runtime::image::checksum(bytes).expect("header");
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    };
    let mut flipped = good.clone();
    flipped[5000] ^= 4;
    let mut newer = good.clone();
    newer[4] = 9;
    reseal(&mut newer);
    let mut target = good.clone();
    target[16] = 7;
    reseal(&mut target);
    let longer = [&good[..], b"more"].concat();
    for (bytes, words) in [
        (&good[..good.len() / 2], "truncated"),
        (&[], "truncated"),
        (
            b"hello, this is not an image, but long enough to be looked at as one",
            "not a model image",
        ),
        (&flipped, "damaged"),
        (&newer, "update the firmware"),
        (&target, "laid out for target 7"),
        (&longer, "bytes given where the image states"),
    ] {
        std::fs::write(&path, bytes).expect("write");
        for command in ["inspect", "run", "eval", "verify"] {
            let mut args = vec![command, name];
            match command {
                "run" => args.push("whatever.wav"),
                "eval" => args.extend(["--data", PACK]),
                _ => {}
            }
            let error = refused(&args);
            assert!(error.contains(words), "{command}: {error}");
        }
    }
    let error = refused(&["inspect", "no/such/image.pgi"]);
    assert!(error.contains("cannot read the model image"), "{error}");
}

#[test]
fn bad_clips_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("write");
        path.to_str().expect("utf-8").to_owned()
    };
    refused(&["run", IMAGE, &put("empty.wav", b"")]);
    refused(&[
        "run",
        IMAGE,
        &put("corrupt.flac", b"fLaC and then nothing of the kind"),
    ]);
    refused(&["run", IMAGE, &put("text.wav", b"RIFF....WAVE of the sea")]);
    let path = folder.path().join("stereo.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).expect("wav");
    for _ in 0..1000 {
        wav.write_sample(1i16).expect("sample");
    }
    wav.finalize().expect("wav");
    let error = refused(&["run", IMAGE, path.to_str().expect("utf-8")]);
    assert!(error.contains("16") && error.contains("44100"), "{error}");
}

#[test]
fn a_label_the_image_does_not_have_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let clip = std::fs::read_dir(root().join(PACK).join("test/yes"))
        .expect("pack")
        .next()
        .expect("clip")
        .expect("clip");
    std::fs::copy(clip.path(), folder.path().join("a.flac")).expect("copy");
    std::fs::write(
        folder.path().join("manifest.csv"),
        "file,label,word,speaker,split\na.flac,abracadabra,abracadabra,s1,test\n",
    )
    .expect("write");
    let error = refused(&[
        "eval",
        IMAGE,
        "--data",
        folder.path().to_str().expect("utf-8"),
    ]);
    assert!(error.contains("abracadabra"), "{error}");
    let error = refused(&["eval", IMAGE, "--data", "no/such/folder"]);
    assert!(error.contains("manifest"), "{error}");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_half_written() {
    // A file-size limit makes every larger write fail, as a full disk does.
    let folder = tempfile::tempdir().expect("folder");
    let target = folder.path().join("out.pgi");
    std::fs::write(&target, "what was there").expect("write");
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} export models/kws/kws.safetensors --output {}",
        env!("CARGO_BIN_EXE_pg-host"),
        target.display()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root())
        .output()
        .expect("bash");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("out.pgi"), "{error}");
    assert_eq!(
        std::fs::read_to_string(&target).expect("read"),
        "what was there"
    );
    let left = std::fs::read_dir(folder.path()).expect("folder").count();
    assert_eq!(left, 1, "a temporary file was left behind");
}

#[test]
fn boards_and_options_out_of_range_are_named() {
    let error = refused(&["verify", IMAGE, "--board", "no-such-board"]);
    assert!(error.contains("mps2-an386"), "{error}");
    let model = "models/kws/kws.safetensors";
    let error = refused(&["export", model, "--output", "x.pgi", "--threshold", "7"]);
    assert!(error.contains("--threshold"), "{error}");
    let error = refused(&["export", IMAGE, "--output", "x.pgi"]);
    assert!(error.contains("not a model"), "{error}");
    refused(&["frobnicate"]);
}

#[cfg(feature = "train")]
#[test]
fn recipes_with_unknown_fields_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("out");
    let out = out.to_str().expect("utf-8");
    let recipe = folder.path().join("r.toml");
    let text = std::fs::read_to_string(root().join("models/kws/recipe.toml")).expect("recipe");
    std::fs::write(&recipe, format!("{text}\n[surprise]\nx = 1\n")).expect("write");
    let recipe = recipe.to_str().expect("utf-8");
    let error = refused(&["train", recipe, "--data", PACK, "--out", out]);
    assert!(error.contains("surprise"), "{error}");
    let error = refused(&[
        "train",
        "kws",
        "--data",
        PACK,
        "--out",
        out,
        "--set",
        "gate.thresh=1",
    ]);
    assert!(error.contains("gate.thresh"), "{error}");
    let error = refused(&["train", "no-such-recipe", "--data", PACK, "--out", out]);
    assert!(error.contains("no-such-recipe"), "{error}");
    assert!(!Path::new(out).join("model.safetensors").exists());
}

#[cfg(feature = "bench")]
#[test]
fn benches_name_their_cores() {
    let error = refused(&["bench", "--core", "cortex-m85"]);
    assert!(error.contains("there is no core"), "{error}");
    assert!(error.contains("cortex-m0plus, cortex-m3"), "{error}");
    let error = refused(&["bench", "--clips", "0"]);
    assert!(error.contains("need frames"), "{error}");
}

#[cfg(feature = "train")]
#[test]
fn bad_texts_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().to_str().expect("utf-8");
    let out = folder.path().join("out");
    let put = |name: &str, text: &[u8]| {
        std::fs::write(folder.path().join(name), text).expect("write");
    };
    let error = || {
        let out = out.to_str().expect("utf-8");
        refused(&["train", "ptb-lstm300", "--data", data, "--out", out])
    };
    assert!(error().contains("ptb.train.txt"));
    put("ptb.train.txt", b"a b c\n");
    put("ptb.valid.txt", b"");
    put("ptb.test.txt", b"a b\n");
    let empty = error();
    assert!(empty.contains("ptb.valid.txt has no words"), "{empty}");
    put("ptb.valid.txt", b"a\nb zebra\n");
    let word = error();
    assert!(word.contains("\"zebra\", line 2"), "{word}");
    put("ptb.valid.txt", b"a\nb\n");
    let short = error();
    assert!(short.contains("training.batch"), "{short}");
    assert!(!out.join("model.safetensors").exists());

    let runs = refused(&["reproduce", "ptb", "--runs", data]);
    assert!(runs.contains("has no runs"), "{runs}");
    let model = folder.path().join("model.safetensors");
    std::fs::write(&model, b"not a model").expect("write");
    let model = model.to_str().expect("utf-8");
    let error = refused(&["eval", model, "--data", data]);
    assert!(error.contains("not a language model"), "{error}");
}
