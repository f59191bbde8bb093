use super::eval::evaluate;
use super::export::{export, with_words};
use super::image::LanguageImage;
use super::model::{LanguageMeta, LanguageMetrics, LanguageModel};
use super::vocabulary::{END, Text, UNKNOWN};
use crate::data::Split;
use crate::export::{ExportOptions, Gates};
use crate::model::{GateGroup, GateTest, ModelKind, SplitKind};
use pg_runtime::engine::Engine;
use pg_runtime::gate::GateKind;
use pg_runtime::layers::Layer;
use pg_runtime::layout::Target;

/// Deterministic values in (-1, 1).
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut x = seed;
    let mut next = || {
        x = (x.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1_442_695_040_888_963_407);
        (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// A random model of `words` words, `e` numbers each, and `h` units.
fn model(kind: ModelKind, [words, e, h]: [usize; 3]) -> LanguageModel {
    let name = |k: usize| match k {
        0 => END.to_owned(),
        1 => UNKNOWN.to_owned(),
        k => format!("w{k}"),
    };
    let gated = kind == ModelKind::Gated;
    let scaled = |n: usize, seed: u64, by: f32| -> Vec<f32> {
        noise(n, seed).into_iter().map(|v| v * by).collect()
    };
    LanguageModel {
        meta: LanguageMeta {
            recipe: "test".into(),
            recipe_toml: String::new(),
            vocabulary: (0..words).map(name).collect(),
            kind,
            embedding: e,
            hidden: h,
            activation_bits: 6,
            msb_bits: if gated { 3 } else { 6 },
            weight_bits: 8,
            digits: SplitKind::Rounded,
            gate_test: GateTest::Within,
            gate_group: GateGroup::Row,
            seed: 1,
            epoch: 1,
            valid: LanguageMetrics::default(),
            test: LanguageMetrics::default(),
            command: String::new(),
            seconds: 0.0,
        },
        embedding: noise(words * e, 1),
        w_x: scaled(4 * h * e, 2, 2.0 / (e as f32).sqrt()),
        w_h: scaled(4 * h * h, 3, 2.0 / (h as f32).sqrt()),
        bias: noise(4 * h, 4),
        threshold: if gated { vec![0.5; 4 * h] } else { Vec::new() },
        scales: vec![1.0 / 31.0, 0.5 / 31.0],
        head_w: scaled(words * h, 5, 3.0),
        head_b: noise(words, 6),
    }
}

fn text(words: usize, n: usize) -> Text {
    let pick = |v: f32| ((v * 0.5 + 0.5) * words as f32) as u32;
    let words = noise(n, 9).into_iter().map(pick).collect();
    Text { words, replaced: 0 }
}

/// The layers taken one by one say what the engine says of the same image, and
/// the perplexity is that of its logits.
#[test]
fn perplexity_is_that_of_the_engines_logits() {
    let (words, text) = (37, text(37, 300));
    for (kind, test) in [
        (ModelKind::Uniform, GateTest::Within),
        (ModelKind::Gated, GateTest::Within),
        (ModelKind::Gated, GateTest::Above),
    ] {
        let mut trained = model(kind, [words, 5, 7]);
        trained.meta.gate_test = test;
        let found = LanguageImage::of(&trained, Gates::Learned).unwrap();
        let result = evaluate(&found, Split::Test, &text, &|_| ()).unwrap();

        let image = found.bytes().image().unwrap();
        let mut arena = vec![0; image.arena_bytes() / 4];
        let mut engine = Engine::new(&image, &mut arena).unwrap();
        let mut loss = 0.0;
        let mut before = 0;
        for &word in &text.words {
            let output = engine.push_token(before as u16).unwrap();
            let logits: Vec<f64> = (output.logits.iter())
                .map(|&l| f64::from(l) / 256.0)
                .collect();
            let sum: f64 = logits.iter().map(|l| l.exp()).sum();
            loss += sum.ln() - logits[word as usize];
            before = word;
        }
        let loss = loss / text.words.len() as f64;
        assert!((result.loss - loss).abs() < 1e-9, "{} {loss}", result.loss);
        assert!((result.perplexity - loss.exp()).abs() < 1e-6);
        let gated = kind == ModelKind::Gated;
        assert_eq!(result.sparsity > 0.05 && result.sparsity < 0.95, gated);
        let bits = if gated {
            3.0 + (1.0 - result.sparsity) * 3.0
        } else {
            6.0
        };
        assert!((result.average_bits - bits).abs() < 1e-9);
        assert!(result.executed_macs <= 2.0 && result.columns_applied <= 1.0);
        assert!(result.columns_not_zero > 0.3 && result.columns_not_zero < 1.0);
    }
}

/// An integer prediction opens a row where the real number behind it does.
#[test]
fn thresholds_decide_as_the_real_ones_do() {
    for test in [GateTest::Within, GateTest::Above] {
        let mut trained = model(ModelKind::Gated, [9, 5, 6]);
        trained.meta.gate_test = test;
        trained.threshold = noise(24, 7);
        if test == GateTest::Within {
            trained.threshold.iter_mut().for_each(|t| *t = t.abs());
        }
        let found = LanguageImage::of(&trained, Gates::Learned).unwrap();
        let image = found.bytes().image().unwrap();
        let Some(Layer::Lstm(lstm)) = image.layers().nth(1) else {
            panic!("no LSTM");
        };
        let gate = lstm.gate();
        for row in 0..24 {
            // Rows are unit after unit in the image, gate after gate in the model.
            let real = f64::from(trained.threshold[row % 4 * 6 + row / 4]);
            // Q20 over the multiplier is one unit of a prediction.
            let cell = lstm.cell();
            let step = f64::from(cell.mult[row]) / 2f64.powi(20 + i32::from(cell.post));
            let threshold = i32::from(gate.thresholds()[row]);
            let near = (real / step) as i32;
            for a in near - 3..near + 3 {
                let margin = match test {
                    GateTest::Within => real - (f64::from(a) * step).abs(),
                    GateTest::Above => f64::from(a) * step - real,
                };
                // The multiplier is rounded.
                if margin.abs() > 1e-3 * step * f64::from(near.abs() + 1) {
                    assert_eq!(
                        gate.kind().opens(a, threshold),
                        margin > 0.0,
                        "{test:?} {row} {a}"
                    );
                }
            }
        }
        assert_ne!(gate.kind(), GateKind::Open);
    }
}

#[test]
fn the_published_shape_fits_and_open_gates_are_dense() {
    let trained = model(ModelKind::Gated, [10_000, 300, 300]);
    let text = text(10_000, 20);
    let gated = LanguageImage::of(&trained, Gates::Learned).unwrap();
    let result = evaluate(&gated, Split::Valid, &text, &|_| ()).unwrap();
    assert!(result.layers[0].dense_macs == 20 * 1200 * 600 && result.layers[0].gated);
    assert_eq!(result.layers[1].macs, 20 * 300 * 10_000);
    let open = LanguageImage::of(&trained, Gates::Open).unwrap();
    let dense = evaluate(&open, Split::Valid, &text, &|_| ()).unwrap();
    assert_eq!((dense.sparsity, dense.executed_macs), (0.0, 1.0));
}

/// What a part of the vocabulary says of its words is what the whole says.
#[test]
fn a_part_of_the_vocabulary_has_the_logits_of_the_whole() {
    let mut trained = model(ModelKind::Gated, [40, 5, 7]);
    // <eos> and <unk> among the rare words.
    trained.meta.vocabulary.swap(0, 30);
    trained.meta.vocabulary.swap(1, 35);
    let part = with_words(&trained, 12).unwrap();
    assert_eq!(part.meta.vocabulary.len(), 14);
    assert_eq!(with_words(&trained, 99).unwrap(), trained);
    let [whole, part] = [&trained, &part].map(|m| LanguageImage::of(m, Gates::Learned).unwrap());
    let vocabulary = part.vocabulary();
    assert_eq!((vocabulary.get("w30"), vocabulary.end()), (Some(0), 12));
    let places = vocabulary
        .words()
        .iter()
        .map(|word| whole.vocabulary().get(word).unwrap());
    let places: Vec<u32> = places.collect();
    let images = [&whole, &part].map(|m| m.bytes().image().unwrap());
    let mut arenas = images.map(|image| vec![0; image.arena_bytes() / 4]);
    let [a, b] = &mut arenas;
    let mut whole = Engine::new(&images[0], a).unwrap();
    let mut part = Engine::new(&images[1], b).unwrap();
    for token in [0u16, 3, 13, 12, 3, 7, 7, 11] {
        let all = whole.push_token(places[usize::from(token)] as u16).unwrap();
        let all: Vec<i16> = places.iter().map(|k| all.logits[*k as usize]).collect();
        assert_eq!(part.push_token(token).unwrap().logits, all);
    }
}

#[test]
fn an_image_is_evaluated_as_the_model_it_was_exported_from() {
    let trained = model(ModelKind::Gated, [60, 12, 9]);
    let text = text(60, 200);
    let by_model = LanguageImage::of(&trained, Gates::Learned).unwrap();
    let expected = evaluate(&by_model, Split::Test, &text, &|_| ()).unwrap();
    for target in Target::ALL {
        let options = ExportOptions {
            target,
            ..ExportOptions::default()
        };
        let image = LanguageImage::new(export(&trained, &options).unwrap()).unwrap();
        assert_eq!(image.vocabulary(), &trained.vocabulary().unwrap());
        assert_eq!(
            evaluate(&image, Split::Test, &text, &|_| ()).unwrap(),
            expected
        );
    }
    let other = super::Text {
        words: vec![60],
        replaced: 0,
    };
    let error = evaluate(&by_model, Split::Test, &other, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("another vocabulary"), "{error}");
}

#[test]
fn what_cannot_be_computed_is_refused_by_name() {
    let error = |m: &LanguageModel| {
        let error = LanguageImage::of(m, Gates::Learned).unwrap_err();
        format!("{error:#}")
    };
    let mut trained = model(ModelKind::Float, [9, 5, 6]);
    assert!(error(&trained).contains("floating-point"));
    trained = model(ModelKind::Gated, [9, 5, 6]);
    trained.meta.digits = SplitKind::Truncated;
    assert!(error(&trained).contains("model.digits"));
    trained = model(ModelKind::Gated, [9, 5, 6]);
    trained.head_w.pop();
    assert!(error(&trained).contains("head_w"));
    trained = model(ModelKind::Gated, [9, 5, 6]);
    trained.embedding[3] = f32::NAN;
    assert!(error(&trained).contains("embedding"));
    trained = model(ModelKind::Gated, [9, 5, 6]);
    trained.meta.vocabulary[4] = "w5".into();
    assert!(error(&trained).contains("\"w5\""));
    let large = model(ModelKind::Gated, [16_385, 1, 1]);
    assert!(error(&large).contains("--words"));
    let part = with_words(&large, 16_384).unwrap();
    LanguageImage::of(&part, Gates::Learned).unwrap();
}

#[test]
fn a_model_survives_a_round_trip_and_other_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let trained = model(ModelKind::Gated, [9, 5, 6]);
    trained.save(&path).unwrap();
    assert_eq!(LanguageModel::load(&path).unwrap(), trained);
    let bytes = std::fs::read(&path).unwrap();
    assert!(LanguageModel::recognises(&bytes));
    assert!(!crate::network::model::ImageModel::recognises(&bytes));
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = format!("{:#}", LanguageModel::load(&path).unwrap_err());
    assert!(error.contains("not a language model"), "{error}");
}
