//! Damaged images and states: refused by name or harmless, never a panic.

use pg_host::image::{ImageBytes, build};
use pg_host::network::export::export;
use pg_runtime::engine::Engine;
use pg_runtime::error::{EngineError, ImageError, LayerField};
use pg_runtime::image::{Image, checksum};
use pg_runtime::kernels::{Kernels, Selected};
use pg_tests::language::{random_language, random_tokens};
use pg_tests::pictures::{random_network, small_network};
use pg_tests::{Frames, SMALL, Shape, random_model};

fn small() -> Vec<u8> {
    build(&random_model(1, SMALL), Selected::TARGET)
        .expect("image")
        .as_bytes()
        .to_vec()
}

/// A network of every kind of layer between feature maps.
fn small_pictures() -> Vec<u8> {
    let model = random_network(small_network(), 4, 3, 1);
    export(&model, Selected::TARGET, true)
        .expect("image")
        .as_bytes()
        .to_vec()
}

fn small_language() -> Vec<u8> {
    let shape = Shape {
        classes: 12,
        bits: 6,
        ..SMALL
    };
    build(&random_language(1, shape), Selected::TARGET)
        .expect("image")
        .as_bytes()
        .to_vec()
}

fn parse(bytes: &[u8]) -> Result<(), ImageError> {
    let aligned = ImageBytes::new(bytes);
    Image::parse(aligned.as_bytes()).map(|_| ())
}

/// Writes a correct checksum, so that validation has to find the damage itself.
fn reseal(bytes: &mut [u8]) {
    let crc = checksum(bytes).expect("header");
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
}

/// Runs a model that validation let through.
fn run(bytes: &[u8]) {
    let aligned = ImageBytes::new(bytes);
    let image = Image::parse(aligned.as_bytes()).expect("valid");
    assert_eq!(image.labels().count(), image.classes());
    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut engine = Engine::new(&image, &mut arena).expect("arena");
    if let Some(tokens) = image.tokens() {
        for token in random_tokens(2, tokens, 30) {
            engine.push_token(token).expect("token");
        }
    } else {
        let mut frames = Frames::new(2, image.input_len(), 8);
        for _ in 0..30 {
            engine.push(frames.step()).expect("frame");
        }
    }
    let _ = engine.self_test();
}

#[test]
fn every_flipped_byte_is_refused() {
    for good in [small(), small_pictures(), small_language()] {
        assert_eq!(parse(&good), Ok(()));
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                assert!(parse(&bad).is_err(), "byte {at} ^ {flip:#x} accepted");
            }
        }
    }
}

#[test]
fn every_flipped_byte_with_a_correct_checksum_is_refused_or_harmless() {
    for good in [small(), small_pictures(), small_language()] {
        let (mut refused, mut harmless) = (0, 0);
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                if !(12..16).contains(&at) {
                    reseal(&mut bad);
                }
                match parse(&bad) {
                    Err(_) => refused += 1,
                    Ok(()) => {
                        run(&bad);
                        harmless += 1;
                    }
                }
            }
        }
        // Weights may change, structure may not: both cases must occur.
        assert!(refused > 500 && harmless > 500, "{refused} {harmless}");
    }
}

#[test]
fn every_truncation_is_refused() {
    for good in [small(), small_pictures(), small_language()] {
        for length in 0..good.len() {
            let error = parse(&good[..length]).expect_err("truncated");
            assert!(
                matches!(error, ImageError::Truncated { .. }),
                "{length}: {error:?}"
            );
        }
    }
}

/// What the loader proves of feature maps, each broken by one number.
#[test]
fn maps_that_do_not_fit_are_named() {
    let good = small_pictures();
    let word = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().expect("4")) as usize;
    let graph = word(52);
    let (maps, places) = (word(graph), word(graph + 4));
    let with = |at: usize, value: u16| {
        let mut bad = good.clone();
        bad[at..at + 2].copy_from_slice(&value.to_le_bytes());
        reseal(&mut bad);
        parse(&bad)
    };
    let of_map = |result: Result<(), ImageError>| matches!(result, Err(ImageError::Map { .. }));
    // An offset off its word, and one on top of a map that lives.
    assert!(of_map(with(maps + 16, 2)));
    let other = word(maps + 32) as u16;
    assert!(of_map(with(maps + 16, other)), "{other}");
    // A life that ends before the last reader, and one that begins late.
    assert!(of_map(with(maps + 16 + 12, 0)));
    assert!(of_map(with(maps + 16 + 10, 9)));
    // A map that does not exist, the input written, a map read before it is written.
    assert!(of_map(with(places, 99)));
    assert!(with(places + 8, 0).is_err());
    assert!(with(places, 2).is_err());
    assert_eq!(with(graph + 12, 0), Err(ImageError::Header));
}

