//! Windowed 512-point real transform of one frame, in `i32`.
//!
//! Even and odd samples form the real and imaginary parts of 256 complex
//! points; four radix-4 stages transform them in place and one more pass parts
//! the spectra (Press et al., *Numerical Recipes*, section 12.3). The stages are
//! of the conjugate-pair kind (Kamar and Elcherif 1989): no rotation exceeds a
//! quarter turn, so each is three shears.
//!
//! # Range
//! A folded sample is at most 2^15 * 2^[`FRACTION`] = 2^21 in magnitude, the
//! folded window being at most one everywhere. Every intermediate complex
//! value is a sum of rotated samples, so its magnitude is at most
//! sum(|sample| * window) <= 2^15 * 320 * 2^6 < 2^29.4, the window summing to
//! 320; the parted bins are twice a bin: below 2^30.4. Rounding adds less than
//! 2^12 to that, so `i32` never overflows, whatever the samples are.

use super::tables::{HANN, PARTING, PLACES, POINTS, Rotation, STAGE_4, STAGE_16, STAGE_64, Stage};
use super::{HOP, WINDOW};

/// Fractional bits that windowed samples keep.
pub(super) const FRACTION: u32 = 6;

/// A complex number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Complex {
    /// Real part.
    pub(super) re: i32,
    /// Imaginary part.
    pub(super) im: i32,
}

/// The points of a transform, and afterwards its bins.
pub(super) type Points = [Complex; POINTS];

/// Windows the frame `older` then `newer`, transforms it and leaves bin `k` of
/// the 512-point spectrum in `points[k]` for `k` in 1..256, in units of
/// 2^-([`FRACTION`] + 1). Bins 0 and 256 are not computed.
pub(super) fn spectrum(points: &mut Points, older: &[i16; HOP], newer: &[i16; HOP]) {
    load(points, older, newer);
    first_stage(points);
    stage::<4, 3, 16>(points, &STAGE_4);
    stage::<16, 15, 64>(points, &STAGE_16);
    stage::<64, 63, 256>(points, &STAGE_64);
    part(points);
}

/// Windows the frame, folds it modulo 512 and stores it for the first stage.
fn load(points: &mut Points, older: &[i16; HOP], newer: &[i16; HOP]) {
    /// Samples 512.. fold onto the first `FOLDED`.
    const FOLDED: usize = WINDOW - 2 * POINTS;
    let (older, _) = older.as_chunks::<2>();
    let (newer, _) = newer.as_chunks::<2>();
    let (start, middle) = older.split_at(FOLDED / 2);
    let (end, late) = newer.split_at((2 * POINTS - HOP) / 2);
    // The window's rising half, from sample 0, and its falling half, whose
    // first pair is the peak and the weight after it.
    let (rising, _) = HANN.as_chunks::<2>();
    let falling = || HANN.rchunks_exact(2);
    let mut places = PLACES.iter();
    let mut store = |even: i32, odd: i32| {
        if let Some(&place) = places.next() {
            points[usize::from(place)] = Complex {
                re: even >> (15 - FRACTION),
                im: odd >> (15 - FRACTION),
            };
        }
    };
    let folded = falling().skip(end.len()).zip(late);
    for ((first, up), (down, last)) in start.iter().zip(rising).zip(folded) {
        store(
            weigh(first[0], up[0]) + weigh(last[0], down[1]),
            weigh(first[1], up[1]) + weigh(last[1], down[0]),
        );
    }
    for (pair, up) in middle.iter().zip(rising.iter().skip(start.len())) {
        store(weigh(pair[0], up[0]), weigh(pair[1], up[1]));
    }
    for (pair, down) in end.iter().zip(falling()) {
        store(weigh(pair[0], down[1]), weigh(pair[1], down[0]));
    }
}

/// `sample * weight`, Q15, at most 2^30 in magnitude.
#[inline(always)]
fn weigh(sample: i16, weight: u16) -> i32 {
    i32::from(sample) * i32::from(weight)
}

/// Butterflies over neighbours: no rotation.
fn first_stage(points: &mut Points) {
    let (quads, _) = points.as_chunks_mut::<4>();
    for quad in quads {
        *quad = butterfly(quad[0], quad[1], quad[2], quad[3]);
    }
}

/// Rotations and butterflies over points `SPAN` apart. Each loop is a function:
/// a core with eight usable registers then keeps most of its values in them.
fn stage<const SPAN: usize, const REST: usize, const BLOCK: usize>(
    points: &mut Points,
    rotations: &Stage<SPAN, REST>,
) {
    let (blocks, _) = points.as_chunks_mut::<BLOCK>();
    for block in blocks {
        let (_, rest) = block.split_at_mut(SPAN);
        let (second, rest) = rest.split_at_mut(SPAN);
        let (third, fourth) = rest.split_at_mut(SPAN);
        turn(&mut second[1..], &rotations.once);
        turn(third, &rotations.twice);
        turn_back(&mut fourth[1..], &rotations.once);
        butterflies::<SPAN, BLOCK>(block);
    }
}

