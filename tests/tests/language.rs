//! Language models: the embedding against its definition, inputs of the wrong
//! kind, other layouts, and emulated boards.

use pg_host::emulator::{self, Feed};
use pg_host::image::{ImageBytes, ImageSpec, LayerSpec, TestSpec, build, unpack};
use pg_host::network::export::export;
use pg_runtime::engine::Engine;
use pg_runtime::error::EngineError;
use pg_runtime::gate::GateKind;
use pg_runtime::image::Input;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::{Layer, Strategy};
use pg_runtime::layout::{Target, WeightBits};
use pg_runtime::probe::LayerCounts;
use pg_tests::language::{random_language, random_tokens};
use pg_tests::pictures::{random_network, small_network};
use pg_tests::{SMALL, Shape, random_model};

/// Shapes ragged everywhere, and the published one with fewer words.
fn shapes() -> [Shape; 4] {
    [
        Shape {
            classes: 41,
            ..SMALL
        },
        Shape {
            inputs: 30,
            hidden: 13,
            classes: 7,
            bits: 4,
            msb_bits: 2,
            gate: GateKind::Above,
            ..SMALL
        },
        Shape {
            inputs: 1,
            hidden: 9,
            classes: 1,
            bits: 6,
            msb_bits: 6,
            gate: GateKind::Open,
            narrow: false,
            weight_bits: WeightBits::Four,
            ..SMALL
        },
        Shape {
            inputs: 300,
            hidden: 300,
            classes: 500,
            bits: 4,
            msb_bits: 2,
            ..SMALL
        },
    ]
}

/// The same model without its embedding, and the embedding's codes.
fn without_embedding(spec: &ImageSpec) -> (ImageSpec, Vec<Vec<i8>>) {
    let mut rest = spec.clone();
    let LayerSpec::Embedding(embedding) = rest.layers.remove(0) else {
        panic!("no embedding")
    };
    rest.test = TestSpec::Frames(Vec::new());
    let rows = embedding.table.chunks(embedding.width);
    (rest, rows.map(<[i8]>::to_vec).collect())
}

#[test]
fn a_token_is_the_frame_of_its_codes() {
    for (seed, shape) in (0..).zip(shapes()) {
        let spec = random_language(seed, shape);
        let bytes = build(&spec, Selected::TARGET).unwrap();
        let image = bytes.image().unwrap();
        assert_eq!(
            (image.tokens(), image.input_len()),
            (Some(shape.classes), 0)
        );
        let (rest, codes) = without_embedding(&spec);
        let rest = build(&rest, Selected::TARGET).unwrap();
        let rest = rest.image().unwrap();
        assert_eq!((rest.tokens(), rest.input_len()), (None, shape.inputs));
        let mut arenas = [&image, &rest].map(|i| vec![0; i.arena_bytes() / 4]);
        let [a, b] = &mut arenas;
        let mut engine = Engine::new(&image, a).unwrap();
        let mut frames = Engine::new(&rest, b).unwrap();
        engine.self_test().unwrap();
        let mut counts = [LayerCounts::default(); 3];
        for (k, token) in (0..).zip(random_tokens(seed, shape.classes, 60)) {
            if k % 20 == 10 {
                engine.set_strategy(Strategy::Dense);
            }
            let mut probe = |layer: usize, c: LayerCounts| counts[layer] = c;
            let output = engine.push_token_probed(token, &mut probe).unwrap();
            let wanted = frames.push(&codes[usize::from(token)]).unwrap();
            assert_eq!(output, wanted, "{shape:?}");
        }
        assert_eq!(counts[0], LayerCounts::default());
        assert!(counts[1].macs > 0 && counts[2].macs > 0);
    }
}

#[test]
fn the_layer_reads_the_table_where_it_lies() {
    let shape = shapes()[0];
    let spec = random_language(3, shape);
    let LayerSpec::Embedding(wanted) = &spec.layers[0] else {
        panic!("no embedding")
    };
    let bytes = build(&spec, Selected::TARGET).unwrap();
    let image = bytes.image().unwrap();
    let Some(Layer::Embedding(layer)) = image.layers().next() else {
        panic!("no embedding")
    };
    assert!(
        bytes
            .as_bytes()
            .as_ptr_range()
            .contains(&layer.table().as_ptr().cast())
    );
    assert_eq!((layer.tokens(), layer.width(), layer.bits()), (41, 5, 8));
    for (token, codes) in (0..).zip(wanted.table.chunks(5)) {
        assert_eq!(layer.codes(token), codes);
    }
    assert!(layer.codes(41).is_empty() && layer.codes(u16::MAX).is_empty());
    let vector = image.test_vector().unwrap();
    assert!(
        vector
            .frames()
            .all(|input| matches!(input, Input::Token(0..41)))
    );
}

