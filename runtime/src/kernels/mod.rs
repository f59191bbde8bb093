//! The inner loops of both passes.
//!
//! Every instruction set implements [`Kernels`]; [`Selected`] is the one
//! place where the choice is made. [`naive`] is the oracle: it follows the
//! definitions with no regard for speed, and every kernel is tested against
//! it by the same macro. [`portable`] is plain Rust, always compiled.

pub mod naive;
pub mod portable;

/// Rows of a weight panel. Inside a panel the weights are column-major, so
/// that one changed digit touches 16 consecutive bytes.
pub const PANEL: usize = 16;

/// One column of weights in a panel.
pub type PanelColumn = [i8; PANEL];

/// Accumulators of one panel's rows.
pub type PanelAccumulators = [i32; PANEL];

/// A digit to apply in the prediction pass.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct Digit {
    /// Column index.
    pub column: u16,
    /// The digit itself, or its change since the last step; -255 to 255.
    pub value: i16,
}

/// The operations an instruction set must provide.
///
/// All results are exact modulo 2^32. The image guarantees at most 2^14
/// columns, `|w| <= 127` and codes of at most 8 bits, so that no sum the
/// engine forms exceeds 2^14 * 127 * 256 < 2^30; only a forged saved state
/// can wrap, and it then wraps without panicking.
pub trait Kernels {
    /// Prediction pass over panels: adds `value * w[row][column]` of every
    /// digit to the accumulators.
    ///
    /// `panels` holds, panel after panel, `columns` panel columns;
    /// `accumulators` one entry per panel. A digit whose column is not below
    /// `columns` is ignored.
    fn apply_digits(
        accumulators: &mut [PanelAccumulators],
        panels: &[PanelColumn],
        columns: usize,
        digits: &[Digit],
    );

    /// Dot product of a weight row with digits, over the shorter length.
    fn dot(row: &[i8], digits: &[i8]) -> i32;

    /// Dot product of row `lane` (0 to 15) of a panel with digits, over the
    /// shorter length. Used where the image has no row-major copy.
    fn dot_lane(panel: &[PanelColumn], lane: usize, digits: &[i8]) -> i32;
}

/// The kernels of the target this is compiled for.
///
/// Only the portable ones so far: they are the reference that the
/// instruction-set-specific ones will have to equal.
pub type Selected = portable::Portable;

#[cfg(test)]
#[macro_use]
pub(crate) mod tests {
    /// Runs the common test of kernels over an implementation.
    macro_rules! kernel_tests {
        ($name:ident, $kernels:ty) => {
            mod $name {
                use super::super::*;
                use proptest::prelude::*;
                extern crate std;
                use std::vec::Vec;

                type K = $kernels;
                type N = naive::Naive;

                fn weights(n: usize) -> impl Strategy<Value = Vec<i8>> {
                    // Mostly ordinary, often extreme.
                    proptest::collection::vec(
                        prop_oneof![-127i8..=127, Just(127), Just(-127), Just(0)],
                        n,
                    )
                }

                fn digits(n: usize) -> impl Strategy<Value = Vec<i8>> {
                    proptest::collection::vec(
                        prop_oneof![any::<i8>(), Just(i8::MIN), Just(i8::MAX), Just(0)],
                        n,
                    )
                }

                fn to_panels(w: &[i8]) -> Vec<PanelColumn> {
                    w.chunks_exact(PANEL)
                        .map(|c| core::array::from_fn(|i| c[i]))
                        .collect()
                }

                proptest! {
                    #[test]
                    fn apply_digits_equals_naive(
                        (columns, panels, w, list) in (1usize..40, 1usize..5).prop_flat_map(|(c, p)| (
                            Just(c), Just(p), weights(c * p * PANEL),
                            proptest::collection::vec((0u16..48, -255i16..=255), 0..60),
                        )),
                        start in any::<i32>(),
                    ) {
                        let w = to_panels(&w);
                        let list: Vec<Digit> = list.into_iter()
                            .map(|(column, value)| Digit { column, value }).collect();
                        let mut a = std::vec![[start; PANEL]; panels];
                        let mut b = a.clone();
                        K::apply_digits(&mut a, &w, columns, &list);
                        N::apply_digits(&mut b, &w, columns, &list);
                        prop_assert_eq!(a, b);
                    }

                    #[test]
                    fn dot_equals_naive(
                        (w, d) in (0usize..400, 0usize..400)
                            .prop_flat_map(|(n, m)| (weights(n), digits(m)))
                    ) {
                        prop_assert_eq!(K::dot(&w, &d), N::dot(&w, &d));
                    }

                    #[test]
                    fn dot_lane_equals_naive(
                        (w, d) in (0usize..60, 0usize..60)
                            .prop_flat_map(|(n, m)| (weights(n * PANEL), digits(m))),
                        lane in 0usize..20,
                    ) {
                        let w = to_panels(&w);
                        prop_assert_eq!(K::dot_lane(&w, lane, &d), N::dot_lane(&w, lane, &d));
                    }
                }

                #[test]
                fn extremes_at_the_largest_width() {
                    let n = 1 << 14;
                    for w in [-127, 127] {
                        for d in [-128, 127] {
                            let (row, digits) = (std::vec![w; n], std::vec![d; n]);
                            let want = i32::from(w) * i32::from(d) * (1 << 14);
                            assert_eq!(K::dot(&row, &digits), want);
                            let panel = std::vec![[w; PANEL]; n];
                            assert_eq!(K::dot_lane(&panel, 15, &digits), want);
                            let list: Vec<Digit> = (0..n)
                                .map(|c| Digit { column: c as u16, value: i16::from(d) })
                                .collect();
                            let mut acc = [[0; PANEL]];
                            K::apply_digits(&mut acc, &panel, n, &list);
                            assert_eq!(acc, [[want; PANEL]]);
                        }
                    }
                }
            }
        };
    }

    kernel_tests!(portable, portable::Portable);
    kernel_tests!(selected, Selected);
}
