use super::*;
use crate::train::language::recipe::BUILT_IN;

fn put(runs: &Path, run: &str, set: &[&str], test: Option<f64>, seed: u64) {
    let folder = runs.join(run);
    std::fs::create_dir_all(&folder).unwrap();
    let recipe = LanguageRecipe::parse(BUILT_IN.1).unwrap();
    let recipe = recipe.with_overrides(set).unwrap();
    std::fs::write(folder.join("recipe.toml"), recipe.to_toml().unwrap()).unwrap();
    let metrics = |perplexity: f64| LanguageMetrics {
        perplexity,
        sparsity: 0.5,
        bits: if recipe.kind() == ModelKind::Gated {
            3.0
        } else {
            8.0
        },
        executed: 0.25,
        ..LanguageMetrics::default()
    };
    let record = Record {
        epoch: 40,
        part: recipe.mode.name().into(),
        step: 1,
        train: metrics(50.0),
        valid: None,
        test: test.map(metrics),
        best: true,
        seed,
        command: format!("command of {run}"),
        seconds: 7200.0,
    };
    let line = serde_json::to_string(&record).unwrap();
    std::fs::write(folder.join("log.jsonl"), format!("{line}\n")).unwrap();
}

#[test]
fn runs_stand_beside_the_published_rows() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    let error = format!("{:#}", Table::read(runs, None).unwrap_err());
    assert!(error.contains("pg-host train ptb-lstm300"), "{error}");
    put(runs, "gated", &[], Some(98.0), 2);
    put(runs, "later", &["mode=uniform"], None, 1);
    let eight = ["mode=uniform", "model.activation_bits=8"];
    put(runs, "u8-1", &eight, Some(200.0), 1);
    put(runs, "u8-2", &eight, Some(100.0), 2);
    let other = [
        "model.msb_bits=3",
        "gate.test=above",
        "gate.granularity=layer",
    ];
    put(runs, "other", &other, Some(99.0), 3);
    let table = Table::read(runs, None).unwrap();
    let order: Vec<&str> = table.rows.iter().map(|r| r.run.as_str()).collect();
    assert_eq!(order, ["u8-1", "u8-2", "other", "gated"]);
    assert_eq!(table.unfinished, ["later"]);
    assert_eq!(table.rows[3].published, Some(published(108.5, 0.484, 3.0)));
    assert_eq!(table.rows[2].published, None);
    let text = table.to_string();
    let line = |run: &str| {
        let end = format!("| {run} |");
        text.lines().find(|l| l.ends_with(&end)).unwrap().to_owned()
    };
    let gated = line("gated");
    for cell in [
        "| 108.5 | 48.4 % | 3.0 | 98.00 | 2.0 % |",
        "| 2.67x | 25.0 % | trainer | 2 |",
    ] {
        assert!(gated.contains(cell), "{gated}");
    }
    assert!(line("other").contains("pg 4/3, above, one threshold a layer, rounded"));
    assert!(text.contains("gated: `command of gated`") && text.contains("later: not complete"));
}
