//! Image networks: lowered to shared memory, against every node on a map of its
//! own; and on emulated boards.

use pg_host::emulator::{self, Feed};
use pg_host::image::{ConvSpec, DepthwiseSpec, ImageSpec, LayerSpec, MapOpSpec, build};
use pg_host::network::export::{Lowering, export, lower, spec};
use pg_host::network::model::ImageModel;
use pg_host::network::{Network, Op, resnet20, shiftnet20, shufflenet_v2_05x};
use pg_runtime::engine::Engine;
use pg_runtime::gate::GateKind;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::{Format, Window};
use pg_runtime::layout::Target;
use pg_runtime::pixels::PixelParams;
use pg_runtime::quant::{Split, round_shift};
use pg_tests::pictures::{noise, random_network, small_network};

/// A map of its own.
#[derive(Clone)]
struct Map {
    shape: [usize; 3],
    codes: Vec<i32>,
}

impl Map {
    fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            codes: vec![0; shape.iter().product()],
        }
    }

    /// Code 0 outside the map.
    fn at(&self, y: i64, x: i64, c: usize) -> Option<i32> {
        let [height, width, channels] = self.shape;
        let inside = |at: i64, edge: usize| usize::try_from(at).ok().filter(|at| *at < edge);
        let (y, x) = (inside(y, height)?, inside(x, width)?);
        Some(self.codes[(y * width + x) * channels + c])
    }

    fn fill(&mut self, code: impl Fn(i64, i64, usize) -> i32) {
        let [_, width, channels] = self.shape;
        for (k, place) in self.codes.iter_mut().enumerate() {
            let pixel = k / channels;
            *place = code((pixel / width) as i64, (pixel % width) as i64, k % channels);
        }
    }
}

/// The pixel that a tap of a window reads, and the tap's number.
fn taps(window: Window, y: i64, x: i64) -> impl Iterator<Item = (usize, i64, i64)> {
    let edge = window.kernel;
    let place =
        move |at: i64, tap: usize| at * window.stride as i64 + tap as i64 - window.padding as i64;
    (0..edge * edge).map(move |tap| (tap, place(y, tap / edge), place(x, tap % edge)))
}

fn clamp(y: i32, format: Format) -> i32 {
    let (low, high) = format.range();
    y.clamp(low.into(), high.into())
}

/// Every node by its definition.
struct Reference<'m> {
    model: &'m ImageModel,
    lowering: Lowering,
    spec: ImageSpec,
}

impl Reference<'_> {
    fn logits(&self, codes: &[i8]) -> Vec<i16> {
        let network = &self.model.meta.network;
        let shapes = network.shapes().unwrap();
        let mut input = Map::new(shapes[0]);
        input.codes = codes.iter().map(|&q| q.into()).collect();
        let mut maps = vec![input];
        for (k, node) in network.nodes.iter().enumerate() {
            let from = &maps[node.inputs[0]];
            let mut out = Map::new(shapes[k + 1]);
            let format = self.lowering.formats[k + 1];
            match &node.op {
                Op::Channels { first, .. } => out.fill(|y, x, c| from.at(y, x, first + c).unwrap()),
                Op::Interleave => {
                    let other = &maps[node.inputs[1]];
                    out.fill(|y, x, c| [from, other][c % 2].at(y, x, c / 2).unwrap());
                }
                Op::Shift { displacement } => out.fill(|y, x, c| {
                    let [dy, dx] = displacement[c].map(i64::from);
                    from.at(y + dy, x + dx, c).unwrap_or(0)
                }),
                Op::Dense => return self.head(from),
                _ => match self.op(k) {
                    MapOpSpec::Conv(l) => {
                        let Op::Conv(conv) = &node.op else { panic!() };
                        let added = conv.shortcut.map(|s| &maps[s.map]);
                        let input = self.lowering.formats[node.inputs[0]];
                        self.conv(l, (from, input), added, (&mut out, format));
                    }
                    MapOpSpec::Depthwise(l) => depthwise(l, from, &mut out, format),
                    MapOpSpec::MaxPool(window) => out.fill(|y, x, c| {
                        let codes = taps(*window, y, x).filter_map(|(_, y, x)| from.at(y, x, c));
                        codes.max().unwrap()
                    }),
                    MapOpSpec::AveragePool(window, requant) => out.fill(|y, x, c| {
                        let whole = Window {
                            kernel: from.shape[0],
                            stride: 1,
                            padding: 0,
                        };
                        let window = window.unwrap_or(whole);
                        let codes = taps(window, y, x).filter_map(|(_, y, x)| from.at(y, x, c));
                        clamp(requant.apply(codes.sum()).into(), format)
                    }),
                    MapOpSpec::Shift(_) => panic!("only nodes that shift"),
                },
            }
            maps.push(out);
        }
        panic!("a network without a head")
    }

    /// The integers of node `k`.
    fn op(&self, k: usize) -> &MapOpSpec {
        let layers = self.lowering.layers.iter().zip(&self.spec.layers);
        let mut of_node = layers.filter(|(lowered, _)| lowered.node == Some(k));
        match of_node.next() {
            Some((_, LayerSpec::Map(layer))) => &layer.op,
            _ => panic!("node {k} has no layer"),
        }
    }

    fn conv(
        &self,
        l: &ConvSpec,
        (from, input): (&Map, Format),
        added: Option<&Map>,
        (out, format): (&mut Map, Format),
    ) {
        let split = Split::new(input.bits(), l.msb_bits, input.signed()).unwrap();
        let depth = from.shape[2];
        out.fill(|y, x, c| {
            let (mut whole, mut digits) = (l.bias[c], 0);
            for (tap, y, x) in taps(l.window, y, x) {
                for i in 0..depth {
                    let q = from.at(y, x, i).unwrap_or(0);
                    let columns = l.window.kernel * l.window.kernel * depth;
                    let w = i32::from(l.weights[c * columns + tap * depth + i]);
                    whole += w * q;
                    digits += w * split.hb(q);
                }
            }
            let predicted = (digits << split.shift()) + l.bias[c];
            let open = match l.gate.kind {
                GateKind::Open => true,
                _ => predicted > l.gate.thresholds[c],
            };
            let y16 = i32::from(l.requant[c].apply(if open { whole } else { predicted }));
            let Some((residual, map)) = l.residual.as_ref().zip(added) else {
                return clamp(y16, format);
            };
            let step = residual.stride as i64;
            let code = c.checked_sub(residual.offset).filter(|&c| c < map.shape[2]);
            let code = code
                .and_then(|c| map.at(y * step, x * step, c))
                .unwrap_or(0);
            let product = round_shift(code * i32::from(residual.mult), residual.shift);
            clamp(round_shift(y16 + product, 4), format)
        });
    }

    fn head(&self, from: &Map) -> Vec<i16> {
        let Some(LayerSpec::Dense(head)) = self.spec.layers.last() else {
            panic!("the last layer is the head")
        };
        (head
            .weights
            .chunks(head.inputs)
            .zip(&head.bias)
            .zip(&head.requant))
        .map(|((row, &bias), requant)| {
            let products = row.iter().zip(&from.codes).map(|(&w, &q)| i32::from(w) * q);
            requant.apply(bias + products.sum::<i32>())
        })
        .collect()
    }
}