#[test]
fn inputs_of_the_wrong_kind_are_refused_and_change_nothing() {
    let engine_of = |bytes: &ImageBytes, check: &dyn Fn(&mut Engine<'_, '_>)| {
        let image = bytes.image().unwrap();
        let mut arena = vec![0; image.arena_bytes() / 4];
        check(&mut Engine::new(&image, &mut arena).unwrap());
    };
    let words = build(&random_language(1, shapes()[0]), Selected::TARGET).unwrap();
    engine_of(&words, &|engine| {
        let mut state = vec![0; engine.save_bytes()];
        engine.push_token(40).unwrap();
        engine.save(&mut state).unwrap();
        let range = |token| EngineError::TokenRange { token, tokens: 41 };
        assert_eq!(engine.push_token(41), Err(range(41)));
        assert_eq!(engine.push_token(u16::MAX), Err(range(u16::MAX)));
        for codes in [&[][..], &[0; 5]] {
            assert_eq!(engine.push(codes), Err(EngineError::TakesTokens));
        }
        let mut after = state.clone();
        engine.save(&mut after).unwrap();
        assert_eq!(after, state);
    });
    let sound = build(&random_model(1, SMALL), Selected::TARGET).unwrap();
    let network = random_network(small_network(), 4, 3, 1);
    let pictures = export(&network, Selected::TARGET, true).unwrap();
    for bytes in [sound, pictures] {
        engine_of(&bytes, &|engine| {
            assert_eq!(engine.push_token(0), Err(EngineError::TakesCodes));
        });
    }
}

#[test]
fn what_does_not_chain_is_refused() {
    let spec = random_language(1, shapes()[0]);
    let refused = |change: &dyn Fn(&mut ImageSpec)| {
        let mut spec = spec.clone();
        spec.test = TestSpec::Tokens(Vec::new());
        change(&mut spec);
        assert!(build(&spec, Selected::TARGET).is_err());
    };
    refused(&|s| s.layers.swap(0, 1));
    refused(&|s| s.layers.truncate(1));
    refused(&|s| s.layers.insert(0, s.layers[0].clone()));
    let embedding = |change: &dyn Fn(&mut pg_host::image::EmbeddingSpec)| {
        refused(&|s| match &mut s.layers[0] {
            LayerSpec::Embedding(e) => change(e),
            _ => panic!("no embedding"),
        });
    };
    embedding(&|e| e.bits = 7);
    embedding(&|e| e.width = 4);
    embedding(&|e| e.table[3] = -128);
    embedding(&|e| (e.tokens, e.table) = (0, Vec::new()));
    refused(&|s| s.test = TestSpec::Tokens(vec![0, 41]));
}

#[test]
fn an_image_survives_other_layouts() {
    for shape in shapes() {
        let spec = random_language(2, shape);
        let swar = build(&spec, Target::Swar).unwrap();
        let mut bytes = swar.clone();
        for target in [Target::Dsp, Target::Simd, Target::Swar] {
            bytes = bytes.for_target(target).unwrap();
            let again = unpack(&bytes.image_of_any_target().unwrap());
            assert_eq!(
                (&again.layers[0], &again.test),
                (&spec.layers[0], &spec.test)
            );
        }
        assert_eq!(bytes, swar);
    }
}

/// Needs the emulators: `cargo xtask test` runs it.
#[test]
#[ignore = "needs the emulators, and a minute"]
fn boards_and_host_give_the_same_bytes() {
    // The boards are found from the root of the project.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
    for (seed, shape) in (0..).zip(shapes()) {
        let image = build(&random_language(seed, shape), Target::Swar).unwrap();
        let texts = [1, 90, 0, 7].map(|n| random_tokens(seed + 9, shape.classes, n));
        let feed = Feed::Words(texts.to_vec());
        for board in emulator::boards().unwrap() {
            if feed.suits(&board) {
                let elf = board.build(&image).unwrap();
                let result = emulator::verify(&board, &elf, &image, &feed).unwrap();
                print!("{result}");
            }
        }
    }
}
