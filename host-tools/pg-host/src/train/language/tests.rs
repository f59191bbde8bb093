use super::*;
use crate::train::recipe::Mode;
use std::path::Path;

/// Texts in which every word follows from those before: `a b c d e a b ...`,
/// lines of different lengths, which depend on their first word.
fn texts(folder: &Path) {
    let cycle = ["a", "b", "c", "d", "e"];
    let text = |lines: usize| -> String {
        (0..lines)
            .map(|line| {
                let start = line * 3;
                let length = 4 + line * 7 % 5;
                let words: Vec<&str> = (start..start + length).map(|k| cycle[k % 5]).collect();
                format!(" {} \n", words.join(" "))
            })
            .collect()
    };
    for (name, lines) in [("train", 300), ("valid", 40), ("test", 41)] {
        let path = folder.join(format!("ptb.{name}.txt"));
        std::fs::write(path, text(lines)).unwrap();
    }
}

fn small(extra: &[&str]) -> LanguageRecipe {
    let base = [
        "model.embedding=12",
        "model.hidden=16",
        "training.batch=4",
        "training.unroll=10",
        "training.float_epochs=10",
        "training.quantised_epochs=2",
        "training.learning_rate=1",
        "training.quantised_learning_rate=0.5",
        "training.clip_norm=1",
        "training.embedding_dropout=0.1",
        "training.output_dropout=0.1",
    ];
    LanguageRecipe::parse(recipe::BUILT_IN.1)
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

fn finished(outcome: Outcome<LanguageModel>) -> LanguageModel {
    match outcome {
        Outcome::Finished(model) => *model,
        Outcome::Stopped => panic!("stopped early"),
    }
}

/// The parameters, and everything known but the time it took.
fn comparable(mut model: LanguageModel) -> LanguageModel {
    model.meta.seconds = 0.0;
    model
}

#[test]
fn learns_a_cycle_and_resumes_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    texts(data);
    let recipe = small(&[]);
    let straight = data.join("straight");
    let whole = finished(run(&recipe, &options(data, &straight)).unwrap());
    // Far below the 6 of chance.
    let test = whole.meta.test;
    assert!(test.perplexity < 3.0, "{test:?}");
    assert!(test.sparsity > 0.0 && test.executed < 2.0, "{test:?}");
    assert!(!straight.join("checkpoint.safetensors").exists());

    // Stopped in the middle of an epoch, at its end, and after the change to
    // quantised arithmetic.
    let pieces = data.join("pieces");
    let mut piece = options(data, &pieces);
    let per_epoch = Corpus::open(data, 100).unwrap().train.words.len() as u64 / 40;
    for stop in [7, per_epoch, 10 * per_epoch, 10 * per_epoch + 5] {
        piece.stop_after = Some(stop);
        assert!(matches!(run(&recipe, &piece).unwrap(), Outcome::Stopped));
        piece.resume = true;
    }
    piece.stop_after = None;
    let resumed = finished(run(&recipe, &piece).unwrap());
    assert_eq!(comparable(resumed), comparable(whole.clone()));
    let log = |out: &Path| {
        let text = std::fs::read_to_string(out.join("log.jsonl")).unwrap();
        let records = text
            .lines()
            .map(|l| serde_json::from_str::<Record>(l).unwrap());
        let timeless = records.map(|r| Record { seconds: 0.0, ..r });
        timeless.collect::<Vec<_>>()
    };
    assert_eq!(log(&pieces), log(&straight));
    assert_eq!(log(&straight).last().unwrap().test, Some(test));

    // The float epochs of another run.
    let borrowed = TrainOptions {
        float_from: Some(straight.clone()),
        ..options(data, &data.join("borrowed"))
    };
    let same = finished(run(&recipe, &borrowed).unwrap());
    assert_eq!(comparable(same), comparable(whole.clone()));
    let layer = small(&["gate.granularity=layer", "gate.test=above"]);
    let borrowed = TrainOptions {
        float_from: Some(straight),
        ..options(data, &data.join("layer"))
    };
    let other = finished(run(&layer, &borrowed).unwrap());
    assert!(other.threshold.windows(2).all(|t| t[0] == t[1]));

    // What is written is read.
    let path = data.join("pieces/model.safetensors");
    assert_eq!(
        comparable(LanguageModel::load(&path).unwrap()),
        comparable(whole)
    );
}

#[test]
fn every_arithmetic_learns() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    texts(data);
    for mode in [Mode::Float, Mode::Uniform, Mode::FixedThreshold] {
        let recipe = small(&[&format!("mode={}", mode.name())]);
        let out = data.join(mode.name());
        let model = finished(run(&recipe, &options(data, &out)).unwrap());
        assert!(
            model.meta.test.perplexity < 3.0,
            "{mode:?}: {:?}",
            model.meta.test
        );
        assert_eq!(model.threshold.is_empty(), mode != Mode::FixedThreshold);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    texts(data);
    let error = |recipe: &LanguageRecipe, options: &TrainOptions| {
        format!("{:#}", run(recipe, options).unwrap_err())
    };
    let out = data.join("out");
    let long = small(&["training.unroll=4000"]);
    assert!(error(&long, &options(data, &out)).contains("training.unroll"));
    let mut piece = options(data, &out);
    piece.stop_after = Some(2);
    let recipe = small(&[]);
    run(&recipe, &piece).unwrap();
    assert!(error(&recipe, &piece).contains("--resume"));
    piece.resume = true;
    let other = small(&["training.clip_norm=0.5"]);
    assert!(error(&other, &piece).contains("another recipe"));
    std::fs::write(data.join("ptb.train.txt"), "a b c d e\n".repeat(300)).unwrap();
    assert!(error(&recipe, &piece).contains("another text"));
    std::fs::write(data.join("ptb.test.txt"), "a zebra\n").unwrap();
    assert!(error(&recipe, &piece).contains("\"zebra\""));
}