#[inline(never)]
fn turn(points: &mut [Complex], rotations: &[Rotation]) {
    for (x, by) in points.iter_mut().zip(rotations) {
        *x = rotate(*x, by.tan(), by.sin());
    }
}

#[inline(never)]
fn turn_back(points: &mut [Complex], rotations: &[Rotation]) {
    // None of these angles is a whole quarter, so their negatives fit too.
    for (x, by) in points.iter_mut().zip(rotations) {
        *x = rotate(*x, -by.tan(), -by.sin());
    }
}

/// Four-point transforms of points `SPAN` apart. The statements stand in the
/// order that needs the fewest values at a time.
#[inline(never)]
fn butterflies<const SPAN: usize, const BLOCK: usize>(block: &mut [Complex; BLOCK]) {
    for j in 0..SPAN {
        let (b, d) = (block[j + SPAN], block[j + 3 * SPAN]);
        let (sum, diff) = (add(b, d), sub(b, d));
        // The quarter turn that the rotation of the third quarter left out.
        let c = block[j + 2 * SPAN];
        let a = block[j].re;
        let (even, odd) = (a + c.im, a - c.im);
        block[j].re = even + sum.re;
        block[j + SPAN].re = odd + diff.im;
        block[j + 2 * SPAN].re = even - sum.re;
        block[j + 3 * SPAN].re = odd - diff.im;
        let a = block[j].im;
        let (even, odd) = (a - c.re, a + c.re);
        block[j].im = even + sum.im;
        block[j + SPAN].im = odd - diff.re;
        block[j + 2 * SPAN].im = even - sum.im;
        block[j + 3 * SPAN].im = odd + diff.re;
    }
}

/// Four-point transform of points 0, 1, 2 and -1.
#[inline(always)]
fn butterfly(a: Complex, b: Complex, c: Complex, d: Complex) -> [Complex; 4] {
    let (sum_ac, diff_ac) = (add(a, c), sub(a, c));
    let (sum_bd, diff_bd) = (add(b, d), sub(b, d));
    [
        add(sum_ac, sum_bd),
        Complex {
            re: diff_ac.re + diff_bd.im,
            im: diff_ac.im - diff_bd.re,
        },
        sub(sum_ac, sum_bd),
        Complex {
            re: diff_ac.re - diff_bd.im,
            im: diff_ac.im + diff_bd.re,
        },
    ]
}

#[inline(always)]
fn add(a: Complex, b: Complex) -> Complex {
    Complex {
        re: a.re + b.re,
        im: a.im + b.im,
    }
}

#[inline(always)]
fn sub(a: Complex, b: Complex) -> Complex {
    Complex {
        re: a.re - b.re,
        im: a.im - b.im,
    }
}

/// `x * (cos - i sin)`, in three shears (Buneman 1986), given tan(angle / 2)
/// and sin(angle). On the way a part can reach sqrt(2) times the magnitude of
/// `x`, at most 2^30.4 * 1.42 < 2^31.
#[inline(always)]
fn rotate(x: Complex, tan: i32, sin: i32) -> Complex {
    let re = x.re + scale(x.im, tan);
    let im = x.im - scale(re, sin);
    Complex {
        re: re + scale(im, tan),
        im,
    }
}

/// `x * factor / 2^15` rounded down, for a factor of -2^15..2^15.
///
/// In two 32-bit products, which is all that a Cortex-M0 multiplies: the low 16
/// bits are worked separately. Their product is at most 65535 * 2^15 < 2^31 in
/// magnitude, the other at most 2^30, and its double no larger than `x`.
#[inline(always)]
fn scale(x: i32, factor: i32) -> i32 {
    (((x >> 16) * factor) << 1) + (((x & 0xffff) * factor) >> 15)
}

/// Parts the spectra of even and odd samples and joins them into twice the
/// bins of the real transform.
fn part(points: &mut Points) {
    let (low, high) = points.split_at_mut(POINTS / 2);
    let Some((middle, high)) = high.split_first_mut() else {
        return;
    };
    *middle = Complex {
        re: 2 * middle.re,
        im: -2 * middle.im,
    };
    // Bins k and 256 - k are computed together.
    let pairs = low.iter_mut().skip(1).zip(high.iter_mut().rev());
    for ((a, b), rotation) in pairs.zip(&PARTING) {
        let sum = Complex {
            re: a.re + b.re,
            im: a.im - b.im,
        };
        let turned = rotate(
            Complex {
                re: a.re - b.re,
                im: a.im + b.im,
            },
            rotation.tan(),
            rotation.sin(),
        );
        *a = Complex {
            re: sum.re + turned.im,
            im: sum.im - turned.re,
        };
        *b = Complex {
            re: sum.re - turned.im,
            im: -sum.im - turned.re,
        };
    }
}
