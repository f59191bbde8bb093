//! Thumb, after the encoding tables of the Armv7-M Architecture Reference
//! Manual (DDI 0403), chapter A5, which Armv6-M and Armv8-M share.

use super::Class::{
    Alu, Branch, Call, Coprocessor, Divide, Jump, Load, LoadMultiple, Multiply, MultiplyAdd,
    MultiplyLong, MultiplyLongAdd, Store, StoreMultiple, System, Unknown,
};
use super::{Class, Instruction, Registers, bit};

const SP: u32 = 13;
const PC: u32 = 15;

/// Bits `high` to `low` of a halfword.
fn field(half: u16, high: u32, low: u32) -> u32 {
    u32::from(half) >> low & ((1 << (high - low + 1)) - 1)
}

/// 16-bit instructions, table A5-1.
pub fn narrow(h: u16) -> Instruction {
    let low = |at| field(h, at + 2, at);
    let plain = |class| Instruction::new(2, class);
    match field(h, 15, 10) {
        0b00_0000..=0b00_1111 => plain(Alu),
        0b01_0000 if field(h, 9, 6) == 0b1101 => Instruction {
            result: bit(low(0)),
            ..plain(Multiply)
        },
        0b01_0000 => plain(Alu),
        0b01_0001 => special(h),
        0b01_0010 | 0b01_0011 => single(2, true, low(8), bit(PC)),
        0b01_0100..=0b01_0111 => {
            let load = field(h, 11, 9) >= 0b011;
            single(2, load, low(0), bit(low(3)) | bit(low(6)))
        }
        0b01_1000..=0b10_0011 => single(2, field(h, 11, 11) == 1, low(0), bit(low(3))),
        0b10_0100..=0b10_0111 => single(2, field(h, 11, 11) == 1, low(8), bit(SP)),
        0b10_1000..=0b10_1011 => plain(Alu),
        0b10_1100..=0b10_1111 => miscellaneous(h),
        0b11_0000 | 0b11_0001 => multiple(2, false, low(8), field(h, 7, 0)),
        0b11_0010 | 0b11_0011 => multiple(2, true, low(8), field(h, 7, 0)),
        0b11_0100..=0b11_0111 => match field(h, 11, 8) {
            0b1110 => plain(Unknown),
            0b1111 => plain(System),
            _ => plain(Branch),
        },
        // 11100x; the rest are the first halves of 32-bit instructions.
        _ => plain(Branch),
    }
}

/// Special data instructions, and branch and exchange.
fn special(h: u16) -> Instruction {
    let destination = field(h, 7, 7) << 3 | field(h, 2, 0);
    let class = match (field(h, 9, 8), field(h, 7, 7)) {
        (0b11, 0) => Jump,
        (0b11, _) => Call,
        (0b00 | 0b10, _) if destination == PC => Jump,
        _ => Alu,
    };
    Instruction::new(2, class)
}

/// Table A5-6.
fn miscellaneous(h: u16) -> Instruction {
    let list = field(h, 7, 0);
    let class = match field(h, 11, 8) {
        // cbz, cbnz
        0b0001 | 0b0011 | 0b1001 | 0b1011 => Branch,
        0b0100 | 0b0101 => return multiple(2, false, SP, list | field(h, 8, 8) << 14),
        0b1100 | 0b1101 => return multiple(2, true, SP, list | field(h, 8, 8) << PC),
        0b0110 | 0b1110 => System,
        _ => Alu,
    };
    Instruction::new(2, class)
}

/// A load or store of one register.
fn single(size: u32, load: bool, register: u32, address: Registers) -> Instruction {
    Instruction {
        to_pc: load && register == PC,
        result: if load { bit(register) } else { 0 },
        address,
        ..Instruction::new(size, if load { Load } else { Store })
    }
}

/// A load or store of a list of registers.
fn multiple(size: u32, load: bool, base: u32, list: Registers) -> Instruction {
    Instruction {
        transfers: list.count_ones(),
        to_pc: load && list & bit(PC) != 0,
        result: if load { list } else { 0 },
        address: bit(base),
        ..Instruction::new(size, if load { LoadMultiple } else { StoreMultiple })
    }
}