/// What the loader proves of an embedding, each broken by one number.
#[test]
fn embeddings_that_do_not_fit_are_named() {
    let good = small_language();
    let word = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().expect("4"));
    let record = word(20) as usize;
    let table = word(record + 20);
    let vector = word(40) as usize;
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut bad);
        parse(&bad)
    };
    let field = |field| Err(ImageError::Layer { layer: 0, field });
    // Tokens and codes of one: none, or more than the format has.
    for at in [record + 8, record + 10] {
        for count in [0u16, (1 << 14) + 1] {
            assert_eq!(with(at, &count.to_le_bytes()), field(LayerField::Width));
        }
    }
    // A table that ends outside the image, and one that is not on its line.
    let offset = table + 4;
    let off = with(record + 20, &offset.to_le_bytes());
    assert_eq!(off, Err(ImageError::Section { offset }));
    let offset = good.len().next_multiple_of(16) as u32;
    let outside = with(record + 20, &offset.to_le_bytes());
    assert_eq!(outside, Err(ImageError::Section { offset }));
    let largest = with(record + 8, &(1u16 << 14).to_le_bytes());
    assert_eq!(largest, Err(ImageError::Section { offset: table }));
    // A code beyond its bits; bits that are none; signs; what the layer does not use.
    assert_eq!(with(table as usize, &[32]), field(LayerField::Code));
    assert_eq!(with(table as usize, &[0xe0]), field(LayerField::Code));
    assert_eq!(with(record + 2, &[9]), field(LayerField::Code));
    assert_eq!(with(record + 4, &[0]), field(LayerField::Reserved));
    assert_eq!(with(record + 16, &[4]), field(LayerField::Reserved));
    // Other bits than the LSTM reads.
    assert_eq!(with(record + 2, &[7]), Err(ImageError::Chain { layer: 1 }));
    // A token of the test vector that is none.
    assert_eq!(with(vector + 8, &[12, 0]), Err(ImageError::TestVector));
}

#[test]
fn wrong_images_are_named() {
    let good = small();
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut bad);
        parse(&bad)
    };
    let mut longer = good.clone();
    longer.extend_from_slice(&[0; 4]);
    let (needed, given) = (good.len() as u32, longer.len() as u32);
    assert_eq!(
        parse(&longer),
        Err(ImageError::TrailingBytes { needed, given })
    );
    assert_eq!(with(0, b"ELF!"), Err(ImageError::BadMagic));
    let newer = ImageError::NewerVersion {
        found: 4,
        supported: 3,
    };
    assert_eq!(with(4, &[4, 0]), Err(newer));
    // Version 3 has a graph, version 2 has none.
    assert_eq!(with(4, &[3, 0]), Err(ImageError::Header));
    let older = ImageError::OlderVersion {
        found: 1,
        supported: 2,
    };
    assert_eq!(with(4, &[1, 0]), Err(older));
    assert_eq!(with(16, &[4, 0]), Err(ImageError::WrongTarget { found: 4 }));
    assert_eq!(with(18, &[0, 0]), Err(ImageError::LayerCount { found: 0 }));
    let stated = u32::from_le_bytes(good[44..48].try_into().expect("4"));
    let plan = with(44, &(stated + 4).to_le_bytes());
    assert!(
        matches!(plan, Err(ImageError::MemoryPlan { .. })),
        "{plan:?}"
    );
    let misaligned = ImageBytes::new(&[&[0u8; 1][..], &good].concat());
    let error = Image::parse(&misaligned.as_bytes()[1..]).map(|_| ());
    assert_eq!(error, Err(ImageError::Misaligned));
    // A region may be larger than its image.
    let region = ImageBytes::new(&longer);
    assert!(Image::parse_region(region.as_bytes()).is_ok());
}

#[test]
fn small_arenas_and_foreign_states_are_named() {
    let bytes = ImageBytes::new(&small());
    let image = bytes.image().expect("image");
    let needed = image.arena_bytes() as u32;
    let mut arena = vec![0; image.arena_bytes() / 4 - 1];
    let error = Engine::new(&image, &mut arena).err();
    let given = needed - 4;
    assert_eq!(error, Some(EngineError::ArenaTooSmall { needed, given }));
    assert!(error.expect("error").to_string().contains("4 are missing"));

    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut engine = Engine::new(&image, &mut arena).expect("arena");
    engine.self_test().expect("self-test");
    let mut saved = vec![0; engine.save_bytes()];
    engine.save(&mut saved).expect("save");
    let mut bad = saved.clone();
    bad[0] ^= 1;
    assert_eq!(engine.restore(&bad), Err(EngineError::StateOfOtherImage));
    let mut bad = saved.clone();
    *bad.last_mut().expect("byte") ^= 1;
    assert_eq!(engine.restore(&bad), Err(EngineError::StateChecksum));
    let short = engine.restore(&saved[1..]);
    assert!(matches!(short, Err(EngineError::StateLength { .. })));
    assert!(matches!(
        engine.push(&[0; 4]),
        Err(EngineError::InputLength { .. })
    ));
}

#[test]
fn a_forged_state_cannot_panic() {
    let bytes = ImageBytes::new(&small());
    let image = bytes.image().expect("image");
    let mut arena = vec![0; image.arena_bytes() / 4];
    let mut engine = Engine::new(&image, &mut arena).expect("arena");
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    for fill in [0xff, 0x80, 0x7f, 0x55] {
        let mut saved = vec![fill; engine.save_bytes()];
        saved[..4].copy_from_slice(&image.crc32().to_le_bytes());
        let sum = crc.checksum(&saved[8..]);
        saved[4..8].copy_from_slice(&sum.to_le_bytes());
        engine.restore(&saved).expect("restore");
        let mut frames = Frames::new(9, 5, 8);
        for _ in 0..20 {
            engine.push(frames.step()).expect("frame");
        }
        engine.rebuild();
    }
}
