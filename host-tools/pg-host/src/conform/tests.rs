//! Vectors made here from the definition, written as files and read again.

use super::*;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use std::path::Path;

/// A convolution: images, input channels, edges, output channels, groups,
/// kernel, stride and padding; bits and sign of the codes.
struct Case {
    input: [usize; 4],
    outputs: usize,
    groups: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    bits: [u8; 2],
    signed: bool,
}

const PLAIN: Case = Case {
    input: [2, 3, 6, 5],
    outputs: 4,
    groups: 1,
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1],
    bits: [4, 2],
    signed: false,
};

impl Case {
    /// The vector by its definition.
    fn vector(&self) -> Vector {
        let mut state = 7u64;
        let mut next = |low: i64, high: i64| {
            state = (state.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(99);
            low + ((state >> 33) as i64) % (high - low + 1)
        };
        let [n, c, h, w] = self.input;
        let part = c / self.groups;
        let [kh, kw] = self.kernel;
        let shift = self.bits[0] - self.bits[1];
        let (low, high) = if self.signed {
            (1 - (1 << (self.bits[0] - 1)), (1 << (self.bits[0] - 1)) - 1)
        } else {
            (0, (1 << self.bits[0]) - 1)
        };
        let codes: Vec<i64> = (0..n * c * h * w).map(|_| next(low, high)).collect();
        let count = self.outputs * part * kh * kw;
        let weights: Vec<i64> = (0..count).map(|_| next(-127, 127)).collect();
        let thresholds: Vec<f64> = (0..self.outputs)
            .map(|o| {
                if o == 1 {
                    0.0
                } else {
                    next(-900, 900) as f64 + 0.5
                }
            })
            .collect();
        let edge = |at: usize| {
            (self.input[2 + at] + 2 * self.padding[at] - self.kernel[at]) / self.stride[at] + 1
        };
        let (oh, ow) = (edge(0), edge(1));
        let shape = vec![n, self.outputs, oh, ow];
        let (mut msb, mut mask, mut acc) = (vec![], vec![], vec![]);
        for index in 0..n * self.outputs * oh * ow {
            let (x, y, o) = (index % ow, index / ow % oh, index / ow / oh % self.outputs);
            let image = index / ow / oh / self.outputs;
            let (mut whole, mut predicted) = (0, 0);
            for tap in 0..part * kh * kw {
                let (kx, ky, i) = (tap % kw, tap / kw % kh, tap / kw / kh);
                let at = |o: usize, k: usize, d: usize| {
                    (o * self.stride[d] + k).checked_sub(self.padding[d])
                };
                let (Some(sy), Some(sx)) = (at(y, ky, 0), at(x, kx, 1)) else {
                    continue;
                };
                if sy >= h || sx >= w {
                    continue;
                }
                let channel = o / (self.outputs / self.groups) * part + i;
                let q = codes[((image * c + channel) * h + sy) * w + sx];
                let weight = weights[o * part * kh * kw + tap];
                let half = if self.signed && shift > 0 {
                    1 << (shift - 1)
                } else {
                    0
                };
                whole += weight * q;
                predicted += weight * ((q + half) >> shift << shift);
            }
            let open = predicted as f64 > thresholds[o];
            msb.push(predicted);
            mask.push(i64::from(open));
            acc.push(if open { whole } else { predicted });
        }
        let array = |shape: &[usize], values, signed_bytes| Integers {
            shape: shape.to_vec(),
            values,
            signed_bytes,
        };
        Vector {
            activation: array(&self.input, codes, self.signed),
            weight: array(&[self.outputs, part, kh, kw], weights, false),
            thresholds,
            msb_accumulator: array(&shape, msb, false),
            mask: array(&shape, mask, false),
            accumulator: array(&shape, acc, false),
            bits: self.bits,
            stride: self.stride,
            padding: self.padding,
            groups: self.groups,
        }
    }
}

fn write(path: &Path, vector: &Vector, leave_out: &str) {
    let mut npz = NpzWriter::create(path).expect("created");
    let shape = |shape: &[usize]| shape.iter().map(|&n| n as u64).collect::<Vec<_>>();
    macro_rules! put {
        ($name:literal, $shape:expr, $t:ty, $values:expr) => {
            if leave_out != $name {
                let mut array = npz
                    .array($name, Default::default())
                    .expect("an entry")
                    .default_dtype()
                    .shape(&$shape)
                    .begin_nd()
                    .expect("a header");
                array
                    .extend($values.into_iter().map(|v| v as $t))
                    .expect("written");
                array.finish().expect("finished");
            }
        };
    }
    let (v, none) = (vector, Vec::<u64>::new());
    let codes = v.activation.values.clone();
    if v.activation.signed_bytes {
        put!("activation", shape(&v.activation.shape), i8, codes);
    } else {
        put!("activation", shape(&v.activation.shape), u8, codes);
    }
    put!(
        "weight",
        shape(&v.weight.shape),
        i16,
        v.weight.values.clone()
    );
    put!(
        "threshold",
        [v.thresholds.len() as u64],
        f64,
        v.thresholds.clone()
    );
    let outputs = shape(&v.accumulator.shape);
    put!(
        "msb_accumulator",
        outputs,
        i32,
        v.msb_accumulator.values.clone()
    );
    put!("mask", outputs, u8, v.mask.values.clone());
    put!("accumulator", outputs, i32, v.accumulator.values.clone());
    put!("bits", [3], i64, [v.bits[0], v.bits[1], 7]);
    if v.stride[0] == v.stride[1] {
        put!("stride", none, i64, [v.stride[0]]);
    } else {
        put!("stride", [2], i64, v.stride);
    }
    put!("padding", [2], i64, v.padding);
    put!("groups", none, i64, [v.groups]);
}

#[test]
fn files_of_every_kind_match() {
    let folder = tempfile::tempdir().expect("folder");
    let cases = [
        Case { ..PLAIN },
        Case {
            bits: [8, 4],
            stride: [2, 2],
            ..PLAIN
        },
        Case {
            bits: [2, 1],
            kernel: [1, 1],
            padding: [0, 0],
            ..PLAIN
        },
        Case {
            bits: [5, 5],
            input: [1, 4, 7, 7],
            outputs: 6,
            groups: 2,
            ..PLAIN
        },
        Case {
            bits: [6, 3],
            input: [1, 5, 7, 7],
            outputs: 5,
            groups: 5,
            ..PLAIN
        },
        Case {
            bits: [8, 3],
            signed: true,
            kernel: [5, 5],
            padding: [2, 2],
            ..PLAIN
        },
        Case {
            kernel: [1, 4],
            padding: [2, 0],
            stride: [3, 2],
            outputs: 20,
            ..PLAIN
        },
        Case {
            kernel: [4, 2],
            padding: [3, 1],
            stride: [1, 2],
            bits: [8, 7],
            ..PLAIN
        },
    ];
    let mut files = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let path = folder.path().join(format!("{index}.npz"));
        write(&path, &case.vector(), "");
        files.push(path);
    }
    let report = run(&files, Choice::All);
    assert!(report.all_exact(), "{report}");
}

