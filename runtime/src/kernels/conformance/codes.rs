//! Convolutions: from sums to codes.

use super::source::Source;
use super::{carve, ensure};
use crate::kernels::conv::outputs::{Addend, Mixed, Rows, Scale};
use crate::kernels::conv::{ConvKernels, MOST_ROWS};
use crate::quant::{Requant, Split, round_shift};

/// Codes of random sums of some rows against [`Requant::apply`], without and with
/// something added.
pub(super) fn check<K: ConvKernels>(source: &mut Source, mut scratch: &mut [u32]) -> Option<()> {
    let height = K::TARGET.panel();
    let scales: &mut [Scale] = carve(&mut scratch, height)?;
    let sums: &mut [i32] = carve(&mut scratch, height)?;
    let step = 1 + source.below(3);
    let got: &mut [i8] = carve(&mut scratch, 4 + height * step)?;
    let want: &mut [i8] = carve(&mut scratch, 4 + height * step)?;
    got.fill(0);
    want.fill(0);
    let bits = 2 + source.below(7) as u8;
    let (low, high) = Split::new(bits, 1, source.below(2) == 0)?.range();
    let shift = source.below(4) as u8;
    let (bias, largest) = (source.below(4000) as i32 - 2000, 1 << source.below(24));
    let mut rows = Rows::NONE;
    let mut requants = [(Requant::default(), 0); MOST_ROWS];
    for (row, (scale, sum)) in scales.iter_mut().zip(&mut *sums).enumerate() {
        let requant = Requant {
            mult: (1 << 14) + source.below(1 << 14) as u16,
            pre: source.below(12) as u8,
            post: source.below(31) as u8,
        };
        *scale = Scale::new(bias, requant);
        *sum = source.below(2 * largest) as i32 - largest as i32;
        let listed = source.below(2) == 0;
        rows.push(row, listed);
        let z = (*sum << shift) + bias;
        *requants.get_mut(row)? = (requant, z);
        let code = requant.apply(z).clamp(low, high);
        if listed {
            *want.get_mut(row * step)? = code as i8;
        }
    }
    let range = (low.into(), high.into());
    K::codes(scales, (sums, shift), &rows, range, (got, step));
    ensure(got == want)?;

    // Half of the time what kernels are made for: all rows, one after another.
    let simple = source.below(2) == 0;
    let read = if simple { 1 } else { 1 + source.below(3) };
    let first = if simple { 0 } else { source.below(height) };
    let cut = if simple {
        0
    } else {
        source.below(height - first)
    };
    let mut addend = Addend {
        first,
        count: height - first - cut,
        index: source.below(4),
        step: read,
        signed: source.below(4) == 0,
        mult: source.below(1 << 15) as u16,
        shift: source.below(32) as u8,
    };
    let map: &mut [i8] = carve(&mut scratch, 4 + height * read)?;
    source.fill(map, 127);
    let in_place = read == step && source.below(2) == 0;
    for code in got.iter_mut().chain(&mut *want) {
        *code = 0;
    }
    if in_place {
        for to in [&mut *got, &mut *want] {
            for (to, &from) in to.iter_mut().zip(&*map) {
                *to = from;
            }
        }
    }
    let index = if in_place { addend.index } else { 0 };
    if in_place {
        addend.index += first * step;
    }
    for &row in rows.list() {
        let row = usize::from(row);
        let lane = row.checked_sub(addend.first);
        let code = match lane.filter(|&lane| lane < addend.count) {
            Some(lane) => *map.get(addend.index + lane * read)?,
            None => 0,
        };
        let code = if addend.signed {
            code.into()
        } else {
            i32::from(code as u8)
        };
        let (requant, z) = requants.get(row)?;
        let sum =
            i32::from(requant.apply(*z)) + round_shift(code * i32::from(addend.mult), addend.shift);
        *want.get_mut(index + row * step)? =
            round_shift(sum, 4).clamp(low.into(), high.into()) as i8;
    }
    let mixed = Mixed {
        residual: (!in_place).then_some(&*map),
        output: &mut *got,
        index,
        step,
    };
    K::added_codes(scales, (sums, shift), &rows, range, mixed, &addend);
    ensure(got == want)
}
