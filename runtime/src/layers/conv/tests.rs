//! Convolutions against their definition.

use super::*;
use crate::gate::GateKind;
use crate::kernels::columns::encode;
use crate::layers::Shape;
use crate::quant::round_shift;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// A convolution with random numbers, as owned parts.
#[derive(Clone, Debug)]
struct Case {
    input: View,
    output: View,
    window: Window,
    split: Split,
    kind: GateKind,
    group: usize,
    residual: Option<Residual>,
    codes: Codes,
    weights: Vec<i8>,
    thresholds: Vec<i32>,
    bias: Vec<i32>,
    requant: Vec<Requant>,
    map: Vec<i8>,
    shortcut: Vec<i8>,
    before: Vec<i8>,
}

/// Numbers by a generator, so that a case shrinks by its seed and shape.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn within(&mut self, limit: i64) -> i64 {
        self.below(2 * limit as u64 + 1) as i64 - limit
    }

    /// A code, often zero or the largest.
    fn code(&mut self, split: Split) -> i8 {
        let (low, high) = split.range();
        let span = (i32::from(high) - i32::from(low) + 1) as u64;
        match self.below(4) {
            0 | 1 => 0,
            2 => high as i8,
            _ => (i64::from(low) + self.below(span) as i64) as i8,
        }
    }
}

fn shape(height: usize, width: usize, channels: usize) -> Shape {
    Shape {
        height,
        width,
        channels,
    }
}

fn case(seed: u64) -> Case {
    let n = &mut Numbers(seed);
    let mut pick = |low: u64, high: u64| (low + n.below(high - low + 1)) as usize;
    let window = Window {
        kernel: pick(1, 4),
        stride: pick(1, 2),
        padding: pick(0, 2),
    };
    let (height, width) = (pick(4, 7), pick(4, 7));
    let (channels, outputs) = (pick(1, 9), pick(1, 37));
    let (step, out_step) = (pick(1, 2), pick(1, 2));
    let input = View {
        shape: shape(height, width, 1 + channels * step),
        first: pick(0, 1),
        step,
        channels,
    };
    let size = [height, width].map(|edge| window.outputs(edge));
    let output = View {
        shape: shape(size[0], size[1], outputs * out_step),
        first: 0,
        step: out_step,
        channels: outputs,
    };
    let bits = pick(2, 8) as u8;
    let signed = pick(0, 1) == 1;
    let msb = (1 + pick(0, u64::from(bits) - 1) as u8).min(if signed { 8 } else { 7 });
    let split = Split::new(bits, msb, signed).unwrap();
    let kind = [GateKind::Above, GateKind::Within, GateKind::Open][pick(0, 2)];
    let residual = [None, Some(Source::InPlace), Some(shortcut(size, outputs))][pick(0, 2)];
    let residual = residual.map(|source| Residual {
        source,
        mult: pick(0, 32_767) as u16,
        shift: pick(0, 15) as u8,
        signed: pick(0, 1) == 1,
    });
    let group = [1, 4, 8, 16][pick(0, 3)];
    let codes = Codes {
        bits: pick(2, 8) as u8,
        signed: pick(0, 1) == 1,
    };
    let columns = window.kernel * window.kernel * channels;
    let largest = if pick(0, 2) == 0 { 127 } else { 9 };
    let bound = 127 * columns as i64;
    let shortcut_len = match residual.map(|r| r.source) {
        Some(Source::Map { view, .. }) => view.shape.len(),
        _ => 0,
    };
    let mut bytes = |count: usize| -> Vec<i8> { (0..count).map(|_| n.below(256) as i8).collect() };
    let (shortcut, before) = (bytes(shortcut_len), bytes(output.shape.len()));
    Case {
        input,
        output,
        window,
        split,
        kind,
        group,
        residual,
        codes,
        weights: (0..outputs * columns)
            .map(|_| n.within(largest) as i8)
            .collect(),
        thresholds: (0..outputs)
            .map(|_| {
                let t = n.within(bound) as i32;
                if kind == GateKind::Within { t.abs() } else { t }
            })
            .collect(),
        bias: (0..outputs).map(|_| n.within(5000) as i32).collect(),
        requant: (0..outputs)
            .map(|_| Requant {
                mult: (1 << 14) + n.below(1 << 14) as u16,
                pre: n.below(4) as u8,
                post: 14 + n.below(10) as u8,
            })
            .collect(),
        map: (0..input.shape.len()).map(|_| n.code(split)).collect(),
        shortcut,
        before,
    }
}

