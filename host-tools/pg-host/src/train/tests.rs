use super::*;
use std::path::Path;

/// A dataset of tones: each label has its own pitch.
fn tones(folder: &Path) {
    let mut manifest = String::from("file,label,word,speaker,split\n");
    for (label, hertz) in [("yes", 400.0), ("no", 900.0), ("unknown", 2000.0)] {
        for (split, count) in [("train", 6), ("valid", 4), ("test", 4)] {
            for k in 0..count {
                let file = format!("{split}-{label}-{k}.wav");
                let spec = hound::WavSpec {
                    channels: 1,
                    sample_rate: 16_000,
                    bits_per_sample: 16,
                    sample_format: hound::SampleFormat::Int,
                };
                let mut out = hound::WavWriter::create(folder.join(&file), spec).unwrap();
                for i in 0..16_000 {
                    let phase =
                        i as f32 / 16_000.0 * (hertz + 15.0 * k as f32) * std::f32::consts::TAU;
                    out.write_sample((phase.sin() * 4000.0) as i16).unwrap();
                }
                out.finalize().unwrap();
                manifest += &format!("{file},{label},{label},{split}{k},{split}\n");
            }
        }
    }
    std::fs::write(folder.join("manifest.csv"), manifest).unwrap();
}

fn small(extra: &[&str]) -> Recipe {
    let base = [
        "model.hidden=24",
        "features.bands=20",
        "training.batch=12",
        "training.steps_per_epoch=20",
        "training.float_epochs=3",
        "training.quantised_epochs=2",
        "training.warmup_steps=5",
        "training.quantised_warmup_steps=5",
        "augmentation.prefill=60",
        "augmentation.reservoir=100",
        "augmentation.fresh_per_step=2",
        "validation.silence_clips=4",
    ];
    Recipe::kws()
        .unwrap()
        .with_overrides(&base)
        .unwrap()
        .with_overrides(extra)
        .unwrap()
}

fn options(data: &Path, out: &Path) -> TrainOptions {
    TrainOptions {
        quiet: true,
        ..TrainOptions::new(data, out)
    }
}

fn finished(outcome: Outcome) -> TrainedModel {
    match outcome {
        Outcome::Finished(model) => *model,
        Outcome::Stopped => panic!("stopped early"),
    }
}

#[test]
fn learns_tones_and_resumes_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    tones(&data);
    let recipe = small(&[]);
    let straight = folder.path().join("straight");
    let whole = finished(run(&recipe, &options(&data, &straight)).unwrap());
    assert!(
        whole.meta.test.unwrap().accuracy > 0.9,
        "{:?}",
        whole.meta.test
    );
    assert!(whole.meta.valid.sparsity > 0.0 && whole.meta.valid.executed < 1.0);
    assert_eq!(
        TrainedModel::load(&straight.join("model.safetensors")).unwrap(),
        whole
    );

    // Stop within both parts; the second stop is in the middle of an epoch.
    let parts = folder.path().join("parts");
    for stop in [13, 70] {
        let stopping = TrainOptions {
            stop_after: Some(stop),
            resume: true,
            ..options(&data, &parts)
        };
        assert!(matches!(run(&recipe, &stopping).unwrap(), Outcome::Stopped));
    }
    // An unfinished run is not overwritten, nor continued with another recipe.
    let error = run(&recipe, &options(&data, &parts)).unwrap_err();
    assert!(format!("{error:#}").contains("--resume"), "{error:#}");
    let resume = TrainOptions {
        resume: true,
        ..options(&data, &parts)
    };
    let error = run(&small(&["seed=2"]), &resume).unwrap_err();
    assert!(format!("{error:#}").contains("another recipe"), "{error:#}");

    let mut resumed = finished(run(&recipe, &resume).unwrap());
    resumed.meta.seconds = whole.meta.seconds;
    assert!(resumed == whole, "the resumed run gave another model");
    let log = std::fs::read_to_string(parts.join("log.jsonl")).unwrap();
    let epochs: Vec<usize> = log
        .lines()
        .map(|l| serde_json::from_str::<Record>(l).unwrap().epoch)
        .collect();
    assert_eq!(epochs, [1, 2, 3, 4, 5]);
    assert!(!parts.join("checkpoint.safetensors").exists());
}

#[test]
fn every_mode_trains() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    tones(&data);
    for mode in ["float", "uniform", "fixed-threshold"] {
        for readout in ["mean", "attention"] {
            let (mode_key, readout_key) =
                (format!("mode={mode}"), format!("model.readout={readout}"));
            let recipe = small(&[
                &mode_key,
                &readout_key,
                "gate.granularity=gate",
                "training.float_epochs=1",
                "training.quantised_epochs=1",
                "model.window=20",
            ]);
            let out = folder.path().join(format!("{mode}-{readout}"));
            let model = finished(run(&recipe, &options(&data, &out)).unwrap());
            let expected = if mode == "fixed-threshold" { 96 } else { 0 };
            assert_eq!(model.threshold.len(), expected, "{mode}");
            assert!(model.threshold.iter().all(|t| *t == recipe.gate.threshold));
        }
    }
}

#[test]
fn a_diverging_run_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    tones(&data);
    let recipe = small(&["training.learning_rate=1e30", "training.warmup_steps=1"]);
    let error = run(&recipe, &options(&data, &folder.path().join("out"))).unwrap_err();
    assert!(format!("{error:#}").contains("learning_rate"), "{error:#}");
}
