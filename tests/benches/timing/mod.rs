//! Time of this thread only: on a shared machine the wall clock measures the
//! others as well.

use cpu_time::ThreadTime;
use criterion::Criterion;
use std::time::Duration;

/// Many short samples: one that was interrupted then weighs little.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(300)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .without_plots()
}

/// Processor time of `n` runs.
pub fn cpu(n: u64, mut run: impl FnMut()) -> Duration {
    let start = ThreadTime::now();
    for _ in 0..n {
        run();
    }
    start.elapsed()
}
