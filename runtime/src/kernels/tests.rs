//! The common test of kernels: every implementation against the oracle.

use super::conformance::{Operation, check};
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// Signed bytes, four a word, filled up with zeros to `columns`.
fn pack(digits: &[i8], columns: usize) -> Vec<u32> {
    let mut bytes = digits.to_vec();
    bytes.resize(columns, 0);
    (bytes.chunks_exact(4))
        .map(|b| u32::from_le_bytes([b[0] as u8, b[1] as u8, b[2] as u8, b[3] as u8]))
        .collect()
}

fn check_scan<K: Kernels>(split: Split, steps: &[Vec<i8>], room: usize) {
    let height = K::TARGET.panel();
    let width = K::TARGET.row_columns(steps[0].len());
    let mut applied = vec![changes::zero_digits(split); width / 4];
    let mut want = applied.clone();
    for step in steps {
        let (low, high) = split.range();
        let codes: Vec<i8> = (step.iter())
            .map(|&q| i16::from(q).clamp(low, high) as i8)
            .collect();
        let codes = pack(&codes, width);
        let sorted = |found: &changes::Found, lists: &[u32]| {
            found.changes(lists).map(|c| {
                let entries = [c.plus, c.minus].map(|l| Changes::entries(l).to_vec());
                entries.map(|mut list| {
                    list.sort_unstable();
                    list
                })
            })
        };
        let mut lists = [vec![0; room], vec![0; room]];
        let mut rest = [vec![0; width / 4], vec![0; width / 4]];
        let found = K::scan(split, &codes, &mut applied, &mut rest[0], &mut lists[0]);
        let height = height as u32;
        let portable = changes::scan(
            split,
            &codes,
            &mut want,
            &mut rest[1],
            height,
            &mut lists[1],
        );
        assert_eq!(found.columns, portable.columns);
        assert_eq!(sorted(&found, &lists[0]), sorted(&portable, &lists[1]));
        assert_eq!(rest[0], rest[1]);
        assert_eq!(applied, want);
    }
}

/// Runs the common test of kernels over an implementation.
macro_rules! kernel_tests {
    ($name:ident, $kernels:ty) => {
        mod $name {
            use super::*;

            proptest! {
                // Cases are as large as the scratch buffer allows.
                #[test]
                fn dots_equal_naive(seed: u32, room in 512usize..8192) {
                    let scratch = &mut vec![0; room];
                    prop_assert_eq!(check::<$kernels>(Operation::Dots, seed, scratch), Ok(()));
                }

                #[test]
                fn update_equals_naive(seed: u32, room in 512usize..8192) {
                    let scratch = &mut vec![0; room];
                    prop_assert_eq!(check::<$kernels>(Operation::Update, seed, scratch), Ok(()));
                }

                #[test]
                fn predict_equals_naive(seed: u32, room in 1024usize..8192) {
                    let scratch = &mut vec![0; room];
                    prop_assert_eq!(check::<$kernels>(Operation::Predict, seed, scratch), Ok(()));
                }

                #[test]
                fn scan_equals_its_definition(
                    steps in (1usize..100).prop_flat_map(|n| proptest::collection::vec(
                        proptest::collection::vec(-127i8..=127, n), 1..4)),
                    (bits, msb) in (2u8..=8).prop_flat_map(|b| (Just(b), 1..=b)),
                    room in prop_oneof![Just(40_000usize), 0usize..300],
                ) {
                    check_scan::<$kernels>(Split::new(bits, msb, true).unwrap(), &steps, room);
                }

                #[test]
                fn within_equals_its_definition(seed: u32) {
                    let scratch = &mut vec![0; 1024];
                    prop_assert_eq!(check::<$kernels>(Operation::Within, seed, scratch), Ok(()));
                }

                #[test]
                fn load_within_equals_its_definition(seed: u32) {
                    let scratch = &mut vec![0; 1024];
                    prop_assert_eq!(check::<$kernels>(Operation::LoadWithin, seed, scratch), Ok(()));
                }

                #[test]
                fn cells_equal_their_definition(seed: u32) {
                    let scratch = &mut vec![0; 1024];
                    prop_assert_eq!(check::<$kernels>(Operation::Cells, seed, scratch), Ok(()));
                }
            }

            // What follows draws nothing but signs and counts.
            #[test]
            fn extremes_at_the_largest_width() {
                let scratch = &mut vec![0; 1 << 16];
                for seed in 0..40 {
                    assert_eq!(check::<$kernels>(Operation::Widest, seed, scratch), Ok(()));
                }
            }

            #[test]
            fn rows_at_the_bound_of_a_lane_are_exact() {
                let scratch = &mut vec![0; 8192];
                for seed in 0..16 {
                    assert_eq!(check::<$kernels>(Operation::Bound, seed, scratch), Ok(()));
                }
            }
        }
    };
}

kernel_tests!(portable, swar::Swar);
kernel_tests!(dsp_layout, dsp::Dsp);
kernel_tests!(selected, Selected);

#[test]
fn a_case_without_room_fails() {
    for operation in Operation::ALL {
        let outcomes = (0..20).map(|seed| check::<Selected>(operation, seed, &mut []));
        assert!({ outcomes }.any(|outcome| outcome.is_err()));
    }
}

// What the processor lacks is left out at run time: there the variants below
// repeat the ones before them.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use simd::{Features, Limited};

    kernel_tests!(plain, Limited<{ Features::PLAIN }>);
    kernel_tests!(avx2, Limited<{ Features::AVX2 }>);
    kernel_tests!(avx_vnni, Limited<{ Features::AVX2 | Features::AVX_VNNI }>);
    kernel_tests!(
        avx512_vnni,
        Limited<{ Features::AVX2 | Features::AVX512_VNNI }>
    );
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use super::*;
    use simd::{Features, Limited};

    kernel_tests!(plain, Limited<{ Features::PLAIN }>);
    kernel_tests!(neon, Limited<{ Features::NEON }>);
    kernel_tests!(dotprod, Limited<{ Features::NEON | Features::DOTPROD }>);
}
