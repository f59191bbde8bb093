use super::element::sealed::Sum;
use super::*;
use std::fmt::Debug;

/// Pseudo-random numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn mask(seed: u64, [rows, columns]: [usize; 2], percent: u64) -> Mask {
    let mut draw = Draw(seed);
    Mask::new(rows, columns, |_, _| draw.below(100) < percent)
}

/// The open outputs, by the mask's own list.
fn is_open(mask: &Mask, row: usize, column: usize) -> bool {
    let block = column / mask::BLOCK * mask::BLOCK;
    let end = mask.shape()[1].min(block + mask::BLOCK);
    mask.listed(row, &(block..end)).contains(&(column as u32))
}

/// Weights, inputs and outputs of so many numbers, sums of which are exact.
trait Numbers: Element<Sum: PartialEq> {
    /// `hard` asks for as large sums as there can be.
    fn operands(counts: [usize; 2], hard: bool) -> (Vec<Self::Weight>, Vec<Self>);
    fn sum(x: i32) -> Self::Sum;
}

impl Numbers for f32 {
    fn operands([weights, inputs]: [usize; 2], _: bool) -> (Vec<f32>, Vec<f32>) {
        let mut draw = Draw(1);
        let mut number = |_| draw.below(63) as f32 - 31.0;
        let weights = (0..weights).map(&mut number).collect();
        (weights, (0..inputs).map(number).collect())
    }

    fn sum(x: i32) -> f32 {
        x as f32
    }
}

impl Numbers for u8 {
    fn operands([weights, inputs]: [usize; 2], hard: bool) -> (Vec<i8>, Vec<u8>) {
        if hard {
            return (vec![-128; weights], vec![127; inputs]);
        }
        let mut draw = Draw(1);
        let weights = (0..weights).map(|_| draw.below(256) as i8).collect();
        (weights, (0..inputs).map(|_| draw.below(16) as u8).collect())
    }

    fn sum(x: i32) -> i32 {
        x
    }
}

/// Every path against the definition, at every density.
fn compare<E: Numbers>(patches: Patches, rows: usize, columns: usize, hard: bool) {
    let plan = Plan::new(patches, columns);
    let counts = [rows * patches.columns(), plan.needed];
    let (weights, inputs) = E::operands(counts, hard);
    let operands = Operands::<E>::new(&weights, &inputs, &plan).expect("sizes that fit");
    for percent in [0, 3, 20, 50, 100] {
        let mask = mask(percent + 7, [rows, columns], percent);
        let before: Vec<E::Sum> = (0..rows * columns).map(|n| E::sum(n as i32 % 63)).collect();
        let mut want = before.clone();
        for (place, out) in want.iter_mut().enumerate() {
            let (row, column) = (place / columns, place % columns);
            if !is_open(&mask, row, column) {
                continue;
            }
            let mut sum = E::Sum::default();
            for k in 0..patches.columns() {
                let (run, at) = (k / patches.length, k % patches.length);
                let x = inputs[patches.start(column) + run * patches.stride + at];
                sum = x.accumulate(sum, weights[row * patches.columns() + k]);
            }
            *out = out.plus(sum);
        }
        let ways = [sddmm, sddmm_parallel, parallel::in_parts, by_definition];
        for (way, run) in ways.into_iter().enumerate() {
            let mut out = before.clone();
            run(&operands, &mask, &mut out).expect("operands of one size");
            let case = (patches, rows, columns, percent, hard);
            assert!(out == want, "way {way}, {case:?}");
        }
    }
}

/// The path of other processors.
fn by_definition<E: Element>(
    operands: &Operands<'_, E>,
    mask: &Mask,
    out: &mut [E::Sum],
) -> Result<(), SddmmError> {
    let columns = mask.shape()[1];
    let rows = out.chunks_exact_mut(columns);
    plain::tile(operands, mask, 0..columns, 0, rows);
    Ok(())
}

fn compare_all(patches: Patches, rows: usize, columns: usize) {
    compare::<f32>(patches, rows, columns, false);
    compare::<u8>(patches, rows, columns, false);
    compare::<u8>(patches, rows, columns, true);
}

#[test]
fn matrices_equal_their_definition() {
    for rows in [1, 3, 16] {
        for columns in [1, 7, 64, 65, 200] {
            for length in [1, 8, 9, 16, 27, 49, 144] {
                compare_all(Patches::matrix(length), rows, columns);
            }
        }
    }
}