/// A map twice as large as the output, with fewer channels.
fn shortcut([height, width]: [usize; 2], outputs: usize) -> Source {
    let channels = outputs.div_ceil(2);
    Source::Map {
        view: View::all(shape(2 * height, 2 * width, channels)),
        stride: 2,
        offset: outputs / 4,
    }
}

impl Case {
    fn run(&self, gate: GateKind) -> (Vec<i8>, Vec<[i32; 3]>, crate::probe::LayerCounts) {
        let (rows, columns) = (self.bias.len(), self.weights.len() / self.bias.len());
        let mut panels = vec![0; columns::panel_words(rows, columns)];
        encode(&self.weights, columns, &mut panels);
        let sums = self.weights.chunks(columns);
        let sums = sums.map(|row| row.iter().map(|w| u32::from(w.unsigned_abs())).sum());
        let thresholds = if gate == GateKind::Open {
            &[]
        } else {
            &*self.thresholds
        };
        let conv = Conv {
            input: self.input,
            output: self.output,
            window: self.window,
            split: self.split,
            gate: Gate::new(gate, 1, thresholds),
            group: self.group,
            panels: &panels,
            row_sum: sums.max().unwrap(),
            bias: &self.bias,
            requant: &self.requant,
            codes: self.codes,
            residual: self.residual,
        };
        assert!(conv.is_consistent());
        let mut scratch = vec![0x5555_5555; conv.scratch_words()];
        let mut output = self.before.clone();
        let mut seen = Seen {
            channels: rows,
            width: self.output.shape.width,
            outputs: vec![[0; 3]; rows * self.output.shape.height * self.output.shape.width],
        };
        let counts = conv.run(
            &mut scratch,
            &self.map,
            &self.shortcut,
            &mut output,
            &mut seen,
        );
        (output, seen.outputs, counts)
    }

    /// Sums over digits and over whole codes, without the bias.
    fn sums(&self, y: usize, x: usize, channel: usize) -> [i32; 2] {
        let View {
            shape, channels, ..
        } = self.input;
        let columns = self.weights.len() / self.bias.len();
        let mut sums = [0; 2];
        for column in 0..columns {
            let (tap, c) = (column / channels, column % channels);
            let (ky, kx) = (tap / self.window.kernel, tap % self.window.kernel);
            let row = (y * self.window.stride + ky).wrapping_sub(self.window.padding);
            let pixel = (x * self.window.stride + kx).wrapping_sub(self.window.padding);
            if row < shape.height && pixel < shape.width {
                let q = self.split.value(self.map[self.input.index(row, pixel, c)]);
                let w = i32::from(self.weights[channel * columns + column]);
                sums[0] += w * self.split.hb(q);
                sums[1] += w * q;
            }
        }
        sums
    }

    /// Predictions, openness and outputs by the definition.
    fn outputs(&self) -> Vec<[i32; 3]> {
        let mut outputs = Vec::new();
        for (y, x) in self.pixels() {
            let sums: Vec<[i32; 2]> = (0..self.bias.len()).map(|c| self.sums(y, x, c)).collect();
            let z_hb = |c: usize| (sums[c][0] << self.split.shift()) + self.bias[c];
            let opens = |c: usize| self.kind.opens(z_hb(c), self.thresholds[c]);
            for c in 0..self.bias.len() {
                let start = c / self.group * self.group;
                let mut group = start..(start + self.group).min(self.bias.len());
                let open = group.any(opens);
                let z = if open {
                    sums[c][1] + self.bias[c]
                } else {
                    z_hb(c)
                };
                outputs.push([z_hb(c), i32::from(open), z]);
            }
        }
        outputs
    }

