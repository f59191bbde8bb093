//! RV32, after the opcode map and the tables of the C extension in The RISC-V
//! Instruction Set Manual, volume I.

use super::Class::{
    Alu, Branch, Call, Coprocessor, Divide, Jump, Load, Multiply, MultiplyLong, Store, System,
    Unknown,
};
use super::{Class, Instruction, Registers, bit};

const RA: u32 = 1;
const SP: u32 = 2;

/// A register as a set; x0 is none.
fn register(number: u32) -> Registers {
    bit(number) & !1
}

/// 32-bit instructions.
pub fn full(w: u32) -> Instruction {
    let [rd, rs1, rs2] = [w >> 7 & 31, w >> 15 & 31, w >> 20 & 31];
    let (first, both) = (register(rs1), register(rs1) | register(rs2));
    let make = |class, sources| with(4, class, rd, sources);
    match w & 0x7f {
        0x03 => make(Load, first),
        0x23 => Instruction {
            address: first,
            ..make(Store, both)
        },
        0x13 => make(Alu, first),
        0x33 if w >> 25 == 1 => make(
            match w >> 12 & 7 {
                0 => Multiply,
                1..=3 => MultiplyLong,
                _ => Divide,
            },
            both,
        ),
        0x33 => make(Alu, both),
        0x17 | 0x37 => make(Alu, 0),
        0x63 => make(Branch, both),
        0x6f => jump(4, rd, 0),
        0x67 => jump(4, rd, first),
        0x0f | 0x73 => make(System, first),
        // Atomics: the load of a read-modify-write is what is waited for.
        0x2f => make(Load, both),
        0x07 | 0x27 | 0x43 | 0x47 | 0x4b | 0x4f | 0x53 => make(Coprocessor, 0),
        _ => make(Unknown, 0),
    }
}

/// An instruction that writes `rd`, where the class does.
fn with(size: u32, class: Class, rd: u32, sources: Registers) -> Instruction {
    let late = matches!(class, Load | Multiply | MultiplyLong);
    Instruction {
        result: if late { register(rd) } else { 0 },
        address: if class == Load { sources } else { 0 },
        sources,
        ..Instruction::new(size, class)
    }
}

/// `jal`, `jalr`: a call if it keeps the return address.
fn jump(size: u32, rd: u32, sources: Registers) -> Instruction {
    with(size, if rd == 0 { Jump } else { Call }, rd, sources)
}

/// 16-bit instructions.
pub fn compressed(h: u16) -> Instruction {
    let h = u32::from(h);
    let [full_1, full_2] = [h >> 7 & 31, h >> 2 & 31];
    // The eight registers x8 to x15.
    let [short_1, short_2] = [8 + (h >> 7 & 7), 8 + (h >> 2 & 7)];
    let make = |class, rd, sources: &[u32]| {
        let sources = sources.iter().fold(0, |set, &r| set | register(r));
        with(2, class, rd, sources)
    };
    let store = |base, value| Instruction {
        address: register(base),
        ..make(Store, 0, &[base, value])
    };
    match (h & 3, h >> 13) {
        (0, 0) if h == 0 => make(Unknown, 0, &[]),
        (0, 0) => make(Alu, short_2, &[SP]),
        (0, 2) => make(Load, short_2, &[short_1]),
        (0, 6) => store(short_1, short_2),
        (1, 0) => make(Alu, full_1, &[full_1]),
        (1, 1) => jump(2, RA, 0),
        (1, 2) => make(Alu, full_1, &[]),
        (1, 3) if full_1 == SP => make(Alu, SP, &[SP]),
        (1, 3) => make(Alu, full_1, &[]),
        // Shifts and andi have an immediate in place of the second register.
        (1, 4) if h >> 10 & 3 == 3 => make(Alu, short_1, &[short_1, short_2]),
        (1, 4) => make(Alu, short_1, &[short_1]),
        (1, 5) => jump(2, 0, 0),
        (1, 6 | 7) => make(Branch, 0, &[short_1]),
        (2, 0) => make(Alu, full_1, &[full_1]),
        (2, 2) => make(Load, full_1, &[SP]),
        (2, 4) => match (h >> 12 & 1, full_1, full_2) {
            (0, _, 0) => jump(2, 0, register(full_1)),
            (0, _, _) => make(Alu, full_1, &[full_2]),
            (_, 0, 0) => make(System, 0, &[]),
            (_, _, 0) => jump(2, RA, register(full_1)),
            _ => make(Alu, full_1, &[full_1, full_2]),
        },
        (2, 6) => store(SP, full_2),
        (0 | 2, 1 | 3 | 5 | 7) => make(Coprocessor, 0, &[]),
        _ => make(Unknown, 0, &[]),
    }
}
