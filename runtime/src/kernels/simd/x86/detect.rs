//! What the processor has, asked once.
#![allow(unsafe_code)]

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Instruction sets that the kernels know, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u8);

/// Not asked yet: no set of features has this bit.
const UNKNOWN: u8 = 0x80;
static DETECTED: AtomicU8 = AtomicU8::new(UNKNOWN);

impl Features {
    /// None of them: plain Rust.
    pub const PLAIN: u8 = 0;
    /// AVX2, and the bit instructions that came before or with it (POPCNT,
    /// BMI1).
    pub const AVX2: u8 = 1;
    /// VNNI in the encoding of AVX.
    pub const AVX_VNNI: u8 = 2;
    /// VNNI in the encoding of AVX-512, for 256-bit registers.
    pub const AVX512_VNNI: u8 = 4;
    /// All of them.
    pub const ALL: u8 = Self::AVX2 | Self::AVX_VNNI | Self::AVX512_VNNI;

    /// What this processor has, and the operating system keeps registers for.
    #[inline(always)]
    #[must_use]
    pub fn detected() -> Self {
        // Nothing else depends on the number: every thread finds the same.
        match DETECTED.load(Relaxed) {
            UNKNOWN => ask(),
            known => Self(known),
        }
    }

    /// Those of the features that are allowed as well.
    #[must_use]
    pub const fn limited_to(self, allowed: u8) -> Self {
        Self(self.0 & allowed)
    }

    /// Whether any of these features is there.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, any: u8) -> bool {
        self.0 & any != 0
    }
}

#[cold]
fn ask() -> Features {
    let bit = |register: u32, index: u32| register >> index & 1 == 1;
    let mut found = Features::PLAIN;
    if __cpuid(0).eax >= 7 {
        let (basic, extended) = (__cpuid(1).ecx, __cpuid_count(7, 0));
        let saved = if bit(basic, 27) {
            // SAFETY: bit 27 says that the instruction is there (OSXSAVE).
            unsafe { xcr0() }
        } else {
            0
        };
        // Registers of SSE and AVX; with them masks and both halves of AVX-512.
        let (ymm, zmm) = (saved & 0x06 == 0x06, saved & 0xe6 == 0xe6);
        let bits = bit(basic, 23) && bit(extended.ebx, 3);
        if ymm && bits && bit(basic, 28) && bit(extended.ebx, 5) {
            found |= Features::AVX2;
            if extended.eax >= 1 && bit(__cpuid_count(7, 1).eax, 4) {
                found |= Features::AVX_VNNI;
            }
            // Vector lengths below 512 bits (VL) and VNNI itself, on AVX-512F.
            let lengths = bit(extended.ebx, 16) && bit(extended.ebx, 31);
            if zmm && lengths && bit(extended.ecx, 11) {
                found |= Features::AVX512_VNNI;
            }
        }
    }
    DETECTED.store(found, Relaxed);
    Features(found)
}

/// The registers that the operating system saves.
///
/// # Safety
///
/// The processor has XSAVE, enabled by the operating system.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: the register 0 is always there; the rest is the caller's promise.
    unsafe { _xgetbv(0) }
}
