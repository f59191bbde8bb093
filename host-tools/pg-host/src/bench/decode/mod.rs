//! Instructions by class.
//!
//! Only what the core models ask: which class, which registers a load or a
//! multiplication writes, which registers form an address. That is a page of
//! encoding tables per architecture; a full disassembler would be a large
//! dependency for it, and the one for Thumb refuses some of the DSP
//! instructions that the kernels are made of.

mod riscv;
mod thumb;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Armv6-M to Armv8-M.
    Thumb,
    /// RV32IMAC and its bit manipulation extensions.
    Rv32,
}

impl Isa {
    /// The address of the code that a symbol names.
    #[must_use]
    pub fn code_address(self, symbol: u32) -> u32 {
        match self {
            // The lowest bit says "Thumb".
            Self::Thumb => symbol & !1,
            Self::Rv32 => symbol,
        }
    }

    /// Classifies the instruction that `bytes` begin with; `None` if they end
    /// within it.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Option<Instruction> {
        let half = |at| {
            let pair = bytes.get(at..at + 2)?;
            Some(u16::from_le_bytes([pair[0], pair[1]]))
        };
        let first = half(0)?;
        let wide = match self {
            Self::Thumb => first >> 11 >= 0b11101,
            Self::Rv32 => first & 0b11 == 0b11,
        };
        match (self, wide) {
            (Self::Thumb, false) => Some(thumb::narrow(first)),
            (Self::Thumb, true) => Some(thumb::wide(first, half(2)?)),
            (Self::Rv32, false) => Some(riscv::compressed(first)),
            (Self::Rv32, true) => Some(riscv::full(u32::from(first) | u32::from(half(2)?) << 16)),
        }
    }
}

/// What an instruction does, as far as its time depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Arithmetic, logic, moves, shifts, bit fields, `it`, `nop`.
    Alu,
    /// Multiplication with a 32-bit result, DSP multiply-accumulate included.
    Multiply,
    /// `mla` and `mls`, which some cores do in two steps.
    MultiplyAdd,
    /// Multiplication with a 64-bit result or its upper half.
    MultiplyLong,
    /// The same, accumulating 64 bits.
    MultiplyLongAdd,
    /// Division and remainder.
    Divide,
    /// Load of at most a word.
    Load,
    /// Store of at most a word.
    Store,
    /// Load of [`Instruction::transfers`] words.
    LoadMultiple,
    /// Store of [`Instruction::transfers`] words.
    StoreMultiple,
    /// Branch to a fixed address, conditional or not, and table branches.
    Branch,
    /// Branch to a register's address that keeps no return address.
    Jump,
    /// Branch that keeps a return address.
    Call,
    /// Barriers, system registers, breakpoints.
    System,
    /// Floating point and other coprocessors.
    Coprocessor,
    /// No encoding known here.
    Unknown,
}

/// A set of registers, one bit each.
pub type Registers = u32;

/// An instruction, classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Bytes.
    pub size: u32,
    /// Class.
    pub class: Class,
    /// Words that a load or store moves; 0 for other classes.
    pub transfers: u32,
    /// Whether a load writes the program counter.
    pub to_pc: bool,
    /// Registers that a load or a multiplication writes.
    pub result: Registers,
    /// Registers that form the address of a load or store.
    pub address: Registers,
    /// Registers read, for any use. RISC-V only: no model asks it of Thumb.
    pub sources: Registers,
}

impl Instruction {
    fn new(size: u32, class: Class) -> Self {
        Self {
            size,
            class,
            transfers: u32::from(matches!(class, Class::Load | Class::Store)),
            to_pc: false,
            result: 0,
            address: 0,
            sources: 0,
        }
    }
}

/// The register of this number, as a set.
fn bit(register: u32) -> Registers {
    1 << (register & 31)
}

#[cfg(test)]
mod tests;
