//! The common test of kernels: every implementation against the oracle.

use super::*;
use crate::layout::Target;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;
use zerocopy::IntoBytes;

/// Signed bytes, four a word, filled up with zeros to `columns`.
fn pack(digits: &[i8], columns: usize) -> Vec<u32> {
    let mut bytes = digits.to_vec();
    bytes.resize(columns, 0);
    (bytes.chunks_exact(4))
        .map(|b| u32::from_le_bytes([b[0] as u8, b[1] as u8, b[2] as u8, b[3] as u8]))
        .collect()
}

/// A matrix as kernels read it.
struct Stored {
    rows: Vec<u32>,
    panels: Vec<u32>,
}

fn store<K: Kernels>(weights: &[i8], rows: usize, columns: usize) -> Stored {
    let target: Target = K::TARGET;
    let mut stored = Stored {
        rows: vec![0; target.row_words(rows, columns)],
        panels: vec![0; target.panel_words(rows, columns)],
    };
    target.encode_rows(weights, columns, &mut stored.rows);
    target.encode_panels(weights, columns, stored.panels.as_mut_bytes());
    stored
}

/// Weights and digits: mostly ordinary, often extreme.
fn weights(n: usize) -> impl Strategy<Value = Vec<i8>> {
    let one = prop_oneof![-127i8..=127, Just(127), Just(-127), Just(0)];
    prop_oneof![
        proptest::collection::vec(one, n),
        proptest::collection::vec(Just(127i8), n),
        proptest::collection::vec(Just(-127i8), n),
    ]
}

fn digits(n: usize, largest: i8) -> impl Strategy<Value = Vec<i8>> {
    let one = prop_oneof![-largest..=largest, Just(largest), Just(-largest), Just(0)];
    prop_oneof![
        proptest::collection::vec(one, n),
        proptest::collection::vec(Just(largest), n),
        proptest::collection::vec(Just(-largest), n),
    ]
}

/// Rows, columns, weights.
fn matrix() -> impl Strategy<Value = (usize, usize, Vec<i8>)> {
    (1usize..140, 1usize..90).prop_flat_map(|(r, c)| (Just(r), Just(c), weights(r * c)))
}

fn check_dots<K: Kernels>(
    weights: &[i8],
    (rows, columns): (usize, usize),
    digits: &[i8],
    list: &[u16],
) {
    let stored = store::<K>(weights, rows, columns);
    let width = K::TARGET.row_columns(columns);
    let largest = digits.iter().map(|d| u32::from(d.unsigned_abs())).max();
    let row_sum = (weights.chunks_exact(columns))
        .map(|r| r.iter().map(|w| u32::from(w.unsigned_abs())).sum::<u32>())
        .max();
    let chunk = K::chunk(largest.unwrap_or(0).max(1), row_sum.unwrap_or(0), width);
    assert!(
        chunk % 8 == 0 && chunk > 0 && chunk <= width,
        "chunk {chunk} of {width}"
    );
    // Garbage behind the plane must not matter.
    let mut words = vec![0xdead_beef; K::TARGET.plane_words(width)];
    K::plane(&pack(digits, width), width, chunk, &mut words);
    let plane = Plane {
        words: &words,
        columns: width,
        chunk,
    };
    let mut sums = vec![i32::MAX; list.len()];
    K::dots(&stored.rows, &plane, list, &mut sums);
    for (&row, &sum) in list.iter().zip(&sums) {
        let start = usize::from(row) * columns;
        let row = weights.get(start..start + columns).unwrap_or(&[]);
        assert_eq!(sum, naive::dot(row, digits));
    }
}

