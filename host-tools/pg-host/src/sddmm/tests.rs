use super::*;

/// Numbers whose products and sums are exact in single precision.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut x = seed;
    let mut next = || {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((x >> 33) % 63) as f32 - 31.0
    };
    (0..count).map(|_| next()).collect()
}

fn mask(seed: u64, [rows, columns]: [usize; 2], percent: u64) -> Mask {
    let mut x = seed;
    Mask::new(rows, columns, |_, _| {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) % 100 < percent
    })
}

fn is_open(mask: &Mask, row: usize, column: usize) -> bool {
    mask.words[row * mask.columns.div_ceil(64) + column / 64] >> (column % 64) & 1 == 1
}

/// Both functions against the definition, at every density.
fn compare(patches: Patches, rows: usize, columns: usize) {
    let weights = numbers(1, rows * patches.columns());
    let inputs = numbers(2, patches.needed(columns));
    let plan = Plan::new(patches, columns);
    let operands = Operands {
        weights: &weights,
        inputs: &inputs,
        plan: &plan,
    };
    for percent in [0, 3, 20, 50, 100] {
        let mask = mask(percent + 7, [rows, columns], percent);
        let before = numbers(3, rows * columns);
        let mut want = before.clone();
        for (place, out) in want.iter_mut().enumerate() {
            let (row, column) = (place / columns, place % columns);
            if is_open(&mask, row, column) {
                let weights = &weights[row * patches.columns()..][..patches.columns()];
                let mut sums = [0.0; TOGETHER];
                plain::dots(&operands, weights, &[column], &mut sums);
                *out += sums[0];
            }
        }
        for run in [sddmm, sddmm_parallel] {
            let mut out = before.clone();
            run(&operands, &mask, &mut out).expect("operands of one size");
            assert_eq!(out, want, "{patches:?} {rows} x {columns}, {percent} %");
        }
    }
}

#[test]
fn matrices_equal_their_definition() {
    for rows in [1, 3, 16] {
        for columns in [1, 7, 64, 65, 200] {
            for length in [1, 8, 9, 27, 144] {
                compare(Patches::matrix(length), rows, columns);
            }
        }
    }
}

#[test]
fn convolutions_equal_their_definition() {
    for (shape, kernel, stride) in [
        ([10, 10, 16], 3, 1),
        ([9, 11, 3], 3, 2),
        ([6, 6, 5], 1, 1),
        ([34, 34, 4], 3, 1),
    ] {
        let patches = Patches::convolution(shape, kernel, stride);
        compare(patches, 5, 2 * patches.line * patches.lines);
    }
}

#[test]
fn a_convolution_is_a_matrix_of_its_patches() {
    let shape = [7, 6, 3];
    let patches = Patches::convolution(shape, 3, 1);
    let inputs = numbers(4, 7 * 6 * 3);
    let weights = numbers(5, 2 * 27);
    let mut gathered = vec![];
    for (y, x) in (0..5 * 4).map(|n| (n / 4, n % 4)) {
        for ky in 0..3 {
            gathered.extend_from_slice(&inputs[((y + ky) * 6 + x) * 3..][..9]);
        }
    }
    let mask = mask(9, [2, 20], 60);
    let run = |inputs: &[f32], patches| {
        let mut out = vec![0.0; 40];
        let operands = Operands {
            weights: &weights,
            inputs,
            plan: &Plan::new(patches, 20),
        };
        sddmm(&operands, &mask, &mut out).expect("operands of one size");
        out
    };
    assert_eq!(run(&inputs, patches), run(&gathered, Patches::matrix(27)));
}

#[test]
fn wrong_sizes_are_refused_by_name() {
    let mask = mask(1, [2, 3], 50);
    let (weights, inputs) = (numbers(1, 8), numbers(2, 12));
    let plan = Plan::new(Patches::matrix(4), 3);
    let operands = Operands {
        weights: &weights,
        inputs: &inputs,
        plan: &plan,
    };
    assert_eq!(sddmm(&operands, &mask, &mut [0.0; 6]), Ok(()));
    let short = Operands {
        weights: &weights[1..],
        ..operands
    };
    assert!(matches!(
        sddmm(&short, &mask, &mut [0.0; 6]),
        Err(SddmmError::Weights { given: 7, .. })
    ));
    let short = Operands {
        inputs: &inputs[1..],
        ..operands
    };
    assert!(matches!(
        sddmm(&short, &mask, &mut [0.0; 6]),
        Err(SddmmError::Patches {
            needed: 12,
            given: 11
        })
    ));
    let other = Operands {
        plan: &Plan::new(Patches::matrix(4), 2),
        ..operands
    };
    assert!(matches!(
        sddmm(&other, &mask, &mut [0.0; 6]),
        Err(SddmmError::Plan { planned: 2, .. })
    ));
    assert!(matches!(
        sddmm(&operands, &mask, &mut [0.0; 5]),
        Err(SddmmError::Output { given: 5, .. })
    ));
}
