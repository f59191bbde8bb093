//! Elementary functions written so that the compiler can vectorise them.
//!
//! The standard library's `exp` and `tanh` are calls, which stops
//! vectorisation and would take most of a training step. These are accurate to
//! about 1e-6, far below the quantisation they train for.

/// `e^x`, `x` within [-87, 87] (clamped).
///
/// Range reduction to `2^n * e^r`, `|r| <= ln(2)/2`, and the degree 6
/// polynomial of the Cephes library (`expf`).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 5.0e-1);
    let e = p.mul_add(r * r, r) + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(0x3f80_0000);
    e * f32::from_bits(power)
}

/// Logistic function `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x.clamp(-15.0, 15.0)))
}

/// Rounds to the nearest integer, halves towards +infinity, as the runtime does.
#[inline(always)]
pub fn round_half_up(x: f32) -> f32 {
    (x + 0.5).floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        for step in -80_000..=80_000 {
            let x = step as f32 / 4_000.0;
            let reference = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) / reference - 1.0).abs() < 1e-6,
                "exp {x}"
            );
            assert!((tanh(x) - x.tanh()).abs() < 1e-6, "tanh {x}");
            assert!(
                (sigmoid(x) - 1.0 / (1.0 + (-x).exp())).abs() < 1e-6,
                "sigmoid {x}"
            );
        }
    }

    #[test]
    fn halves_round_towards_plus_infinity() {
        assert_eq!(round_half_up(2.5), 3.0);
        assert_eq!(round_half_up(-2.5), -2.0);
        assert_eq!(round_half_up(-2.51), -3.0);
    }
}
