//! Image networks made at random.

use pg_host::model::ModelKind;
use pg_host::network::model::{ImageMeta, ImageMetrics, ImageModel, InputCodes};
use pg_host::network::{
    Conv, GatedLayers, Network, Node, Op, Parameter, Pool, Quantiser, Role, Shortcut,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A network with gates and random parameters, in ranges in which codes are
/// neither all zero nor all at their limit.
///
/// # Panics
///
/// If the description is not consistent.
#[must_use]
pub fn random_network(network: Network, bits: u8, msb_bits: u8, seed: u64) -> ImageModel {
    let network = network.gated(GatedLayers::AllButFirst);
    let parameters = network.parameters(1).expect("a consistent network");
    let mut rng = StdRng::seed_from_u64(seed);
    let values = parameters.iter().map(|parameter| {
        let value = |_| draw(&mut rng, parameter);
        (
            parameter.name.clone(),
            (0..parameter.len()).map(value).collect(),
        )
    });
    let values = values.collect();
    ImageModel {
        values,
        meta: ImageMeta {
            recipe: "random".into(),
            recipe_toml: String::new(),
            labels: (0..network.classes).map(|c| format!("class{c}")).collect(),
            network,
            kind: ModelKind::Gated,
            activation_bits: bits,
            msb_bits,
            weight_bits: 8,
            gate_block: 1,
            gate_group: 1,
            input: InputCodes {
                mean: vec![128.0, 120.5, 110.25],
                step: vec![1.0, 1.1, 0.9],
                scale: 1.0 / 64.0,
            },
            seed,
            epoch: 0,
            test: ImageMetrics::default(),
            command: "none: random".into(),
            seconds: 0.0,
        },
    }
}

fn draw(rng: &mut StdRng, parameter: &Parameter) -> f32 {
    match parameter.role {
        Role::Weight => {
            // He et al., 2015, as a uniform distribution.
            let inputs: usize = parameter.shape.iter().skip(1).product();
            let limit = (6.0 / inputs as f32).sqrt();
            rng.random_range(-limit..limit)
        }
        Role::Threshold => rng.random_range(0.0..1.5),
        Role::Gamma => rng.random_range(0.5..1.5),
        Role::Variance => rng.random_range(0.5..2.0),
        Role::Clip => rng.random_range(1.5..3.0),
        Role::Beta | Role::Mean | Role::Bias => rng.random_range(-0.3..0.3),
    }
}

/// A network with every kind of layer, as small as it can be.
#[must_use]
pub fn small_network() -> Network {
    let conv = |channels, kernel, depthwise, clip: &str| Conv {
        channels,
        kernel,
        stride: 1,
        pad: kernel / 2,
        depthwise,
        gated: false,
        shortcut: None,
        quantiser: Quantiser {
            clip: clip.into(),
            signed: depthwise,
            bits: None,
        },
    };
    let half = |first| Op::Channels { first, channels: 2 };
    let pool = Pool {
        kernel: 2,
        stride: 2,
        pad: 0,
    };
    let quantiser = Quantiser {
        clip: "pool".into(),
        signed: false,
        bits: Some(8),
    };
    let shortcut = Some(Shortcut {
        map: 7,
        stride: 1,
        first: 0,
    });
    let last = Conv {
        shortcut,
        ..conv(4, 1, false, "d")
    };
    let nodes: [(usize, Op); 12] = [
        (0, Op::Conv(conv(4, 3, false, "a"))),
        (1, half(0)),
        (1, half(2)),
        (3, Op::Conv(conv(2, 3, true, "b"))),
        (4, Op::Conv(conv(2, 1, false, "a"))),
        (2, Op::Interleave),
        (6, Op::MaxPool(pool)),
        (7, Op::Conv(conv(4, 3, false, "c"))),
        (
            8,
            Op::Shift {
                displacement: vec![[0, 0], [1, 0], [0, -1], [-1, 1]],
            },
        ),
        (9, Op::Conv(last)),
        (10, Op::GlobalAverage { quantiser }),
        (11, Op::Dense),
    ];
    let node = |(k, (input, op)): (usize, (usize, Op))| Node {
        name: format!("node{k}"),
        inputs: if op == Op::Interleave {
            vec![input, 5]
        } else {
            vec![input]
        },
        op,
    };
    Network {
        name: "small".into(),
        input: [4, 4, 3],
        classes: 3,
        nodes: nodes.into_iter().enumerate().map(node).collect(),
    }
}

/// Pictures of noise, `size` bytes each.
#[must_use]
pub fn noise(count: usize, size: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut picture = || (0..size).map(|_| rng.random()).collect();
    (0..count).map(|_| picture()).collect()
}
