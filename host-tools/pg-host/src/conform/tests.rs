use super::*;
use pg_runtime::quant::Split;

fn split(bits: u8, msb: u8, signed: bool) -> Split {
    Split::new(bits, msb, signed).expect("a split")
}

/// A vector with random numbers and the results of the definition.
fn vector(seed: u64, split: Split, window: Window, groups: usize) -> Vector {
    let mut x = seed;
    let mut next = |low: i64, high: i64| {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        low + ((x >> 33) % (high - low + 1) as u64) as i64
    };
    let input = [2, 3 * groups, 6, 5];
    let kernel = [5 * groups, 3, window.kernel, window.kernel];
    let (low, high) = split.range();
    let mut codes = || match next(0, 3) {
        0 => next(i64::from(low), i64::from(high)),
        1 => i64::from(high),
        _ => 0,
    };
    let activation: Vec<i64> = (0..input.iter().product()).map(|_| codes()).collect();
    let weight: Vec<i64> = (0..kernel.iter().product())
        .map(|_| next(-127, 127))
        .collect();
    let thresholds: Vec<i32> = (0..kernel[0]).map(|_| next(-3000, 3000) as i32).collect();
    let output = [2, kernel[0], window.outputs(6), window.outputs(5)];
    let mut vector = Vector {
        input,
        kernel,
        activation: activation.iter().map(|&q| q as i8).collect(),
        weight: weight.iter().map(|&w| w as i8).collect(),
        thresholds,
        split,
        stride: window.stride,
        padding: window.padding,
        groups,
        output,
        predictions: vec![],
        mask: vec![],
        accumulators: vec![],
    };
    let [_, channels, height, width] = input;
    for place in 0..output.iter().product::<usize>() {
        let [n, o, y, x] = index(place, output);
        let (mut hb, mut all) = (0, 0);
        for (c, ky, kx) in (0..3 * window.kernel * window.kernel).map(|k| {
            (
                k / window.kernel.pow(2),
                k / window.kernel % window.kernel,
                k % window.kernel,
            )
        }) {
            let row = (y * window.stride + ky).wrapping_sub(window.padding);
            let column = (x * window.stride + kx).wrapping_sub(window.padding);
            if row >= height || column >= width {
                continue;
            }
            let channel = o / 5 * 3 + c;
            let q = activation[((n * channels + channel) * height + row) * width + column];
            let w = weight[((o * 3 + c) * window.kernel + ky) * window.kernel + kx];
            hb += w * i64::from(split.hb(q as i32));
            all += w * q;
        }
        let z = hb << split.shift();
        let open = z > i64::from(vector.thresholds[o]);
        vector.predictions.push(z);
        vector.mask.push(i64::from(open));
        vector.accumulators.push(if open { all } else { z });
    }
    vector
}

#[test]
fn convolutions_equal_their_definition() {
    let windows = [
        (3, 1, 1),
        (3, 2, 1),
        (1, 1, 0),
        (1, 2, 0),
        (5, 1, 2),
        (2, 3, 0),
        (1, 1, 1),
    ];
    let mut seed = 0;
    for (kernel, stride, padding) in windows {
        let window = Window {
            kernel,
            stride,
            padding,
        };
        for (bits, msb) in [(8, 4), (8, 7), (8, 1), (5, 3), (4, 2), (2, 1), (4, 4)] {
            for signed in [false, true] {
                for groups in [1, 3] {
                    seed += 1;
                    let vector = vector(seed, split(bits, msb, signed), window, groups);
                    let report = check(&vector).expect("a convolution");
                    assert!(
                        report.is_exact(),
                        "{bits}/{msb} {window:?} {signed}: {report}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_wrong_number_is_found_and_named() {
    let window = Window {
        kernel: 3,
        stride: 1,
        padding: 1,
    };
    let mut vector = vector(1, split(4, 2, false), window, 1);
    vector.accumulators[31] += 1;
    let report = check(&vector).expect("a convolution");
    assert!(!report.is_exact());
    assert_eq!(report.accumulators.wrong, 1);
    assert_eq!(
        report.accumulators.first.as_ref().map(|p| p.index),
        Some([0, 1, 0, 1])
    );
    vector.output[3] += 1;
    assert!(check(&vector).is_err());
}

#[test]
fn files_that_are_no_vectors_get_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npz");
    std::fs::write(&path, b"not a zip").expect("write");
    let error = check_file(&path).expect_err("no vector");
    assert!(format!("{error:#}").contains("cannot read"), "{error:#}");
    assert!(check_file(&folder.path().join("missing.npz")).is_err());
}
