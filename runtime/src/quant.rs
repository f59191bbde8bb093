//! The integer arithmetic that the trainer, the host and every device share:
//! rounding shift, requantisation, and the split of an activation into digits.
//!
//! Rounding is stated here once and nowhere else.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Divides by `2^n`, rounding to nearest with ties towards positive infinity.
///
/// `n` is 0 to 31. The addition of the half wraps, so no input can panic;
/// results are exact for `|x| <= 2^31 - 1 - 2^(n-1)`.
#[inline(always)]
#[must_use]
pub const fn round_shift(x: i32, n: u8) -> i32 {
    // The half is 0 where n is.
    let half = (1u32 << (n & 31)) >> 1;
    x.wrapping_add(half as i32) >> (n & 31)
}

/// Saturates a 32-bit value to the 16-bit range.
#[inline(always)]
#[must_use]
pub const fn saturate_i16(x: i32) -> i16 {
    if x > i16::MAX as i32 {
        i16::MAX
    } else if x < i16::MIN as i32 {
        i16::MIN
    } else {
        x as i16
    }
}

/// Integer rescaling of an accumulator by a positive real factor below one:
/// `factor ~= mult * 2^-(pre + post)`.
///
/// ```text
/// a = clamp(round_shift(acc, pre), -32767, 32767)
/// y = saturate_i16(round_shift(a * mult, post))
/// ```
///
/// Both steps fit 32-bit arithmetic, so a core without a long multiply
/// (Cortex-M0, M0+) runs the same two instructions as a large one. `pre` is
/// chosen so that the clamp acts only where the result saturates anyway.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Requant {
    /// Normalised multiplier, `2^14 <= mult < 2^15`.
    pub mult: u16,
    /// Shift before the multiplication, 0 to 24.
    pub pre: u8,
    /// Shift after the multiplication, 0 to 30.
    pub post: u8,
}

impl Requant {
    /// Whether the fields lie in their ranges; [`Self::apply`] is exact only then.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.mult >= 1 << 14 && self.mult < 1 << 15 && self.pre <= 24 && self.post <= 30
    }

    /// Applies the rescaling to an accumulator, `|acc| <= 2^30`.
    #[inline(always)]
    #[must_use]
    pub const fn apply(self, acc: i32) -> i16 {
        let a = round_shift(acc, self.pre);
        let a = if a > 32767 {
            32767
        } else if a < -32767 {
            -32767
        } else {
            a
        };
        // |a * mult| < 2^15 * 2^15 = 2^30.
        saturate_i16(round_shift(a.wrapping_mul(self.mult as i32), self.post))
    }
}

/// How an activation code of `bits` bits is split into its most significant
/// digit and the rest: `q = (hb << shift) + lb`.
///
/// Unsigned codes are truncated, as published; signed codes are rounded to
/// nearest, so that small values of either sign give `hb = 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    bits: u8,
    msb_bits: u8,
    signed: bool,
}

impl Split {
    /// A split of `bits`-bit codes (2 to 8) with `msb_bits` (1 to `bits`) in
    /// the prediction digit.
    ///
    /// `None` where a number lies outside its range, or where a digit would
    /// not fit an `i8` (unsigned 8-bit codes need `msb_bits < 8`).
    #[must_use]
    pub const fn new(bits: u8, msb_bits: u8, signed: bool) -> Option<Self> {
        let digits_fit = signed || msb_bits < 8;
        if bits < 2 || bits > 8 || msb_bits < 1 || msb_bits > bits || !digits_fit {
            return None;
        }
        // An unsigned remainder must fit as well: bits - msb_bits <= 7 always holds.
        Some(Self {
            bits,
            msb_bits,
            signed,
        })
    }

    /// Bits of a whole code, B.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Bits of the prediction digit, `B_hb`.
    #[must_use]
    pub const fn msb_bits(self) -> u8 {
        self.msb_bits
    }

