//! From human speech to a running microcontroller.

use crate::setup;
use crate::shell::{build_host, json, pg_host, run as show};
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Instant;

const DATA: &str = "models/kws/pack";
/// The recipe's schedule, shortened to the time a demo may take.
const SHORTER: [&str; 4] = [
    "--set",
    "training.float_epochs=40",
    "--set",
    "training.quantised_epochs=8",
];
const BOARDS: [&str; 2] = ["mps2-an386", "riscv-virt"];

fn steps() -> Result<(Value, Value, Value)> {
    let out = "target/demo";
    let model = &format!("{out}/model.safetensors");
    let image = &format!("{out}/kws.pgi");
    step(1, "training a precision-gated LSTM on human speech");
    // An interrupted demo goes on where it was.
    show(pg_host(["train", "kws", "--resume", "--data", DATA, "--out", out]).args(SHORTER))?;
    step(2, "exporting the model image");
    show(&mut pg_host(["export", model, "--output", image]))?;
    step(
        3,
        "evaluating the image on the host, with the runtime that is flashed",
    );
    show(&mut pg_host(["eval", image, "--data", DATA]))?;
    let eval = json(&mut pg_host(["eval", image, "--data", DATA, "--json"]))?;
    let inspect = json(&mut pg_host(["inspect", image, "--json"]))?;
    step(4, "running the image on emulated boards");
    let mut verify = vec![];
    for board in BOARDS {
        show(&mut pg_host([
            "emulate", "--board", board, "--image", image, "--data", DATA,
        ]))?;
        let result = json(&mut pg_host([
            "verify", image, "--board", board, "--data", DATA, "--json",
        ]))?;
        verify.extend(result.as_array().cloned().unwrap_or_default());
    }
    Ok((eval, inspect, Value::Array(verify)))
}

pub fn run() -> Result<()> {
    let start = Instant::now();
    setup::all()?;
    build_host()?;
    let (eval, inspect, verify) = steps()?;
    let number = |v: &Value, key: &str| -> Result<f64> {
        v[key]
            .as_f64()
            .with_context(|| format!("no {key} in the results"))
    };
    println!("\n{:=<72}", "");
    println!(
        "accuracy         {:6.2} % of {} test clips, 11 labels",
        100.0 * number(&eval, "accuracy")?,
        eval["clips"]
    );
    println!(
        "sparsity Sp      {:6.1} % of gated outputs stay closed",
        100.0 * number(&eval, "sparsity")?
    );
    println!(
        "MACs executed    {:6.1} % of dense, {:.0} per frame",
        100.0 * number(&eval, "executed_macs")?,
        number(&eval, "macs_per_frame")?
    );
    println!(
        "image size       {} bytes; {} with one copy of the weights",
        inspect["image_bytes"], inspect["one_copy_bytes"]
    );
    for board in verify.as_array().into_iter().flatten() {
        println!(
            "{:<16} identical to the host over {} frames; emulated instructions per frame: \
             front-end {}, engine {}",
            board["core"].as_str().unwrap_or("?"),
            board["frames"],
            board["frontend_instructions"],
            board["engine_instructions"]
        );
    }
    println!("time             {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn step(n: u32, what: &str) {
    eprintln!("\n== {n} of 4: {what}");
}
