//! Snippets whose cycles the cores' manuals state.

use super::*;
use crate::bench::decode::Isa;

/// Cycles of a straight run through `code`, the last instruction's branch
/// taken as often as told.
fn cycles(model: &str, isa: Isa, code: &[u8], count: u64, taken: u64) -> u64 {
    let model = find(model).expect("model");
    let mut instructions = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        let instruction = isa.decode(rest).expect("complete");
        rest = &rest[instruction.size as usize..];
        instructions.push(instruction);
    }
    let last = instructions.len() - 1;
    let executed = instructions
        .iter()
        .enumerate()
        .map(|(i, instruction)| Executed {
            instruction,
            next: instructions.get(i + 1),
            count,
            taken: if i == last { taken } else { 0 },
        });
    executed.map(|x| model.cycles(&x)).sum()
}

fn thumb(model: &str, code: &[u8]) -> u64 {
    cycles(model, Isa::Thumb, code, 1, 0)
}

fn rv32(model: &str, code: &[u8]) -> u64 {
    cycles(model, Isa::Rv32, code, 1, 0)
}

const M4: [&str; 2] = ["cortex-m3", "cortex-m4"];

#[test]
fn neighbouring_loads_pipeline() {
    for model in M4 {
        // DDI 0337, section 3.3.3: "normally three cycles total":
        // ldr r0, [r1]; ldr r1, [r2]
        assert_eq!(thumb(model, &[0x08, 0x68, 0x11, 0x68]), 3, "{model}");
        // "normally three": ldr r0, [r1, r2]; str r0, [r3, #20] is 2 here: the
        // store's second cycle overlaps with whatever comes next.
        assert_eq!(thumb(model, &[0x88, 0x58, 0x58, 0x61]), 2, "{model}");
        // "normally four": ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]
        let three = [0x48, 0x59, 0x11, 0x68, 0x5a, 0x68];
        assert_eq!(thumb(model, &three), 4, "{model}");
        // No overlap where the address needs the loaded register:
        // ldr r1, [r2]; ldr r0, [r1]
        assert_eq!(thumb(model, &[0x11, 0x68, 0x08, 0x68]), 4, "{model}");
        // ... nor before anything else: ldr r0, [r1]; adds r0, r1, r2
        assert_eq!(thumb(model, &[0x08, 0x68, 0x88, 0x18]), 3, "{model}");
    }
}

#[test]
fn multiplication() {
    let mla = [0x01, 0xfb, 0x02, 0x30]; // mla r0, r1, r2, r3
    let umull = [0xa2, 0xfb, 0x03, 0x01]; // umull r0, r1, r2, r3
    let smlad = [0x21, 0xfb, 0x02, 0x30]; // smlad r0, r1, r2, r3
    assert_eq!(thumb("cortex-m4", &mla), 1);
    assert_eq!(thumb("cortex-m4", &umull), 1);
    assert_eq!(thumb("cortex-m4", &smlad), 1);
    assert_eq!(thumb("cortex-m3", &mla), 2);
    assert_eq!(thumb("cortex-m3", &umull), 5);
    assert_eq!(thumb("cortex-m0plus", &[0x48, 0x43]), 1); // muls r0, r1, r0
}

#[test]
fn lists() {
    let ldm = [0x06, 0xc8]; // ldm r0!, {r1, r2}
    let pop = [0x30, 0xbd]; // pop {r4, r5, pc}
    for (model, expected_ldm, expected_pop) in [
        ("cortex-m0plus", 3, 6),
        ("cortex-m0", 3, 7),
        ("cortex-m3", 3, 6),
        ("cortex-m4", 3, 6),
    ] {
        assert_eq!(thumb(model, &ldm), expected_ldm, "{model}");
        assert_eq!(thumb(model, &pop), expected_pop, "{model}");
    }
}

#[test]
fn loop_of_two() {
    // subs r0, #1; bne: nine times taken, once not.
    let code = [0x01, 0x38, 0xfd, 0xd1];
    for (model, taken) in [
        ("cortex-m0plus", 2),
        ("cortex-m0", 3),
        ("cortex-m3", 3),
        ("cortex-m4", 3),
    ] {
        let expected = 10 + 9 * taken + 1;
        assert_eq!(cycles(model, Isa::Thumb, &code, 10, 9), expected, "{model}");
    }
    // addi a0, a0, -1; bnez a0
    let code = [0x7d, 0x15, 0x75, 0xfd];
    assert_eq!(
        cycles("rv32-two-stage", Isa::Rv32, &code, 10, 9),
        10 + 27 + 1
    );
    // Predicted, but for the way out.
    assert_eq!(cycles("rv32-five-stage", Isa::Rv32, &code, 10, 9), 20 + 2);
}

#[test]
fn calls() {
    let bl = [0x04, 0xf0, 0xe8, 0xfe];
    let bx = [0x70, 0x47];
    for (model, call, back) in [
        ("cortex-m0plus", 3, 2),
        ("cortex-m0", 4, 3),
        ("cortex-m4", 3, 3),
    ] {
        assert_eq!(thumb(model, &bl), call, "{model}");
        assert_eq!(thumb(model, &bx), back, "{model}");
    }
}

#[test]
fn riscv() {
    let lw_add = [0xc8, 0x41, 0x2e, 0x95]; // lw a0, 4(a1); add a0, a0, a1
    let lw_other = [0xc8, 0x41, 0xb2, 0x95]; // lw a0, 4(a1); add a1, a1, a2
    let mul_add = [0x33, 0x85, 0xc5, 0x02, 0x2e, 0x95]; // mul a0, ..; add a0, a0, a1
    assert_eq!(rv32("rv32-two-stage", &lw_add), 3);
    assert_eq!(rv32("rv32-two-stage", &lw_other), 3);
    assert_eq!(rv32("rv32-five-stage", &lw_add), 3);
    assert_eq!(rv32("rv32-five-stage", &lw_other), 2);
    assert_eq!(rv32("rv32-two-stage", &mul_add), 2);
    assert_eq!(rv32("rv32-five-stage", &mul_add), 3);
    assert_eq!(rv32("rv32-two-stage", &[0xc8, 0xc1]), 2); // sw
    assert_eq!(rv32("rv32-two-stage", &[0x82, 0x80]), 2); // ret
    let divu = [0x33, 0xd5, 0xc5, 0x02];
    assert_eq!(rv32("rv32-two-stage", &divu), 38);
}

#[test]
fn names_are_unique() {
    for model in MODELS {
        let found = find(model.name()).expect("by its own name");
        assert_eq!(found.source(), model.source());
    }
    let error = find("cortex-m85").err().expect("no such model").to_string();
    assert!(error.contains("choose from cortex-m0plus"), "{error}");
}
