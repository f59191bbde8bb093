//! Constant tables of the front-end, computed by the compiler.
//!
//! Constant evaluation uses one software implementation of `f64`, so the
//! tables are the same bytes whatever machine compiles and whatever runs.

use super::WINDOW;

/// Points of the complex transform.
pub(super) const POINTS: usize = 256;

/// Segments of [`LOG2`] per octave.
pub(super) const LOG2_SEGMENTS: usize = 32;

/// Rising half of the periodic Hann window with its peak, Q15 (0..=32768):
/// `HANN[n]` weighs samples `n` and `WINDOW - n`.
pub(super) static HANN: [u16; WINDOW / 2 + 1] = {
    let mut table = [0; WINDOW / 2 + 1];
    let mut n = 0;
    while n < table.len() {
        let value = 0.5 - 0.5 * cos_turns(n, WINDOW);
        table[n] = (value * 32768.0 + 0.5) as u16;
        n += 1;
    }
    table
};

/// Where sample pair `m` goes before the first stage.
///
/// A transform of n points is made of four of n / 4 points: of points 0, 4,
/// 8 ..; of 1, 5, 9 ..; of 2, 6, 10 ..; and of -1, 3, 7 .., which rotate as the
/// second do, only backwards.
pub(super) static PLACES: [u8; POINTS] = {
    let mut table = [0; POINTS];
    let mut place = 0;
    while place < POINTS {
        let (mut m, mut size, mut rest) = (0, 1, place);
        // From the innermost quarter outwards.
        while size < POINTS {
            let offset = [0, 1, 2, 4 * size - 1][rest % 4];
            m = (4 * m + offset) % (4 * size);
            rest /= 4;
            size *= 4;
        }
        table[m] = place as u8;
        place += 1;
    }
    table
};

/// One angle of at most a quarter turn, as tan(angle / 2) and sin(angle), Q15,
/// in the high and the low half: one load.
#[derive(Clone, Copy)]
pub(super) struct Rotation(i32);

impl Rotation {
    /// `numerator / denominator` turns, for a `denominator` divisible by four.
    const fn new(numerator: isize, denominator: usize) -> Self {
        let sin = sin_turns(numerator, denominator);
        let tan = sin / (1.0 + cos_turns(numerator.unsigned_abs(), denominator));
        Self((q15(tan) as i32) << 16 | q15(sin) as u16 as i32)
    }

    /// Tangent of half the angle, Q15, -2^15..2^15.
    #[inline(always)]
    pub(super) const fn tan(self) -> i32 {
        self.0 >> 16
    }

    /// Sine of the angle, Q15, -2^15..2^15.
    #[inline(always)]
    pub(super) const fn sin(self) -> i32 {
        self.0 as i16 as i32
    }
}

/// Rotations by `first + step * j` / `denominator` turn.
const fn rotations<const COUNT: usize>(
    first: isize,
    step: isize,
    denominator: usize,
) -> [Rotation; COUNT] {
    let mut table = [Rotation(0); COUNT];
    let mut j = 0;
    while j < COUNT {
        table[j] = Rotation::new(first + step * j as isize, denominator);
        j += 1;
    }
    table
}

/// Rotations of a stage whose butterflies span `SPAN` points.
pub(super) struct Stage<const SPAN: usize, const REST: usize> {
    /// Of points 1.. of the second quarter, and backwards of the fourth:
    /// point `j` by `j` / (4 * `SPAN`) turn.
    pub(super) once: [Rotation; REST],
    /// Of the points of the third quarter: point `j` by twice that, less a
    /// quarter turn.
    pub(super) twice: [Rotation; SPAN],
}

impl<const SPAN: usize, const REST: usize> Stage<SPAN, REST> {
    const fn new() -> Self {
        Self {
            once: rotations(1, 1, 4 * SPAN),
            twice: rotations(-(SPAN as isize), 2, 4 * SPAN),
        }
    }
}

/// Rotations of the second stage.
pub(super) static STAGE_4: Stage<4, 3> = Stage::new();
/// Rotations of the third stage.
pub(super) static STAGE_16: Stage<16, 15> = Stage::new();
/// Rotations of the fourth stage.
pub(super) static STAGE_64: Stage<64, 63> = Stage::new();

/// Rotations that part the spectra of even and odd samples: entry `k - 1`
/// holds the angle of bin `k`, `k` / 512 turn.
pub(super) static PARTING: [Rotation; POINTS / 2 - 1] = rotations(1, 1, 2 * POINTS);

/// `log2(1 + i / LOG2_SEGMENTS)`, Q16.
pub(super) static LOG2: [u32; LOG2_SEGMENTS + 1] = {
    let mut table = [0; LOG2_SEGMENTS + 1];
    let mut i = 0;
    while i < table.len() {
        let value = ln(1.0 + i as f64 / LOG2_SEGMENTS as f64) / core::f64::consts::LN_2;
        table[i] = (value * 65536.0 + 0.5) as u32;
        i += 1;
    }
    table
};

/// Rounds to Q15; 1.0 would become 32767, but no table holds it.
const fn q15(value: f64) -> i16 {
    let scaled = value * 32768.0;
    // The cast truncates towards zero, and saturates.
    (if scaled < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i16
}

/// Sine of `numerator / denominator` turns, for a `denominator` divisible by
/// four and an angle of at most half a turn.
const fn sin_turns(numerator: isize, denominator: usize) -> f64 {
    let sin = cos_turns(numerator.unsigned_abs() + 3 * denominator / 4, denominator);
    if numerator < 0 { -sin } else { sin }
}

/// Cosine of `numerator / denominator` turns, for a `denominator` divisible
/// by four. The angle is brought into the first quadrant in integers, where
/// the series below has converged to the last bit of `f64`.
const fn cos_turns(numerator: usize, denominator: usize) -> f64 {
    let quarter = denominator / 4;
    let position = numerator % denominator;
    let (quadrant, rest) = (position / quarter, position % quarter);
    let (negative, rest) = match quadrant {
        0 => (false, rest),
        1 => (true, quarter - rest),
        2 => (true, rest),
        _ => (false, quarter - rest),
    };
    let angle = core::f64::consts::TAU * rest as f64 / denominator as f64;
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut n = 1.0;
    while n < 24.0 {
        term *= -angle * angle / (n * (n + 1.0));
        sum += term;
        n += 2.0;
    }
    if negative { -sum } else { sum }
}

/// Natural logarithm for 1 <= `x` <= 2: `2 artanh((x - 1) / (x + 1))`.
const fn ln(x: f64) -> f64 {
    let ratio = (x - 1.0) / (x + 1.0);
    let mut power = ratio;
    let mut sum = 0.0;
    let mut n = 1.0;
    while n < 40.0 {
        sum += power / n;
        power *= ratio * ratio;
        n += 2.0;
    }
    2.0 * sum
}
