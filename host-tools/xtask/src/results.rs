//! The results of the models, regenerated: trains what is missing, evaluates
//! every image with the runtime, and writes `models/kws/results.json`, the
//! model card and the table of the README. No figure is typed by hand.

mod card;
mod granularity;
mod train;

use crate::setup;
use crate::shell::{build_host, build_host_without_training, json, pg_host, run as show};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use train::Run;

/// The seed whose image ships.
const SHIPPED_SEED: u64 = 1;

/// A variant: name, what the recipe changes, seeds.
struct Variant {
    name: &'static str,
    title: &'static str,
    set: &'static [&'static str],
    /// Whether the epochs in floating point are those of the first variant.
    shares_float_epochs: bool,
    seeds: &'static [u64],
}

const VARIANTS: [Variant; 6] = [
    Variant {
        name: "pg",
        title: "precision-gated, 8/4 bits",
        set: &[],
        shares_float_epochs: false,
        seeds: &[1, 2, 3],
    },
    Variant {
        name: "uniform-8",
        title: "uniform 8 bits",
        set: &["mode=uniform"],
        shares_float_epochs: true,
        seeds: &[1, 2, 3],
    },
    Variant {
        name: "uniform-4",
        title: "uniform 4 bits",
        set: &[
            "mode=uniform",
            "model.msb_bits=4",
            "model.activation_bits=4",
            "model.weight_bits=4",
        ],
        shares_float_epochs: true,
        seeds: &[1],
    },
    Variant {
        name: "pg-w4",
        title: "precision-gated, 8/4 bits, weights of 4 bits",
        set: &["model.weight_bits=4"],
        shares_float_epochs: true,
        seeds: &[1],
    },
    Variant {
        name: "fixed-threshold",
        title: "gated, 8/4 bits, thresholds not learned",
        set: &["mode=fixed-threshold"],
        shares_float_epochs: true,
        seeds: &[1],
    },
    Variant {
        name: "float",
        title: "floating point",
        set: &["mode=float"],
        shares_float_epochs: false,
        seeds: &[1],
    },
];

struct Options {
    data: PathBuf,
    out: PathBuf,
    train: bool,
    granularity: bool,
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        data: "models/kws/pack".into(),
        out: "target/results".into(),
        train: true,
        granularity: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--data" => options.data = value()?.into(),
            "--out" => options.out = value()?.into(),
            "--report" => options.train = false,
            "--granularity" => options.granularity = true,
            _ => bail!("results does not know {arg}; see `cargo xtask`"),
        }
    }
    Ok(options)
}

pub fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    if options.granularity {
        return granularity::run(&options.data, &options.out, options.train);
    }
    setup::all()?;
    if options.train {
        build_host()?;
    } else {
        build_host_without_training()?;
    }
    let mut runs = Vec::new();
    for variant in &VARIANTS {
        for &seed in variant.seeds {
            if let Some(result) = one(variant, seed, &options)? {
                runs.push(result);
            }
        }
    }
    let shipped = ship(&options)?;
    // Every clip of the test split, and a stream, on every board.
    let all = [
        "verify",
        "models/kws/kws.pgi",
        "--json",
        "--clips",
        "1000000",
    ];
    let boards = json(pg_host(all).arg("--data").arg(&options.data))?;
    let gates_open = compare_open(&options)?;
    let results = json!({
        "command": "cargo xtask results --data DIR",
        "data": "Speech Commands v0.02 subset, 11 labels; see models/kws/README.md",
        "runs": runs,
        "shipped": shipped,
        "all_gates_open": gates_open,
        "boards": boards,
    });
    write(
        Path::new("models/kws/results.json"),
        format!("{results:#}\n"),
    )?;
    let table = card::table(&results)?;
    write(
        Path::new("models/kws/README.md"),
        card::card(&results, &table)?,
    )?;
    let readme = std::fs::read_to_string("README.md").context("reading README.md")?;
    write(Path::new("README.md"), card::insert(&readme, &table)?)
}

/// One run, exported and evaluated; `None` if it is not there and must not be
/// trained.
fn one(variant: &Variant, seed: u64, options: &Options) -> Result<Option<Value>> {
    let set: Vec<String> = variant.set.iter().map(|&set| set.to_owned()).collect();
    let run = Run {
        out: options.out.join(format!("{}-seed{seed}", variant.name)),
        seed,
        set: &set,
        // What differs in the quantised epochs alone shares those before.
        shares: (variant.shares_float_epochs).then(|| options.out.join(format!("pg-seed{seed}"))),
    };
    let Some(model) = run.model(&options.data, options.train)? else {
        return Ok(None);
    };
    let meta = json(pg_host(["inspect", "--json"]).arg(&model))?;
    let mut result = json!({
        "variant": variant.name,
        "title": variant.title,
        "changed": variant.set,
        "seed": seed,
        "command": meta["command"],
        "epoch": meta["epoch"],
        "seconds": meta["seconds"],
        "trainer": { "valid": meta["valid"], "test": meta["test"] },
    });
    if meta["kind"] != "float" {
        let image = run.export(&model)?;
        for split in ["valid", "test"] {
            result[split] = evaluate(&image, &options.data, split)?;
        }
        result["image"] = json(pg_host(["inspect", "--json"]).arg(&image))?;
    }
    Ok(Some(result))
}

fn evaluate(image: &Path, data: &Path, split: &str) -> Result<Value> {
    let mut command = pg_host(["eval", "--json", "--split", split]);
    json(command.arg(image).arg("--data").arg(data))
}

/// Puts the shipped seed's model and image into `models/kws`.
fn ship(options: &Options) -> Result<Value> {
    let out = options.out.join(format!("pg-seed{SHIPPED_SEED}"));
    let model = Path::new("models/kws/kws.safetensors");
    let bytes = std::fs::read(out.join("model.safetensors")).context("no model to ship")?;
    write(model, bytes)?;
    show(pg_host(["export", "--output", "models/kws/kws.pgi"]).arg(model))?;
    let mut detect = pg_host(["detect", "models/kws/kws.pgi", "--json", "--split", "test"]);
    Ok(json!({
        "seed": SHIPPED_SEED,
        "detector": json(detect.arg("--data").arg(&options.data))?,
    }))
}

/// The shipped weights with every gate open: what gating costs or gains.
fn compare_open(options: &Options) -> Result<Value> {
    let image = options.out.join("open.pgi");
    let mut export = pg_host(["export", "models/kws/kws.safetensors", "--gates", "open"]);
    show(export.arg("--output").arg(&image))?;
    evaluate(&image, &options.data, "test")
}

/// Writes a file in one step.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, content)
        .and_then(|()| std::fs::rename(&draft, path))
        .with_context(|| format!("writing {}", path.display()))
}
