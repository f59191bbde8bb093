use super::*;

fn table(rows: Vec<Row>) -> Table {
    Table {
        published: PUBLISHED.to_vec(),
        rows,
        unfinished: vec!["half".into()],
    }
}

fn run(method: Method, bits: [u8; 2], accuracy: f64) -> Row {
    Row {
        run: format!("{}{}", method.name(), bits[0]),
        network: "resnet20".into(),
        method,
        bits,
        accuracy,
        sparsity: 80.0,
        average_bits: 3.2,
        executed: 30.0,
        by_runtime: true,
        seed: 1,
        epochs: 15,
        seconds: 3600.0,
        command: "pg-host train".into(),
    }
}

#[test]
fn published_rows_fit_their_own_formula() {
    let of = |network, bits| {
        let same = |p: &&Published| (p.network, p.method, p.bits) == (network, Method::Gated, bits);
        PUBLISHED.iter().find(same).unwrap().average_bits
    };
    // As printed in the tables, to one decimal.
    for (network, bits, printed) in [
        ("shiftnet20", [5, 3], 3.9),
        ("shiftnet20", [3, 1], 1.6),
        ("resnet20", [4, 3], 3.2),
        ("resnet20", [3, 2], 2.1),
        ("resnet20", [2, 1], 1.3),
        ("shufflenet-v2-0.5x", [6, 4], 4.9),
    ] {
        assert!((of(network, bits) - printed).abs() < 0.06, "{network}");
    }
}

#[test]
fn runs_stand_beside_the_published_rows_and_uniform_8() {
    let rows = vec![
        run(Method::Uniform, [8, 8], 90.0),
        run(Method::Gated, [4, 3], 90.25),
    ];
    let text = table(rows).to_string();
    let row = text.lines().find(|l| l.contains("| PG | 4/3 |")).unwrap();
    assert!(
        row.contains("91.7 % | 78.2 %") && row.contains("| +0.25 |"),
        "{row}"
    );
    // What has no run stays in the table, and no run is lost.
    assert!(text.contains("| resnet20 | PG | 3/2 | 91.2 %"));
    assert!(text.contains("half: not complete"));
    let columns = |line: &str| line.matches('|').count();
    let counts: Vec<usize> = text
        .lines()
        .filter(|l| l.starts_with('|'))
        .map(columns)
        .collect();
    assert!(counts.iter().all(|n| *n == counts[0]), "{text}");
}

#[test]
fn a_folder_without_runs_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = format!("{:#}", Table::read(folder.path(), None).unwrap_err());
    assert!(error.contains("pg-host train cifar10-resnet20"), "{error}");
}