fn check_predict<K: Kernels>(
    weights: &[i8],
    (rows, columns): (usize, usize),
    start: i16,
    changed: &[(usize, i16)],
) {
    let stored = store::<K>(weights, rows, columns);
    let height = K::TARGET.panel();
    let padded = rows.next_multiple_of(height);
    let mut want: Vec<i16> = (0..rows).map(|r| start.wrapping_add(r as i16)).collect();
    let mut accumulators = vec![0x5555_5555; padded / 2];
    K::store(&mut accumulators, &want);
    let (mut plus, mut minus) = (vec![], vec![]);
    for &(column, d) in changed {
        naive::apply(&mut want, weights, columns, column, d);
        let list = if d > 0 { &mut plus } else { &mut minus };
        list.extend((0..d.abs()).map(|_| (column * height) as u32));
    }
    plus.push(changes::END);
    minus.push(changes::END);
    let changes = Changes {
        plus: &plus,
        minus: &minus,
    };
    K::predict(&mut accumulators, &stored.panels, columns, &changes);
    let mut got = vec![0; rows];
    K::load(&accumulators, &mut got);
    assert_eq!(got, want);
    // Storing what was loaded changes nothing.
    let mut again = vec![0; padded / 2];
    K::store(&mut again, &got);
    let mut loaded = vec![0; rows];
    K::load(&again, &mut loaded);
    assert_eq!(loaded, got);
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
            type K = $kernels;

            proptest! {
                #[test]
                fn dots_equal_naive(
                    ((r, c, w), list) in matrix().prop_flat_map(|m| {
                        let list = proptest::collection::vec(0..m.0 as u16, 0..9);
                        (Just(m), list)
                    }),
                    seed in digits(90, 127),
                    largest in prop_oneof![Just(1u8), Just(8), Just(16), Just(32), Just(127)],
                ) {
                    let largest = (largest as u32).min(K::TARGET.plane_max()) as i16;
                    let x: Vec<i8> = seed[..c].iter()
                        .map(|&d| (i16::from(d) * largest / 127) as i8).collect();
                    check_dots::<K>(&w, (r, c), &x, &list);
                }

                #[test]
                fn predict_equals_naive(
                    ((r, c, w), changed) in matrix().prop_flat_map(|m| {
                        let one = (0..m.1, prop_oneof![Just(1i16), Just(-1), -16i16..=16]);
                        let changed = proptest::collection::vec(one, 0..40);
                        (Just(m), changed)
                    }),
                    start in -9000i16..9000,
                ) {
                    // The bound of a narrow layer; on the way there sums may wrap.
                    let ends = |row: &[i8]| changed.iter()
                        .map(|&(k, d)| i32::from(row[k]) * i32::from(d)).sum::<i32>();
                    prop_assume!(w.chunks_exact(c).all(|row| ends(row).abs() < 23_000));
                    check_predict::<K>(&w, (r, c), start, &changed);
                }

                #[test]
                fn scan_equals_its_definition(
                    steps in (1usize..100).prop_flat_map(|n| proptest::collection::vec(
                        proptest::collection::vec(-127i8..=127, n), 1..4)),
                    (bits, msb) in (2u8..=8).prop_flat_map(|b| (Just(b), 1..=b)),
                    room in prop_oneof![Just(40_000usize), 0usize..300],
                ) {
                    check_scan::<K>(Split::new(bits, msb, true).unwrap(), &steps, room);
                }

                #[test]
                fn within_equals_its_definition(
                    rows in proptest::collection::vec((any::<i16>(), prop_oneof![any::<i16>(), 0i16..=i16::MAX]), 0..70)
                ) {
                    let (a, t): (Vec<i16>, Vec<i16>) = rows.iter().copied().unzip();
                    let mut open = vec![0; rows.len()];
                    let count = K::within(&a, &t, &mut open);
                    let want: Vec<u16> = (rows.iter().enumerate())
                        .filter(|(_, (a, t))| i32::from(*a).abs() < i32::from(*t))
                        .map(|(row, _)| row as u16)
                        .collect();
                    prop_assert_eq!(&open[..count], &want[..]);
                }

                #[test]
                fn cells_equal_their_definition(
                    units in proptest::collection::vec(
                        (any::<[i16; 4]>(), any::<[u16; 4]>(), any::<i16>()), 0..40),
                    post in 0u8..16,
                    mult in 1u16 << 14..1 << 15,
                    hidden_post in 15u8..24,
                    limit in 1i8..=127,
                ) {
                    let a: Vec<i16> = units.iter().flat_map(|u| u.0).collect();
                    let mults: Vec<u16> = units.iter().flat_map(|u| u.1.map(|m| m >> 1)).collect();
                    let constants = cell::Constants {
                        mult: &mults,
                        post,
                        hidden: crate::quant::Requant { mult, pre: 0, post: hidden_post },
                        limit,
                    };
                    let mut state: Vec<i16> = units.iter().map(|u| u.2).collect();
                    let mut want = state.clone();
                    let mut codes = vec![0; units.len()];
                    K::cells(&constants, &a, &mut state, &mut codes);
                    for (k, c) in want.iter_mut().enumerate() {
                        let (a, m) = (units[k].0, units[k].1.map(|m| m >> 1));
                        prop_assert_eq!(codes[k], cell::unit(&constants, &a, &m, c));
                    }
                    prop_assert_eq!(state, want);
                }
            }

            #[test]
            fn extremes_at_the_largest_width() {
                let columns = 1 << 14;
                let largest = K::TARGET.plane_max().min(127) as i8;
                for w in [-127, 127] {
                    for d in [-largest, largest] {
                        check_dots::<K>(
                            &vec![w; columns],
                            (1, columns),
                            &vec![d; columns],
                            &[0, 0, 0],
                        );
                    }
                }
            }

            #[test]
            fn rows_at_the_bound_of_a_lane_are_exact() {
                // 8 * sum |w| = 32760: the largest a narrow row may have.
                let columns = 168;
                for sign in [-1i8, 1] {
                    let mut w: Vec<i8> = vec![24 * sign; columns];
                    w[0] += sign * 63;
                    let total: i32 = w.iter().map(|w| i32::from(*w).abs()).sum();
                    assert_eq!(total * 8, 32760);
                    for d in [-8, 8] {
                        check_dots::<K>(&w, (1, columns), &vec![d; columns], &[0]);
                        let all: Vec<_> = (0..columns).map(|c| (c, i16::from(d))).collect();
                        check_predict::<K>(&w, (1, columns), 0, &all);
                    }
                }
            }

            #[test]
            fn rows_beyond_the_matrix_give_zero() {
                check_dots::<K>(&[1, 2, 3, 4], (2, 2), &[1, -1], &[0, 9, 1, 9, 9, 1]);
            }
        }
    };
}

kernel_tests!(portable, swar::Swar);
kernel_tests!(selected, Selected);

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
