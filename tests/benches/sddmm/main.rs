//! The update pass of ResNet-20's convolutions where the mask is set, against
//! a dense matrix product by a library.
//!
//! By default criterion measures the layers one after another. With `--table`
//! dense and sampled products take turns instead, so that what disturbs one
//! disturbs the other; the table, `tests/records/sddmm.json` and the plot
//! beside it are written.

mod layers;
mod table;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use layers::{LAYERS, Problem, Threads};
use std::hint::black_box;

fn benches(c: &mut Criterion) {
    for layer in LAYERS {
        let mut problem = Problem::new(layer, 8);
        let mut group = c.benchmark_group(layer.name);
        group.throughput(Throughput::Elements(problem.macs()));
        group.bench_function("dense", |b| {
            b.iter(|| black_box(&mut problem).dense(Threads::One));
        });
        for percent in [0, 50, 80, 90, 95] {
            let mask = problem.mask(percent);
            group.bench_with_input(BenchmarkId::new("sampled", percent), &mask, |b, mask| {
                b.iter(|| black_box(&mut problem).sampled(mask, Threads::One));
            });
        }
    }
}

criterion_group! {
    name = group;
    config = Criterion::default().sample_size(20);
    targets = benches
}

fn main() {
    if std::env::args().any(|arg| arg == "--table") {
        table::run();
    } else {
        group();
        Criterion::default().configure_from_args().final_summary();
    }
}
