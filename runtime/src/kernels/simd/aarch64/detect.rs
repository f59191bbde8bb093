//! What the processor has. Applications cannot ask it themselves: Linux tells
//! them; elsewhere what the program is compiled for counts.

/// Instruction sets that the kernels know, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u8);

impl Features {
    /// None of them: plain Rust.
    pub const PLAIN: u8 = 0;
    /// NEON.
    pub const NEON: u8 = 1;
    /// The dot product of bytes (`FEAT_DotProd`).
    pub const DOTPROD: u8 = 2;
    /// All of them.
    pub const ALL: u8 = Self::NEON | Self::DOTPROD;

    /// What this processor has.
    #[inline(always)]
    #[must_use]
    pub fn detected() -> Self {
        let dotprod = cfg!(target_feature = "dotprod") || ask::dotprod();
        Self(Self::NEON | if dotprod { Self::DOTPROD } else { 0 })
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

#[cfg(any(target_os = "linux", target_os = "android"))]
mod ask {
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

    const UNKNOWN: u8 = 2;
    static DOTPROD: AtomicU8 = AtomicU8::new(UNKNOWN);

    unsafe extern "C" {
        /// The C library's view of what the kernel told the program.
        fn getauxval(kind: core::ffi::c_ulong) -> core::ffi::c_ulong;
    }

    /// Asked once.
    #[inline(always)]
    pub fn dotprod() -> bool {
        // Nothing else depends on the number: every thread finds the same.
        match DOTPROD.load(Relaxed) {
            UNKNOWN => first(),
            known => known == 1,
        }
    }

    #[cold]
    fn first() -> bool {
        const AT_HWCAP: core::ffi::c_ulong = 16;
        const HWCAP_ASIMDDP: core::ffi::c_ulong = 1 << 20;
        // SAFETY: the function takes any number, and reads what the kernel
        // left when the program was started.
        let found = unsafe { getauxval(AT_HWCAP) } & HWCAP_ASIMDDP != 0;
        DOTPROD.store(u8::from(found), Relaxed);
        found
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod ask {
    pub const fn dotprod() -> bool {
        false
    }
}