/// 32-bit instructions, table A5-9.
pub fn wide(h: u16, second: u16) -> Instruction {
    let plain = |class| Instruction::new(4, class);
    match (field(h, 12, 11), field(h, 10, 9)) {
        (0b01, 0b00) if field(h, 6, 6) == 0 => {
            let load = field(h, 4, 4) == 1;
            multiple(4, load, field(h, 3, 0), u32::from(second))
        }
        (0b01, 0b00) => pair(h, second),
        (0b01, 0b01) => plain(Alu),
        (0b10, _) if field(second, 15, 15) == 0 => plain(Alu),
        (0b10, _) => control(h, second),
        (0b11, 0b00) => wide_single(h, second),
        (0b11, 0b01) if field(h, 8, 8) == 0 => plain(Alu),
        (0b11, 0b01) => Instruction {
            result: products(h, second),
            ..plain(multiplication(h, second))
        },
        // 01 1x and 11 1x
        _ => plain(Coprocessor),
    }
}

/// Load and store of two registers, exclusive access, table branch.
fn pair(h: u16, second: u16) -> Instruction {
    let load = field(h, 4, 4) == 1;
    let (first, other) = (field(second, 15, 12), field(second, 11, 8));
    let base = bit(field(h, 3, 0));
    // P = W = 0
    if field(h, 8, 8) == 0 && field(h, 5, 5) == 0 {
        let table = field(h, 7, 7) == 1 && load && field(second, 7, 5) == 0;
        return match (table, load) {
            (true, _) => Instruction::new(4, Branch),
            (false, _) => single(4, load, first, base),
        };
    }
    Instruction {
        transfers: 2,
        result: if load { bit(first) | bit(other) } else { 0 },
        address: base,
        ..Instruction::new(4, if load { LoadMultiple } else { StoreMultiple })
    }
}

/// Branches and miscellaneous control, table A5-13.
fn control(h: u16, second: u16) -> Instruction {
    let class = match (field(second, 14, 14), field(second, 12, 12)) {
        (1, _) => Call,
        (_, 1) => Branch,
        _ if field(h, 9, 7) == 0b111 => System,
        _ => Branch,
    };
    Instruction::new(4, class)
}

/// Load and store of one register, tables A5-18 to A5-21.
fn wide_single(h: u16, second: u16) -> Instruction {
    let load = field(h, 4, 4) == 1;
    let (base, register) = (field(h, 3, 0), field(second, 15, 12));
    let word = field(h, 6, 5) == 0b10;
    if load && register == PC && !word {
        // A preload hint.
        return Instruction::new(4, Alu);
    }
    let indexed = base != PC && field(h, 7, 7) == 0 && field(second, 11, 6) == 0;
    let index = if indexed { bit(field(second, 3, 0)) } else { 0 };
    single(4, load, register, bit(base) | index)
}

/// Tables A5-28 and A5-29.
fn multiplication(h: u16, second: u16) -> Class {
    match (field(h, 7, 7), field(h, 6, 4)) {
        // mul has no accumulator; mls is the 1.
        (0, 0b000) if field(second, 7, 4) == 0 && field(second, 15, 12) == PC => Multiply,
        (0, 0b000) => MultiplyAdd,
        (0, _) => Multiply,
        (_, 0b000 | 0b010) => MultiplyLong,
        (_, 0b001 | 0b011) => Divide,
        (_, 0b100..=0b110) => MultiplyLongAdd,
        _ => Unknown,
    }
}

/// Registers that a multiplication or division writes.
fn products(h: u16, second: u16) -> Registers {
    let low = bit(field(second, 11, 8));
    match (field(h, 7, 7), field(h, 6, 4)) {
        (1, 0b000 | 0b010 | 0b100..=0b110) => low | bit(field(second, 15, 12)),
        _ => low,
    }
}