#[test]
fn convolutions_equal_their_definition() {
    for (shape, kernel, stride) in [
        ([10, 10, 16], 3, 1),
        ([9, 11, 16], 3, 2),
        ([6, 6, 32], 3, 1),
        ([7, 9, 32], 3, 2),
        ([6, 5, 64], 3, 1),
        ([5, 5, 64], 3, 2),
        ([9, 11, 3], 3, 2),
        ([6, 6, 5], 1, 1),
        ([34, 34, 4], 3, 1),
    ] {
        let patches = Patches::convolution(shape, kernel, stride);
        compare_all(patches, 5, 3 * patches.line * patches.lines);
    }
}

#[test]
fn tiles_and_parts_leave_no_column_out() {
    // Several tiles, the last of them ragged, and more rows than parts.
    compare::<f32>(
        Patches::convolution([10, 10, 64], 3, 1),
        70,
        5 * 64 - 3,
        false,
    );
    compare::<u8>(
        Patches::convolution([10, 10, 64], 3, 1),
        20,
        20 * 64 + 9,
        false,
    );
}

#[test]
fn sums_of_sixteen_bits_are_widened_in_time() {
    // Weights of one sign and large digits, from patches that need no widening on the
    // way to vectors that each do.
    for (weight, digit, length) in [
        (1, 1, 144),
        (127, 15, 144),
        (-128, 15, 1000),
        (127, 127, 500),
    ] {
        let (weights, inputs) = (vec![weight; 3 * length], vec![digit; 3 * length]);
        let plan = Plan::new(
            Patches {
                runs: 3,
                stride: length,
                ..Patches::matrix(length)
            },
            1,
        );
        let operands = Operands::<u8>::new(&weights, &inputs, &plan).expect("sizes that fit");
        let mut out = [5];
        sddmm(&operands, &Mask::new(1, 1, |_, _| true), &mut out).expect("one output");
        assert_eq!(
            out,
            [5 + 3 * length as i32 * i32::from(weight) * i32::from(digit)]
        );
    }
}

#[test]
fn a_convolution_is_a_matrix_of_its_patches() {
    let shape = [7, 6, 3];
    let patches = Patches::convolution(shape, 3, 1);
    let (weights, inputs) = <f32 as Numbers>::operands([2 * 27, 7 * 6 * 3], false);
    let mut gathered = vec![];
    for (y, x) in (0..5 * 4).map(|n| (n / 4, n % 4)) {
        for ky in 0..3 {
            gathered.extend_from_slice(&inputs[((y + ky) * 6 + x) * 3..][..9]);
        }
    }
    let mask = mask(9, [2, 20], 60);
    let run = |inputs: &[f32], patches| {
        let mut out = vec![0.0; 40];
        let plan = Plan::new(patches, 20);
        let operands = Operands::new(&weights, inputs, &plan).expect("sizes that fit");
        sddmm(&operands, &mask, &mut out).expect("operands of one size");
        out
    };
    assert_eq!(run(&inputs, patches), run(&gathered, Patches::matrix(27)));
}

/// The error of operands that do not fit.
fn refused<T: Debug>(result: Result<T, SddmmError>) -> SddmmError {
    result.expect_err("sizes that do not fit")
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let plan = Plan::new(Patches::matrix(4), 3);
    let (weights, mut inputs) = ([1i8; 8], [1u8; 12]);
    assert_eq!(
        refused(Operands::<u8>::new(&weights[1..], &inputs, &plan)),
        SddmmError::Weights {
            given: 7,
            columns: 4
        }
    );
    assert_eq!(
        refused(Operands::<u8>::new(&weights, &inputs[1..], &plan)),
        SddmmError::Patches {
            needed: 12,
            given: 11
        }
    );
    let empty = Plan::new(Patches::matrix(0), 3);
    assert_eq!(
        refused(Operands::<u8>::new(&[], &inputs, &empty)),
        SddmmError::Weights {
            given: 0,
            columns: 0
        }
    );
    let operands = Operands::<u8>::new(&weights, &inputs, &plan).expect("sizes that fit");
    let open = |rows, columns| Mask::new(rows, columns, |_, _| true);
    assert_eq!(
        refused(sddmm(&operands, &open(2, 2), &mut [0; 4])),
        SddmmError::Mask {
            operands: [2, 3],
            mask: [2, 2]
        }
    );
    assert_eq!(
        refused(sddmm_parallel(&operands, &open(2, 3), &mut [0; 5])),
        SddmmError::Output {
            given: 5,
            rows: 2,
            columns: 3
        }
    );
    inputs[3] = 128;
    assert_eq!(
        refused(Operands::<u8>::new(&weights, &inputs, &plan)),
        SddmmError::Digit { largest: 128 }
    );
}
