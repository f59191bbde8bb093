//! Records in a temporary folder.

use super::*;
use crate::bench::report::Cycles;
use crate::bench::{CoreReport, InputReport};
use std::collections::BTreeMap;

fn report(case: &str, instructions: u64) -> BenchReport {
    let case = CaseReport {
        case: case.into(),
        steps: 10,
        macs: 5,
        check: "00000000".into(),
        instructions,
        per_step: instructions as f64 / 10.0,
        classes: BTreeMap::from([("alu".into(), instructions)]),
        cycles: BTreeMap::from([("cortex-m4".into(), Cycles::new(instructions, 10, 5))]),
        functions: Vec::new(),
    };
    BenchReport {
        inputs: InputReport {
            image: "00000000".into(),
            clips: Vec::new(),
            frames: 1,
            layers: Vec::new(),
        },
        cores: vec![CoreReport {
            core: "cortex-m4".into(),
            description: String::new(),
            emulator: String::new(),
            models: vec!["cortex-m4".into()],
            cases: vec![case],
            loops: Vec::new(),
        }],
    }
}

fn refusal(folder: &Path, report: &BenchReport) -> String {
    check(folder, report).expect_err("must differ").to_string()
}

#[test]
fn three_per_cent() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let words = refusal(folder, &report("dot", 1000));
    assert!(words.contains("cortex-m4 dot has no record yet"), "{words}");

    write(folder, &report("dot", 1000)).expect("records");
    for instructions in [1000, 1, 1030] {
        check(folder, &report("dot", instructions)).expect("within the tolerance");
    }
    let words = refusal(folder, &report("dot", 1031));
    assert!(words.contains("cortex-m4 dot needs 103.1"), "{words}");
}

#[test]
fn cases_come_and_go() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    write(folder, &report("old", 1000)).expect("records");
    let words = refusal(folder, &report("new", 1000));
    assert!(words.contains("new has no record yet"), "{words}");
    assert!(
        words.contains("old.json is of a case that is gone"),
        "{words}"
    );
    write(folder, &report("new", 1000)).expect("records");
    check(folder, &report("new", 1000)).expect("the old one was removed");
}

#[test]
fn damaged_record() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    write(folder, &report("dot", 1000)).expect("records");
    std::fs::write(folder.join("cortex-m4/dot.json"), "{}").expect("write");
    let words = refusal(folder, &report("dot", 1000));
    assert!(words.contains("is no record"), "{words}");
}
