//! Sampled and dense products in turns.

use crate::layers::{Layer, Precision, Problem, Threads};
use cpu_time::ThreadTime;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Shares of closed gates, in percent.
pub const CLOSED: [u32; 9] = [0, 20, 40, 50, 60, 70, 80, 90, 95];
/// Rounds of turns; the least of each counts, since whatever disturbs adds.
pub const ROUNDS: usize = 40;
/// What one measurement takes at least.
const LEAST: Duration = Duration::from_millis(1);

/// Runs `measure` where libraries find one thread, and with them it is this one.
pub fn alone<T: Send>(measure: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a pool of one thread").install(measure)
}

/// Calls of a product, and the least seconds of one so far.
struct Turn<'t> {
    call: Box<dyn FnMut() + 't>,
    calls: u32,
    threads: Threads,
    least: f64,
}

impl<'t> Turn<'t> {
    fn new(call: Box<dyn FnMut() + 't>, threads: Threads) -> Self {
        let mut turn = Self {
            call,
            calls: 1,
            threads,
            least: f64::INFINITY,
        };
        turn.take();
        turn.take();
        turn.calls = (LEAST.as_secs_f64() / turn.least.max(1e-7)).ceil() as u32;
        turn.least = f64::INFINITY;
        turn
    }

    /// Of this thread's own time, or of all threads by the clock on the wall.
    fn take(&mut self) {
        let (wall, own) = (Instant::now(), ThreadTime::now());
        (0..self.calls).for_each(|_| (self.call)());
        let elapsed = match self.threads {
            Threads::One => own.elapsed(),
            Threads::All => wall.elapsed(),
        };
        self.least = (elapsed.as_secs_f64() / f64::from(self.calls)).min(self.least);
    }
}

/// One layer: the speed-up at every share of closed gates.
pub fn measure<E: Precision + Default>(layer: Layer, images: usize, threads: Threads) -> Value {
    let mut problem = Problem::<E>::new(layer, images);
    let masks = CLOSED.map(|percent| problem.mask(percent));
    let (names, mut dense): (Vec<_>, Vec<_>) = E::dense(&problem.matrices, threads)
        .into_iter()
        .map(|way| (way.name, Turn::new(way.call, threads)))
        .unzip();
    let mut sampled = masks
        .each_ref()
        .map(|mask| Turn::new(Box::new(problem.sampled(mask, threads)), threads));
    for _ in 0..ROUNDS {
        (dense.iter_mut().chain(&mut sampled)).for_each(Turn::take);
    }
    let rate = |turn: &Turn<'_>| 1e-9 * problem.macs() as f64 / turn.least;
    let (name, best) = (names.iter().zip(&dense))
        .max_by(|a, b| rate(a.1).total_cmp(&rate(b.1)))
        .expect("a dense product");
    let points: Vec<Value> = (masks.iter().zip(&sampled).zip(CLOSED))
        .map(|((mask, turn), percent)| {
            let open = mask.open() as f64 / problem.outputs() as f64;
            let speedup = best.least / turn.least;
            json!({
                "closed_percent": percent,
                "seconds": turn.least,
                "speedup": speedup,
                "of_ideal": speedup * open,
            })
        })
        .collect();
    json!({
        "precision": E::NAME,
        "layer": layer.name,
        "images": images,
        "threads": if threads == Threads::One { 1 } else { rayon::current_num_threads() },
        "dense": name,
        "dense_seconds": best.least,
        "dense_gmacs": rate(best),
        "dense_tried": (names.iter().zip(&dense))
            .map(|(name, turn)| json!({ "product": name, "gmacs": rate(turn) }))
            .collect::<Vec<_>>(),
        "points": points,
    })
}
