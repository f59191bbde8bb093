//! The update pass of ResNet-20's convolutions where the mask is open, against
//! dense matrix products by libraries.
//!
//! By default criterion measures the layers one after another. With `--table`
//! dense and sampled products take turns instead, so that what disturbs one
//! disturbs the other; the table, `tests/records/sddmm.json` and the plot
//! beside it are written.

#[path = "../aligned/mod.rs"]
mod aligned;
mod dense;
mod layers;
mod plot;
mod table;
mod turns;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use layers::{LAYERS, Precision, Problem, Threads};

fn precision<E: Precision + Default>(c: &mut Criterion) {
    for layer in LAYERS {
        let mut problem = Problem::<E>::new(layer, 8);
        let mut group = c.benchmark_group(format!("{}, {}", E::NAME, layer.name));
        group.throughput(Throughput::Elements(problem.macs() as u64));
        for mut way in E::dense(&problem.matrices, Threads::One) {
            group.bench_function(way.name, |b| b.iter(&mut way.call));
        }
        for percent in [0, 50, 80, 90, 95] {
            let mask = problem.mask(percent);
            let mut call = problem.sampled(&mask, Threads::One);
            let id = BenchmarkId::new("sampled", percent);
            group.bench_function(id, |b| b.iter(&mut call));
        }
    }
}

fn benches(c: &mut Criterion) {
    precision::<u8>(c);
    precision::<f32>(c);
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
        turns::alone(group);
        Criterion::default().configure_from_args().final_summary();
    }
}
