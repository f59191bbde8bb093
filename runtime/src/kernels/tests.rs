//! The common test of kernels: every implementation against the oracle.

use super::conformance::{Operation, check};
use super::*;
use proptest::prelude::*;
use std::vec;

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
                fn scan_equals_its_definition(seed: u32) {
                    let scratch = &mut vec![0; 2048];
                    prop_assert_eq!(check::<$kernels>(Operation::Scan, seed, scratch), Ok(()));
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

            #[cfg(feature = "conv")]
            #[test]
            fn convolutions_equal_naive() {
                for room in [2048, 8192, 30_000] {
                    let scratch = &mut vec![0; room];
                    let checked = conformance::conv::check_all::<$kernels>(1500, scratch);
                    assert_eq!(checked, Ok(()), "{room}");
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
