use super::*;
use burn::tensor::Device;
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

fn finished(outcome: Outcome<TrainedModel>) -> TrainedModel {
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

/// Modes and gates part only where the quantised epochs begin.
#[test]
fn a_run_from_the_float_part_of_another_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    tones(&data);
    let recipe = |extra: &[&str]| {
        let fewer = ["training.float_epochs=2", "training.quantised_epochs=1"];
        small(&[&fewer, extra].concat())
    };
    let other = folder.path().join("uniform");
    let uniform = finished(run(&recipe(&["mode=uniform"]), &options(&data, &other)).unwrap());
    let short = |name: &str| TrainOptions {
        float_from: Some(other.clone()),
        ..options(&data, &folder.path().join(name))
    };
    let gate = [
        "gate.threshold=0.2",
        "gate.granularity=gate",
        "gate.group=unit",
        "model.msb_bits=3",
        "model.input_range=8.0",
        "pressure.temporal=1.0",
    ];
    for (mode, gate) in [("pg", &[][..]), ("fixed-threshold", &gate)] {
        let mode_key = format!("mode={mode}");
        let recipe = recipe(&[&[mode_key.as_str()], gate].concat());
        let full = folder.path().join(format!("{mode}-full"));
        let whole = finished(run(&recipe, &options(&data, &full)).unwrap());
        let options = short(&format!("{mode}-short"));
        let mut shortened = finished(run(&recipe, &options).unwrap());
        shortened.meta.seconds = whole.meta.seconds;
        assert!(shortened == whole, "{mode}: another model than in full");
        assert!(shortened.w_h != uniform.w_h, "{mode}: not its arithmetic");
        let log = std::fs::read_to_string(options.out_dir.join("log.jsonl")).unwrap();
        let lines: Vec<Record> = log
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(
            lines.len(),
            1,
            "{mode}: the float epochs were trained again"
        );
        assert_eq!((lines[0].epoch, lines[0].part.as_str()), (3, mode));
    }

    // Whatever else differs may have changed the float epochs.
    let refused = |extra: &[&str], options: &TrainOptions| {
        format!("{:#}", run(&recipe(extra), options).unwrap_err())
    };
    for (k, extra) in [
        &["seed=2"][..],
        &["mode=uniform", "pressure.temporal_float=1.0"],
        &["training.learning_rate=1e-3"],
        &["mode=float"],
    ]
    .into_iter()
    .enumerate()
    {
        let options = short(&format!("refused-{k}"));
        let error = refused(extra, &options);
        assert!(error.contains("float epochs read"), "{extra:?}: {error}");
        assert!(!options.out_dir.join("log.jsonl").exists(), "{extra:?}");
    }
    let nothing = TrainOptions {
        float_from: Some(data.clone()),
        ..short("nothing")
    };
    let error = refused(&[], &nothing);
    assert!(error.contains("does not exist"), "{error}");
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
                "gate.group=two-units",
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

/// Time of one training step, to set beside other frameworks:
/// `cargo test --release -p pg-host --lib -- --ignored step_time --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn step_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    tones(&data);
    let opened = Dataset::open(&data).unwrap();
    for mode in ["float", "uniform", "pg"] {
        let mode_key = format!("mode={mode}");
        let recipe = Recipe::kws()
            .unwrap()
            .with_overrides(&[
                mode_key.as_str(),
                "augmentation.fresh_per_step=0",
                "augmentation.prefill=200",
                "augmentation.reservoir=200",
                "training.float_epochs=0",
                "training.quantised_epochs=1",
                "training.steps_per_epoch=1000",
            ])
            .unwrap();
        let corpus = corpus::Corpus::load(&opened, &recipe).unwrap();
        for threads in [1, 2] {
            let options = options(&data, &folder.path().join(format!("{mode}{threads}")));
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut trainer = trainer::Trainer::start(&options, &recipe, &corpus).unwrap();
                let mut times: Vec<f64> = (0..60).map(|_| trainer.timed_step()).collect();
                times.sort_by(f64::total_cmp);
                println!(
                    "{mode:<8} {threads} threads: fastest {:.1} ms, median {:.1} ms",
                    times[0], times[30]
                );
            });
        }
    }
}

/// What a GPU runs, run on the processor: the same logits, loss and gradients
/// as the kernels give, through the whole network.
#[test]
fn the_portable_path_trains_alike() {
    use burn::tensor::Tensor;
    use network::{Batch, Network, initial, shapes, tensors};
    let recipe = small(&["model.window=30"]);
    let device = Device::flex().autodiff();
    let shapes = shapes(&recipe, 4);
    let n = 12 * features::FRAMES * 20;
    let x: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin() * 2.0).collect();
    let results = [true, false].map(|fused| {
        let network = Network {
            recipe: &recipe,
            spec: recipe.spec(true),
            classes: 4,
            fused,
            workspace: lstm::Workspace::default(),
            device: device.clone(),
        };
        let leaves: Vec<Tensor<2>> = tensors(&initial(&recipe, 4), &shapes, &device)
            .into_iter()
            .map(Tensor::require_grad)
            .collect();
        let labels: Vec<usize> = (0..12).map(|k| k % 4).collect();
        let batch = Batch {
            x: x.clone(),
            labels: labels.clone(),
            state: None,
        };
        let forward = network.forward(&leaves, &batch, Some(3));
        let logits = forward.logits.clone().into_data().try_to_vec().unwrap();
        let mut grads = network.loss(forward, &leaves, &labels, true).backward();
        // The input scale, parameter 4, is not learned.
        let grads: Vec<Vec<f32>> = [0, 1, 2, 3, 5, 6, 7]
            .iter()
            .map(|k| {
                leaves[*k]
                    .grad_remove(&mut grads)
                    .unwrap()
                    .into_data()
                    .try_to_vec()
                    .unwrap()
            })
            .collect();
        (logits, grads)
    });
    let [(fast, fast_grads), (slow, slow_grads)] = results;
    let close = |a: &[f32], b: &[f32], tolerance: f32| {
        let peak = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        a.iter()
            .zip(b)
            .all(|(a, b)| (a - b).abs() <= tolerance * peak)
    };
    assert!(close(&fast, &slow, 1e-4));
    for (k, (a, b)) in fast_grads.iter().zip(&slow_grads).enumerate() {
        assert!(close(a, b, 5e-3), "gradient {k}");
    }
}
