//! Sampled against dense products in turns: table, record and plot.

use crate::layers::{LAYERS, Layer, Problem, Threads};
use cpu_time::ThreadTime;
use plotters::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Shares of closed gates, in percent.
const CLOSED: [u32; 9] = [0, 20, 40, 50, 60, 70, 80, 90, 95];
/// Images of a batch.
const BATCHES: [usize; 2] = [1, 32];
/// Rounds of turns; the least of each counts, since whatever disturbs adds.
const ROUNDS: usize = 40;
/// What one measurement takes at least.
const LEAST: Duration = Duration::from_millis(1);
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/records");

/// Seconds of a call: of this thread's own time, or of all threads by the
/// clock on the wall.
fn time(threads: Threads, calls: u32, mut call: impl FnMut()) -> f64 {
    let (wall, own) = (Instant::now(), ThreadTime::now());
    (0..calls).for_each(|_| call());
    let elapsed = match threads {
        Threads::One => own.elapsed(),
        Threads::All => wall.elapsed(),
    };
    elapsed.as_secs_f64() / f64::from(calls)
}

/// How many calls take [`LEAST`].
fn calls(threads: Threads, mut call: impl FnMut()) -> u32 {
    call();
    let once = time(threads, 1, &mut call).max(1e-7);
    (LEAST.as_secs_f64() / once).ceil() as u32
}

fn least(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

/// One layer: the speed-up at every share of closed gates.
fn measure(layer: Layer, images: usize, threads: Threads) -> Value {
    let mut problem = Problem::new(layer, images);
    let masks = CLOSED.map(|percent| problem.mask(percent));
    let outputs = { masks[0].shape() }.iter().product::<usize>() as f64;
    let ways: [fn(&mut Problem, Threads); 2] = [Problem::dense, Problem::dense_transposed];
    let dense_calls = ways.map(|way| calls(threads, || way(&mut problem, threads)));
    let sampled_calls = masks
        .each_ref()
        .map(|mask| calls(threads, || problem.sampled(mask, threads)));
    let mut dense = [vec![], vec![]];
    let mut sampled = CLOSED.map(|_| vec![]);
    for _ in 0..ROUNDS {
        for (k, way) in ways.into_iter().enumerate() {
            dense[k].push(time(threads, dense_calls[k], || way(&mut problem, threads)));
        }
        for (k, mask) in masks.iter().enumerate() {
            sampled[k].push(time(threads, sampled_calls[k], || {
                problem.sampled(mask, threads)
            }));
        }
    }
    // The library in the layout that suits it better.
    let dense = dense.map(least);
    let dense = dense[0].min(dense[1]);
    let points: Vec<Value> = (masks.iter().zip(sampled).zip(CLOSED))
        .map(|((mask, times), percent)| {
            let seconds = least(times);
            let open = mask.open() as f64 / outputs;
            json!({
                "closed_percent": percent,
                "seconds": seconds,
                "speedup": dense / seconds,
                "of_ideal": dense / seconds * open,
            })
        })
        .collect();
    json!({
        "layer": layer.name,
        "images": images,
        "threads": if threads == Threads::One { 1 } else { rayon::current_num_threads() },
        "dense_seconds": dense,
        "dense_gflops": 2e-9 * problem.macs() as f64 / dense,
        "points": points,
    })
}

/// Measures everything and writes what was found.
pub fn run() {
    let mut results = Vec::new();
    for threads in [Threads::One, Threads::All] {
        for images in BATCHES {
            for layer in LAYERS {
                eprintln!("{}, {images} images ...", layer.name);
                results.push(measure(layer, images, threads));
            }
        }
    }
    let record = json!({
        "command": "cargo bench -p pg-tests --bench sddmm -- --table",
        "dense": "gemm 0.19 (Rust), f32, patches gathered beforehand, the faster of two layouts",
        "sampled": "pg_host::sddmm, f32, patches read in place from the padded map",
        "method": format!(
            "least of {ROUNDS} rounds in which all take turns; one thread: its own time, all: wall clock"
        ),
        "results": results,
    });
    let text = format!("{record:#}\n");
    std::fs::create_dir_all(FOLDER).expect("a folder for records");
    std::fs::write(format!("{FOLDER}/sddmm.json"), text).expect("writing the record");
    let table = table(&record);
    print!("{table}");
    std::fs::write(format!("{FOLDER}/sddmm.md"), table).expect("writing the table");
    plot(&record).expect("writing the plot");
}

/// Speed-ups and how much of the ideal they are.
fn table(record: &Value) -> String {
    let mut out = String::from(
        "# The update pass where the mask is set\n\n*Written by `cargo bench -p pg-tests --bench sddmm \
         -- --table`; do not edit. In full: [`sddmm.json`](sddmm.json).*\n\n\
         Speed-up of the sampled product over the library's dense one, and how much of the ideal, \
         1 / (1 - Sp), that is. Single precision; ",
    );
    out += record["method"].as_str().unwrap_or_default();
    out += ".\n\n| layer | images | threads | dense, GFLOP/s |";
    for percent in CLOSED {
        out += &format!(" Sp {percent} % |");
    }
    out += "\n";
    out += &"|---".repeat(4 + CLOSED.len());
    out += "|\n";
    for result in record["results"].as_array().into_iter().flatten() {
        out += &format!(
            "| {} | {} | {} | {:.1} |",
            result["layer"].as_str().unwrap_or_default(),
            result["images"],
            result["threads"],
            result["dense_gflops"].as_f64().unwrap_or_default()
        );
        for point in result["points"].as_array().into_iter().flatten() {
            let number = |key: &str| point[key].as_f64().unwrap_or_default();
            out += &format!(
                " {:.2}x, {:.0} % |",
                number("speedup"),
                100.0 * number("of_ideal")
            );
        }
        out += "\n";
    }
    out + "\n![speed-up over Sp](sddmm.svg)\n"
}

/// Speed-up over the share of closed gates: one thread, the larger batch.
fn plot(record: &Value) -> Result<(), Box<dyn std::error::Error>> {
    let path = format!("{FOLDER}/sddmm.svg");
    let root = SVGBackend::new(&path, (760, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .caption("Sampled over dense product, one thread", ("sans-serif", 18))
        .build_cartesian_2d(0.0..100.0, (0.5f64..25.0).log_scale())?;
    (chart.configure_mesh())
        .x_desc("closed gates, %")
        .y_desc("speed-up")
        .draw()?;
    let ideal = (0..=96).map(|p| (f64::from(p), 100.0 / (100.0 - f64::from(p))));
    (chart.draw_series(LineSeries::new(ideal, BLACK.mix(0.5))))?
        .label("ideal, 1 / (1 - Sp)")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.5)));
    let results = record["results"].as_array().into_iter().flatten();
    let shown = results.filter(|r| r["threads"] == 1 && r["images"] == BATCHES[1]);
    for (index, result) in shown.enumerate() {
        let points = result["points"].as_array().into_iter().flatten();
        let points = points.map(|p| {
            let number = |key: &str| p[key].as_f64().unwrap_or_default();
            (number("closed_percent"), number("speedup"))
        });
        let colour = Palette99::pick(index).to_rgba();
        (chart.draw_series(LineSeries::new(points, colour)))?
            .label(result["layer"].as_str().unwrap_or_default())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    (chart.configure_series_labels())
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    root.present()?;
    Ok(())
}
