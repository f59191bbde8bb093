//! Criterion benches of single kernels: what [`Selected`] runs on this host,
//! beside the portable ones.

mod aligned;
mod timing;

use aligned::Aligned;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pg_runtime::kernels::cell::Constants;
use pg_runtime::kernels::changes::{self, END};
use pg_runtime::kernels::{Changes, Kernels, Plane, Selected, swar::Swar};
use pg_runtime::layout::WeightBits;
use pg_runtime::quant::{Requant, Split};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::hint::black_box;
use timing::{cpu, criterion};

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn signed(rng: &mut StdRng, n: usize, largest: i8) -> Vec<i8> {
    (0..n)
        .map(|_| rng.random_range(-largest..=largest))
        .collect()
}

fn words(codes: &[i8], columns: usize) -> Vec<u32> {
    let mut bytes = codes.to_vec();
    bytes.resize(columns, 0);
    let (fours, _) = bytes.as_chunks::<4>();
    (fours.iter())
        .map(|four| u32::from_le_bytes(four.map(|x| x as u8)))
        .collect()
}

/// Every row with digits up to `largest`.
fn dots<K: Kernels>(c: &mut Criterion, name: &str, rows: usize, columns: usize, largest: i8) {
    let rng = &mut rng();
    let weights = signed(rng, rows * columns, 127);
    let width = K::TARGET.row_columns(WeightBits::Eight, columns);
    let mut stored = Aligned::zeros(K::TARGET.row_words(WeightBits::Eight, rows, columns));
    K::TARGET.encode_rows(WeightBits::Eight, &weights, columns, &mut stored);
    let digits = words(&signed(rng, columns, largest), width);
    let row_sum = 127 * columns as u32;
    let chunk = K::chunk(
        WeightBits::Eight,
        u32::from(largest.unsigned_abs()),
        row_sum,
        width,
    );
    let mut plane = vec![0; K::TARGET.plane_words(WeightBits::Eight, width)];
    let list: Vec<u16> = (0..rows as u16).collect();
    let mut sums = vec![0; rows];
    let mut group = c.benchmark_group("dots");
    group.throughput(Throughput::Elements((rows * columns) as u64));
    let id = BenchmarkId::new(name, format!("{rows}x{columns}, digits to {largest}"));
    group.bench_function(id, |b| {
        b.iter_custom(|n| {
            cpu(n, || {
                K::plane(WeightBits::Eight, &digits, width, chunk, &mut plane);
                let plane = Plane {
                    words: &plane,
                    columns: width,
                    chunk,
                    bits: WeightBits::Eight,
                };
                K::dots(black_box(&stored), &plane, &list, &mut sums);
                black_box(&mut sums);
            })
        });
    });
}

/// 15 % of the columns.
fn predict<K: Kernels>(c: &mut Criterion, name: &str, rows: usize, columns: usize) {
    let rng = &mut rng();
    let weights = signed(rng, rows * columns, 127);
    let mut stored = Aligned::zeros(K::TARGET.panel_words(WeightBits::Eight, rows, columns));
    let mut bytes = vec![0; 4 * K::TARGET.panel_words(WeightBits::Eight, rows, columns)];
    K::TARGET.encode_panels(WeightBits::Eight, &weights, columns, &mut bytes);
    for (word, four) in stored.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*four);
    }
    let changed = columns * 15 / 100;
    // Other columns every time, as in a model.
    let lists: Vec<[Vec<u32>; 2]> = (0..64)
        .map(|_| {
            let mut lists = [vec![], vec![]];
            let mut columns = rand::seq::index::sample(rng, columns, changed).into_vec();
            columns.sort_unstable();
            for column in columns {
                let height = K::TARGET.panel() as u32;
                lists[usize::from(rng.random::<bool>())].push(column as u32 * height);
            }
            lists.iter_mut().for_each(|list| list.push(END));
            lists
        })
        .collect();
    let mut turn = lists.iter().cycle();
    let mut accumulators = vec![0; rows.next_multiple_of(K::TARGET.panel()) / 2];
    let mut group = c.benchmark_group("predict");
    group.throughput(Throughput::Elements((rows * changed) as u64));
    let id = BenchmarkId::new(name, format!("{rows}x{columns}, {changed} columns"));
    group.bench_function(id, |b| {
        b.iter_custom(|n| {
            cpu(n, || {
                let [plus, minus] = turn.next().expect("a cycle does not end");
                let changes = Changes { plus, minus };
                K::predict(
                    WeightBits::Eight,
                    &mut accumulators,
                    &stored,
                    columns,
                    &changes,
                );
            })
        });
    });
}