fn depthwise(l: &DepthwiseSpec, from: &Map, out: &mut Map, format: Format) {
    let channels = from.shape[2];
    out.fill(|y, x, c| {
        let products = taps(l.window, y, x).map(|(tap, y, x)| {
            i32::from(l.weights[tap * channels + c]) * from.at(y, x, c).unwrap_or(0)
        });
        let sum = l.bias[c] + products.sum::<i32>();
        clamp(l.requant[c].apply(sum).into(), format)
    });
}

fn networks() -> [(Network, u8, u8); 4] {
    [
        (small_network(), 4, 3),
        (resnet20(10), 4, 2),
        (shiftnet20(10), 5, 3),
        (shufflenet_v2_05x(20, 64), 6, 4),
    ]
}

#[test]
fn networks_in_shared_memory_compute_what_their_nodes_do() {
    for (network, bits, msb_bits) in networks() {
        let name = network.name.clone();
        let model = random_network(network, bits, msb_bits, 7);
        let reference = Reference {
            lowering: lower(&model.meta.network, bits).unwrap(),
            spec: spec(&model, true).unwrap(),
            model: &model,
        };
        let bytes = build(&reference.spec, Selected::TARGET).unwrap();
        let image = bytes.image().unwrap();
        let mut arena = vec![0; image.arena_bytes() / 4];
        let mut engine = Engine::new(&image, &mut arena).unwrap();
        let norms = model.meta.input.norms().unwrap();
        let mut codes = vec![0; image.input_len()];
        for picture in noise(2, codes.len(), 3) {
            PixelParams::new(&norms).encode(&picture, &mut codes);
            let want = reference.logits(&codes);
            assert_eq!(engine.push(&codes).unwrap().logits, want, "{name}");
            assert!(want.iter().any(|&l| l != want[0]), "{name}: nothing to see");
        }
        engine.self_test().unwrap();
    }
}

#[test]
fn maps_share_memory() {
    let arena = |network: Network, bits, msb_bits| {
        let model = random_network(network, bits, msb_bits, 1);
        let bytes = export(&model, Target::Dsp, true).unwrap();
        bytes.image_of_any_target().unwrap().arena_bytes()
    };
    // The largest two maps of ResNet-20 have 32 KB; the board has 64.
    assert!(arena(resnet20(10), 4, 3) <= 60 * 1024);
    // 96 channels of 32 x 32 are shifted where they lie, beside the shortcut's.
    assert!(arena(shiftnet20(10), 5, 3) <= 176 * 1024);
    assert!(arena(shufflenet_v2_05x(20, 64), 6, 4) <= 176 * 1024);
}

#[test]
fn an_image_survives_another_layout_and_back() {
    for (network, bits, msb_bits) in networks() {
        let model = random_network(network, bits, msb_bits, 5);
        let swar = export(&model, Target::Swar, true).unwrap();
        let there = swar.clone().for_target(Target::Dsp).unwrap();
        assert_eq!(there.for_target(Target::Swar).unwrap(), swar);
    }
}

/// Needs the emulators: `cargo xtask test` runs it.
#[test]
#[ignore = "needs the emulators, and a minute"]
fn boards_and_host_give_the_same_bytes() {
    // The boards are found from the root of the project.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
    for (network, bits, msb_bits) in networks() {
        let size = network.input.iter().product();
        let model = random_network(network, bits, msb_bits, 7);
        let image = export(&model, Target::Swar, true).unwrap();
        let feed = Feed::Pictures(noise(20, size, 11));
        for board in emulator::boards().unwrap() {
            if feed.suits(&board) {
                let elf = board.build(&image).unwrap();
                let result = emulator::verify(&board, &elf, &image, &feed).unwrap();
                print!("{}: {result}", model.meta.network.name);
            }
        }
    }
}