    fn pixels(&self) -> impl Iterator<Item = (usize, usize)> {
        let Shape { height, width, .. } = self.output.shape;
        (0..height * width).map(move |k| (k / width, k % width))
    }

    /// The code that an output becomes.
    fn code(&self, y: usize, x: usize, channel: usize, z: i32) -> i8 {
        let mut value = i32::from(self.requant[channel].apply(z));
        if let Some(r) = self.residual {
            let code = match r.source {
                Source::InPlace => self.before[self.output.index(y, x, channel)],
                Source::Map {
                    view,
                    stride,
                    offset,
                } => match channel.checked_sub(offset) {
                    Some(c) if c < view.channels => {
                        self.shortcut[view.index(y * stride, x * stride, c)]
                    }
                    _ => 0,
                },
            };
            let code = if r.signed {
                i32::from(code)
            } else {
                i32::from(code as u8)
            };
            value = round_shift(value + round_shift(code * i32::from(r.mult), r.shift), 4);
        }
        let range = Split::new(self.codes.bits, 1, self.codes.signed).unwrap();
        let (low, high) = range.range();
        value.clamp(low.into(), high.into()) as i8
    }
}

/// Collects predictions, openness and outputs.
struct Seen {
    channels: usize,
    width: usize,
    outputs: Vec<[i32; 3]>,
}

impl Visit for Seen {
    fn visit(&mut self, y: usize, x: usize, channel: usize, count: usize, output: &Output) {
        for k in 0..count {
            let place = (y * self.width + x) * self.channels + channel + k;
            self.outputs[place] = [
                output.predictions[k],
                i32::from(output.open >> k & 1),
                output.z[k],
            ];
        }
    }
}

proptest! {
    #[test]
    fn a_pass_equals_its_definition(seed: u64) {
        let case = case(seed);
        let (codes, seen, counts) = case.run(case.kind);
        let want = case.outputs();
        prop_assert_eq!(&seen, &want);
        let open = want.iter().filter(|o| o[1] == 1).count();
        prop_assert_eq!(counts.open as usize, open);
        prop_assert_eq!(counts.outputs as usize, want.len());
        let mut expected = case.before.clone();
        for (pixel, (y, x)) in case.pixels().enumerate() {
            for c in 0..case.bias.len() {
                let z = want[pixel * case.bias.len() + c][2];
                expected[case.output.index(y, x, c)] = case.code(y, x, c, z);
            }
        }
        prop_assert_eq!(codes, expected);
    }

    #[test]
    fn open_gates_give_the_plain_convolution(seed: u64) {
        let case = case(seed);
        let (_, seen, _) = case.run(GateKind::Open);
        for (pixel, (y, x)) in case.pixels().enumerate() {
            for c in 0..case.bias.len() {
                let plain = case.sums(y, x, c)[1] + case.bias[c];
                prop_assert_eq!(seen[pixel * case.bias.len() + c][2], plain);
            }
        }
    }
}

#[test]
fn sums_at_their_largest_are_exact() {
    // 17 x 16 = 272 columns: beyond 16 bits for every digit above 1.
    for (bits, msb, signed) in [
        (8, 7, false),
        (8, 4, false),
        (8, 1, false),
        (8, 4, true),
        (2, 1, false),
    ] {
        let split = Split::new(bits, msb, signed).unwrap();
        for sign in [1i8, -1] {
            let mut case = case(3);
            case.window = Window {
                kernel: 4,
                stride: 1,
                padding: 0,
            };
            case.input = View::all(shape(4, 4, 17));
            case.output = View::all(shape(1, 1, 3));
            case.split = split;
            case.kind = GateKind::Open;
            case.residual = None;
            case.weights = vec![127 * sign; 3 * 272];
            (case.bias, case.thresholds) = (vec![0; 3], vec![0; 3]);
            case.requant.resize(3, case.requant[0]);
            case.map = vec![split.range().1 as i8; 272];
            case.before = vec![0; 3];
            let (_, seen, _) = case.run(GateKind::Open);
            let want = 272 * 127 * i32::from(sign) * i32::from(split.range().1);
            assert_eq!(seen[2][2], want, "{split:?}");
        }
    }
}
