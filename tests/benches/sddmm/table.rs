//! Table, record and plot of what was measured.

use crate::layers::{LAYERS, Precision, Threads};
use crate::plot::plot;
use crate::turns::{CLOSED, ROUNDS, alone, measure};
use serde_json::{Value, json};

/// Images of a batch.
const BATCHES: [usize; 2] = [1, 32];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/records");

fn precision<E: Precision + Default>(threads: Threads, results: &mut Vec<Value>) {
    for images in BATCHES {
        for layer in LAYERS {
            eprintln!("{}, {}, {images} images ...", E::NAME, layer.name);
            results.push(measure::<E>(layer, images, threads));
        }
    }
}

fn precisions(threads: Threads) -> Vec<Value> {
    let mut results = Vec::new();
    precision::<u8>(threads, &mut results);
    precision::<f32>(threads, &mut results);
    results
}

/// Measures everything and writes what was found.
pub fn run() {
    let mut results = alone(|| precisions(Threads::One));
    results.extend(precisions(Threads::All));
    let record = json!({
        "command": "cargo bench -p pg-tests --bench sddmm -- --table",
        "dense": "the fastest of what gemm 0.19 and rten-gemm 0.25 offer, patches gathered and \
                  operands packed beforehand",
        "sampled": "pg_host::sddmm, patches read in place from the padded map, the mask listed \
                    beforehand; at Sp 0 % a dense product of our own",
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
    for (precision, file) in [(u8::NAME, "sddmm"), (f32::NAME, "sddmm-f32")] {
        let shown = |result: &Value| {
            result["precision"] == precision && result["threads"] == 1 && result["images"] == 1
        };
        plot(&record, precision, shown, &format!("{FOLDER}/{file}.svg")).expect("writing a plot");
    }
}

/// Speed-ups and how much of the ideal they are.
fn table(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    let mut out = format!(
        "# The update pass where the mask is open\n\n*Written by `{}`; do not edit. In full: \
         [`sddmm.json`](sddmm.json).*\n\n\
         Speed-up of the sampled product over a library's dense one of the same precision, and \
         how much of the ideal, 1 / (1 - Sp), that is. Dense: {}. Sampled: {}. Times: {}.\n",
        text("command"),
        text("dense"),
        text("sampled"),
        text("method"),
    );
    let results = || record["results"].as_array().into_iter().flatten();
    for (threads, precision) in [
        (true, u8::NAME),
        (true, f32::NAME),
        (false, u8::NAME),
        (false, f32::NAME),
    ] {
        let shown: Vec<&Value> = results()
            .filter(|result| {
                (result["threads"] == 1) == threads && result["precision"] == precision
            })
            .collect();
        let Some(first) = shown.first() else { continue };
        let title = match threads {
            true => "one thread".to_owned(),
            false => format!("{} threads", first["threads"]),
        };
        out += &format!("\n## {precision}, {title}\n\n| layer | images | dense, GMAC/s |");
        for percent in CLOSED {
            out += &format!(" Sp {percent} % |");
        }
        out += &format!("\n{}|\n", "|---".repeat(3 + CLOSED.len()));
        shown.iter().for_each(|result| row(result, &mut out));
    }
    out + "\nOne image, one thread:\n\n![digits: speed-up over Sp](sddmm.svg)\n\n\
           ![single precision: speed-up over Sp](sddmm-f32.svg)\n"
}

fn row(result: &Value, out: &mut String) {
    let dense = result["dense"].as_str().unwrap_or_default();
    let library = dense.split(',').next().unwrap_or_default();
    *out += &format!(
        "| {} | {} | {library}: {:.1} |",
        result["layer"].as_str().unwrap_or_default(),
        result["images"],
        result["dense_gmacs"].as_f64().unwrap_or_default()
    );
    for point in result["points"].as_array().into_iter().flatten() {
        let number = |key: &str| point[key].as_f64().unwrap_or_default();
        *out += &format!(
            " {:.2}x, {:.0} % |",
            number("speedup"),
            100.0 * number("of_ideal")
        );
    }
    *out += "\n";
}