fn cells<K: Kernels>(c: &mut Criterion, name: &str, hidden: usize) {
    let rng = &mut rng();
    let a: Vec<i16> = (0..4 * hidden)
        .map(|_| rng.random_range(-9000..9000))
        .collect();
    let mult: Vec<u16> = (0..4 * hidden)
        .map(|_| rng.random_range(1 << 13..1 << 14))
        .collect();
    let constants = Constants {
        mult: &mult,
        post: 4,
        hidden: Requant {
            mult: 127 << 8,
            pre: 0,
            post: 23,
        },
        limit: 127,
    };
    let (mut state, mut codes) = (vec![0; hidden], vec![0; hidden]);
    let mut group = c.benchmark_group("cells");
    group.throughput(Throughput::Elements(hidden as u64));
    group.bench_function(BenchmarkId::new(name, hidden), |b| {
        b.iter_custom(|n| {
            cpu(n, || {
                K::cells(black_box(&constants), &a, &mut state, &mut codes);
                black_box(&mut codes);
            })
        });
    });
}

/// Codes of which about 15 % of the digits change from call to call.
fn scan<K: Kernels>(c: &mut Criterion, name: &str, columns: usize) {
    let rng = &mut rng();
    let split = Split::new(8, 3, true).expect("a valid split");
    let width = K::TARGET.row_columns(WeightBits::Eight, columns);
    let mut now = signed(rng, columns, 100);
    let steps: Vec<Vec<u32>> = (0..64)
        .map(|_| {
            for code in &mut now {
                if rng.random_range(0..100) < 15 {
                    let next = i16::from(*code) + if rng.random::<bool>() { 32 } else { -32 };
                    *code = next.clamp(-127, 127) as i8;
                }
            }
            words(&now, width)
        })
        .collect();
    let mut turn = steps.iter().cycle();
    let mut applied = vec![changes::zero_digits(split); width / 4];
    let (mut rest, mut lists) = (vec![0; width / 4], vec![0; 8 * columns]);
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(columns as u64));
    group.bench_function(BenchmarkId::new(name, columns), |b| {
        b.iter_custom(|n| {
            cpu(n, || {
                let codes = turn.next().expect("a cycle does not end");
                black_box(K::scan(split, codes, &mut applied, &mut rest, &mut lists));
            })
        });
    });
}

/// A fifth of the rows.
fn within<K: Kernels>(c: &mut Criterion, name: &str, rows: usize) {
    let rng = &mut rng();
    let steps: Vec<Vec<i16>> = (0..64)
        .map(|_| (0..rows).map(|_| rng.random_range(-1000..1000)).collect())
        .collect();
    let mut turn = steps.iter().cycle();
    let (thresholds, mut open) = (vec![200; rows], vec![0; rows]);
    let mut group = c.benchmark_group("within");
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function(BenchmarkId::new(name, rows), |b| {
        b.iter_custom(|n| {
            cpu(n, || {
                let a = turn.next().expect("a cycle does not end");
                black_box(K::within(a, &thresholds, &mut open));
            })
        });
    });
}

fn all<K: Kernels>(c: &mut Criterion, name: &str) {
    for (rows, columns) in [(512, 168), (1200, 600)] {
        for largest in [127, 16, 4] {
            dots::<K>(
                c,
                name,
                rows,
                columns,
                largest.min(K::TARGET.plane_max(WeightBits::Eight).min(127) as i8),
            );
        }
        predict::<K>(c, name, rows, columns);
    }
    cells::<K>(c, name, 300);
    scan::<K>(c, name, 600);
    within::<K>(c, name, 1200);
}

fn kernels(c: &mut Criterion) {
    all::<Selected>(c, "selected");
    all::<Swar>(c, "portable");
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = kernels
}
criterion_main!(benches);