    /// Whether codes are signed.
    #[must_use]
    pub const fn signed(self) -> bool {
        self.signed
    }

    /// Bits of the remainder, `s = B - B_hb`.
    #[inline(always)]
    #[must_use]
    pub const fn shift(self) -> u8 {
        self.bits - self.msb_bits
    }

    /// Smallest and largest code: `[-(2^(B-1) - 1), 2^(B-1) - 1]` signed,
    /// `[0, 2^B - 1]` unsigned.
    #[must_use]
    pub const fn range(self) -> (i16, i16) {
        if self.signed {
            let max = (1 << (self.bits - 1)) - 1;
            (-max, max)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }

    /// Largest magnitude of a prediction digit.
    #[must_use]
    pub const fn largest_digit(self) -> u32 {
        let (_, high) = self.range();
        self.hb(high as i32) as u32
    }

    /// Largest magnitude of a remainder: signed ones are rounded, unsigned
    /// ones truncated.
    #[must_use]
    pub const fn largest_rest(self) -> u32 {
        let signed = self.signed as u32;
        ((1 << self.shift()) - 1 + signed) >> signed
    }

    /// Reads a stored code byte as its value.
    #[inline(always)]
    #[must_use]
    pub const fn value(self, code: i8) -> i32 {
        if self.signed {
            code as i32
        } else {
            code as u8 as i32
        }
    }

    /// The prediction digit `hb` of a code's value.
    #[inline(always)]
    #[must_use]
    pub const fn hb(self, q: i32) -> i32 {
        if self.signed {
            round_shift(q, self.shift())
        } else {
            q >> self.shift()
        }
    }

    /// Both digits `(hb, lb)` of a stored code byte.
    #[inline(always)]
    #[must_use]
    pub const fn digits(self, code: i8) -> (i8, i8) {
        let q = self.value(code);
        let hb = self.hb(q);
        (hb as i8, (q - (hb << self.shift())) as i8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_recompose_every_code_of_every_split() {
        for signed in [false, true] {
            for bits in 2..=8 {
                for msb in 1..=bits {
                    let Some(split) = Split::new(bits, msb, signed) else {
                        assert!(!signed && msb == 8);
                        continue;
                    };
                    let (lo, hi) = split.range();
                    for q in lo..=hi {
                        let (hb, lb) = split.digits(q as i8);
                        let whole = (i32::from(hb) << split.shift()) + i32::from(lb);
                        assert_eq!(whole, i32::from(q), "{split:?} {q}");
                        // The accumulator bound relies on this.
                        assert!((i32::from(hb) << split.shift()).abs() <= 1 << bits);
                        assert!(u32::from(hb.unsigned_abs()) <= split.largest_digit());
                        assert!(u32::from(lb.unsigned_abs()) <= split.largest_rest());
                    }
                }
            }
        }
    }

    #[test]
    fn signed_split_is_zero_centred() {
        let split = Split::new(8, 3, true).unwrap();
        assert_eq!(split.digits(-1), (0, -1));
        assert_eq!(split.digits(15), (0, 15));
        assert_eq!(split.digits(16), (1, -16));
        assert_eq!(split.digits(-16), (0, -16));
        assert_eq!(split.digits(-17), (-1, 15));
        assert_eq!(split.digits(127), (4, -1));
    }

    #[test]
    fn requant_follows_the_real_factor_and_saturates() {
        let r = Requant {
            mult: 20_000,
            pre: 3,
            post: 14,
        };
        let factor = 20_000.0 / f64::from(1 << 17);
        for acc in (-200_000..200_000).step_by(37) {
            let want = (f64::from(acc) * factor).clamp(-32768.0, 32767.0);
            assert!((f64::from(r.apply(acc)) - want).abs() <= 1.2, "{acc}");
        }
        assert_eq!(r.apply(i32::MAX / 2), i16::MAX);
        assert_eq!(r.apply(-(1 << 30)), i16::MIN);
    }
}
