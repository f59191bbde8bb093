//! Criterion benches of whole LSTM steps through the engine: our densest int8
//! against what digit skipping, the delta and the gate make of it.
//!
//! The states are what a model runs through: inputs that move, and thresholds
//! set so that the rates asked for are met. The rates that were met are
//! printed, as the probe counted them.

mod model;
mod timing;

use criterion::{Criterion, criterion_group, criterion_main};
use model::{Rates, Stream};
use pg_runtime::engine::Engine;
use pg_runtime::layers::Strategy;
use timing::{cpu, criterion};

/// What the gated model does in a step.
const RATES: Rates = Rates {
    changed: 0.15,
    open: 0.20,
};

fn steps(c: &mut Criterion) {
    for (inputs, hidden) in [(40, 128), (300, 300)] {
        let stream = Stream::new(inputs, hidden, RATES);
        let (open, gated) = (stream.open(), stream.gated());
        let mut group = c.benchmark_group(format!("lstm {inputs}-{hidden}"));
        for (name, image, strategy) in [
            ("dense, gates open", &open, Strategy::Dense),
            ("from zero, gates open", &open, Strategy::FromZero),
            ("delta, gates open", &open, Strategy::Delta),
            ("dense, gated", &gated, Strategy::Dense),
            ("delta, gated", &gated, Strategy::Auto),
        ] {
            let image = image.image().expect("a valid image");
            let mut arena = vec![0; image.arena_bytes() / 4];
            let mut engine = Engine::new(&image, &mut arena).expect("an arena of the right size");
            engine.set_strategy(strategy);
            let Rates { changed, open } = stream.rates(&mut engine);
            println!(
                "{name}: {:.1} % of columns changed, {:.1} % of rows open",
                100.0 * changed,
                100.0 * open
            );
            let mut frames = stream.frames();
            group.bench_function(name, |b| {
                b.iter_custom(|n| {
                    cpu(n, || {
                        engine.push(frames.next_frame()).expect("the right length");
                    })
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = steps
}
criterion_main!(benches);
