//! From a spectrum to log-mel values.

use super::fft::{Complex, FRACTION};
use super::tables::{LOG2, LOG2_SEGMENTS};
use super::{FLOOR_LOG2, MAX_BANDS, MelBin};

/// Fractional bits of an energy: bins are doubled and have [`FRACTION`].
const ENERGY_FRACTION: u32 = 2 * (FRACTION + 1);

/// Energy of each band, with [`ENERGY_FRACTION`] fractional bits: `bins`
/// squared, shared out by `filters`.
///
/// Bins between the same two corners share a block exponent, so a quiet band
/// keeps its precision beside a loud one.
///
/// By Parseval's theorem bins 1 to 255 together have at most 256 times the
/// energy of the folded samples, 2^8 * 2^9 * 2^30 * 2^14 = 2^61; rounding adds
/// less than that again, so `u64` does not overflow.
pub(super) fn band_energies(mut bins: &[Complex], mut filters: &[MelBin]) -> [u64; MAX_BANDS] {
    let mut energies = [0; MAX_BANDS];
    while let Some(&MelBin { band, .. }) = filters.first() {
        let count = filters.iter().take_while(|next| next.band == band).count();
        let (block, shares);
        (block, bins) = bins.split_at(count.min(bins.len()));
        (shares, filters) = filters.split_at(count.min(filters.len()));
        let shift = block_shift(block);
        let (rising, both) = powers(block, shares, shift);
        let band = usize::from(band);
        if let Some(energy) = energies.get_mut(band) {
            *energy += u64::from(rising) << (2 * shift);
        }
        if let Some(energy) = band
            .checked_sub(1)
            .and_then(|below| energies.get_mut(below))
        {
            *energy += u64::from(both - rising) << (2 * shift);
        }
    }
    energies
}

/// Shift that cuts the parts of `bins`, at most 256, so far that the sum of
/// their powers fits `u32`: to b bits where count * 2 * 2^(2 b) <= 2^31.
#[inline(never)]
fn block_shift(bins: &[Complex]) -> u32 {
    let part_bits = match bins.len() {
        0..=4 => 14,
        5..=64 => 12,
        _ => 11,
    };
    // Of a negative part x, !x has the bits that count.
    let bits = bins.iter().fold(0, |bits, bin| {
        bits | (bin.re ^ (bin.re >> 31)) | (bin.im ^ (bin.im >> 31))
    });
    (u32::BITS - bits.leading_zeros()).saturating_sub(part_bits)
}

/// Sum of the powers of `bins / 2^shift`, the parts rounded to nearest: first
/// of the shares of their filters' `band`, then of all. A part of b bits
/// becomes 2^b at most.
#[inline(never)]
fn powers(bins: &[Complex], filters: &[MelBin], shift: u32) -> (u32, u32) {
    let half = (1 << shift) >> 1;
    bins.iter()
        .zip(filters)
        .fold((0, 0), |(rising, both), (bin, filter)| {
            let re = (bin.re + half) >> shift;
            let im = (bin.im + half) >> shift;
            let power = (re * re).cast_unsigned() + (im * im).cast_unsigned();
            (rising + share(power, filter.weight), both + power)
        })
}

/// `power * weight / 2^15` rounded down, `weight` being taken as 2^15 at most,
/// in two 32-bit products.
#[inline(always)]
fn share(power: u32, weight: u16) -> u32 {
    let weight = u32::from(weight).min(1 << 15);
    (((power >> 16) * weight) << 1) + (((power & 0xffff) * weight) >> 15)
}

/// `log2(energy + 2^FLOOR_LOG2)`, Q8: 10 * 256 at least, 48 * 256 at most.
pub(super) fn log_energy(energy: u64) -> i16 {
    let floor = 1 << (FLOOR_LOG2 + ENERGY_FRACTION);
    (log2(energy + floor) - (ENERGY_FRACTION << 8)) as i16
}

/// `log2(value)`, Q8, for a `value` of at least one; within 0.0022.
///
/// Linear interpolation in a segment of 1/32 octave errs by at most
/// (1/32)^2 / 8 / ln 2 = 0.00018, rounding by 0.00195.
pub(super) fn log2(value: u64) -> u32 {
    // In 32-bit steps: a 64-bit shift is a call on small cores.
    let (high, low) = ((value >> 32) as u32, value as u32);
    let (top, next, whole) = if high == 0 {
        (low, 0, 31)
    } else {
        (high, low, 63)
    };
    let zeros = top.leading_zeros().min(31);
    let normal = (top << zeros) | ((next >> 1) >> (31 - zeros));
    // Below the leading one: five bits of segment, sixteen of position.
    let mantissa = normal >> 10;
    let segment = (mantissa >> 16) as usize % LOG2_SEGMENTS;
    let position = mantissa & 0xffff;
    let (start, end) = (LOG2[segment], LOG2[segment + 1]);
    // A segment rises by less than 2^12, so the product is below 2^28.
    let fraction = start + (((end - start) * position) >> 16);
    ((whole - zeros) << 8) + ((fraction + 128) >> 8)
}