#[test]
fn a_wrong_number_is_counted_and_named() {
    let mut vector = PLAIN.vector();
    let at = vector.accumulator.values.len() - 1;
    vector.accumulator.values[at] += 1;
    vector.mask.values[0] ^= 1;
    let report = compare(&vector, Choice::Portable).expect("runs");
    let [report] = &report[..] else {
        panic!("one report")
    };
    assert!(!report.exact());
    assert_eq!(report.msb_accumulator.mismatches, 0);
    assert_eq!(report.mask.first.as_ref().expect("wrong").index, [0; 4]);
    let first = report.accumulator.first.as_ref().expect("wrong");
    assert_eq!(
        (first.index, first.expected - first.computed),
        ([1, 3, 5, 4], 1)
    );
}

#[test]
fn files_that_say_too_little_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let refused = |vector: &Vector, leave_out: &str, words: &str| {
        let path = folder.path().join("bad.npz");
        write(&path, vector, leave_out);
        let report = run(&[path], Choice::Portable);
        let error = report.files[0].error.as_ref().expect("an error");
        assert!(error.contains(words), "{error}");
    };
    refused(&PLAIN.vector(), "mask", "no array 'mask'");
    let mut vector = PLAIN.vector();
    vector.weight.values[0] = 200;
    refused(&vector, "", "a weight code lies outside");
    let mut vector = PLAIN.vector();
    vector.activation.values[0] = 16;
    refused(&vector, "", "an activation code lies outside 0 to 15");
    let mut vector = PLAIN.vector();
    vector.groups = 2;
    refused(&vector, "", "do not fit 2 groups");
}
