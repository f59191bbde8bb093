//! The loops of [`super::Dsp`] in plain Rust: the same layout and the same
//! integers, for tests on other cores.

use super::cells::{MIDDLE, TABLES};
use super::dots::Rows;
use crate::activation::{C_TO_T, Table};
use crate::kernels::cell::Constants;
use crate::kernels::changes::{Lists, Masks, scan_words};
use crate::kernels::gate;
use crate::layout::Target;
use crate::quant::{Split, round_shift, saturate_i16};

/// The two lanes of a word.
pub const fn lanes(word: u32) -> [i16; 2] {
    [word as i16, (word >> 16) as i16]
}

pub const fn word(lanes: [i16; 2]) -> u32 {
    lanes[0] as u16 as u32 | ((lanes[1] as u16 as u32) << 16)
}

/// The bytes of a word as digits.
fn bytes(word: u32) -> [i16; 4] {
    word.to_le_bytes().map(|b| i16::from(b as i8))
}

/// See `asm/plane.rs`.
pub fn plane(digits: &[u32], words: &mut [u32]) {
    let (pairs, _) = words.as_chunks_mut();
    for ([odd, even], &four) in pairs.iter_mut().zip(digits) {
        let [x0, x1, x2, x3] = bytes(four);
        let lane = |even: i16, odd: i16| (even << 8).wrapping_sub(odd);
        *odd = word([x1, x3]);
        *even = word([lane(x0, x1), lane(x2, x3)]);
    }
}

/// See `asm/copy.rs`.
pub fn copy(to: &mut [i16], from: &[i16]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// See `asm/predict.rs`.
pub const BATCH: usize = 20;

/// See `asm/predict.rs`.
///
/// # Safety
///
/// None here, where every access is checked.
#[allow(unsafe_code)]
pub unsafe fn apply(
    accumulators: &mut [u32],
    panels: &[u32],
    stride: usize,
    minus: &[u32],
    plus: &[u32],
) {
    for (acc, panel) in accumulators.chunks_mut(8).zip(panels.chunks_exact(stride)) {
        let mut add = |list: &[u32], sign: i16| {
            for &offset in list {
                let first = offset as usize / 4;
                let column = panel.get(first..first + 4).unwrap_or(&[]);
                let (pairs, _) = acc.as_chunks_mut();
                for ([low, high], &weights) in pairs.iter_mut().zip(column) {
                    let [r0, r2, r1, r3] = bytes(weights);
                    for (acc, [a, b]) in [(low, [r0, r1]), (high, [r2, r3])] {
                        let [x, y] = lanes(*acc);
                        *acc = word([x.wrapping_add(sign * a), y.wrapping_add(sign * b)]);
                    }
                }
            }
        };
        add(minus, -1);
        add(plus, 1);
    }
}

/// Dot product of a row, from its first word on.
fn dot(row: &[u32], plane: &[u32]) -> i32 {
    let (pairs, _) = plane.as_chunks();
    let mut sum = 0i32;
    for (&weights, &[odd, even]) in row.iter().zip(pairs) {
        let [b0, _, b2, _] = bytes(weights);
        for (a, x) in [(lanes(weights), lanes(odd)), ([b0, b2], lanes(even))] {
            let products = a.into_iter().zip(x);
            let products = products.map(|(a, x)| i32::from(a) * i32::from(x));
            sum = products.fold(sum, i32::wrapping_add);
        }
    }
    sum >> 8
}

/// See `asm/dots.rs`.
pub fn sums(rows: &Rows<'_>, plane: &[u32], list: &[[u16; 4]], sums: &mut [[i32; 4]]) -> usize {
    for (done, (group, sums)) in list.iter().zip(sums).enumerate() {
        if group.iter().any(|&row| usize::from(row) >= rows.count) {
            return done;
        }
        *sums = group.map(|row| {
            dot(
                rows.words
                    .get(usize::from(row) * rows.stride..)
                    .unwrap_or(&[]),
                plane,
            )
        });
    }
    list.len()
}

/// See `asm/dots.rs`.
pub fn update(
    rows: &Rows<'_>,
    plane: &[u32],
    list: &[[u16; 4]],
    shift: u8,
    values: &mut [i16],
) -> usize {
    update_groups(list, shift, values, |group, products| {
        sums(rows, plane, group, products)
    })
}

/// Adds the products of groups of rows, which `sums` forms as in `asm/dots.rs`,
/// to their values.
pub fn update_groups<const N: usize>(
    list: &[[u16; N]],
    shift: u8,
    values: &mut [i16],
    sums: impl Fn(&[[u16; N]], &mut [[i32; N]]) -> usize,
) -> usize {
    for (done, &group) in list.iter().enumerate() {
        let mut products = [[0; N]];
        let before = group.map(|row| values.get(usize::from(row)).copied());
        if before.contains(&None) || sums(&[group], &mut products) == 0 {
            return done;
        }
        let results = before.into_iter().flatten().zip(products[0]);
        for (row, (before, sum)) in group.into_iter().zip(results) {
            if let Some(value) = values.get_mut(usize::from(row)) {
                *value = saturate_i16(i32::from(before) + round_shift(sum, shift));
            }
        }
    }
    list.len()
}

/// See `asm/gate.rs`.
pub fn load_within(
    accumulators: &[u32],
    predictions: &mut [i16],
    thresholds: &[i16],
    open: &mut [u16],
) -> usize {
    let (pairs, _) = predictions.as_chunks_mut();
    for (pair, &acc) in pairs.iter_mut().zip(accumulators) {
        *pair = lanes(acc);
    }
    gate::within(predictions, thresholds, open)
}

/// The value of a table at `t`, whose segment is clamped.
fn interpolate(table: &Table, t: i32) -> i32 {
    let segment = (t >> 16).clamp(-128, 127) + MIDDLE as i32;
    let word = table[segment as usize & 0xff];
    let slope = i64::from((word as i32) >> 16);
    let product = ((slope * i64::from(t)) >> 16) as i32;
    i32::from((word as i32).wrapping_add(product) as i16)
}

/// See `asm/cells.rs`.
pub fn cells(
    preactivations: &[i16],
    mult: &[u16],
    state: &mut [i16],
    codes: &mut [i8],
    constants: &Constants<'_>,
) {
    let (a, _) = preactivations.as_chunks::<4>();
    let (mult, _) = mult.as_chunks::<4>();
    let cells = state.iter_mut().zip(codes);
    for (((c, code), a), mult) in cells.zip(a).zip(mult) {
        let t = |gate: usize| (i32::from(a[gate]) * i32::from(mult[gate])) >> (constants.post & 31);
        let i = interpolate(&TABLES.sigmoid, t(0));
        let f = interpolate(&TABLES.sigmoid, t(1));
        let g = interpolate(&TABLES.tanh, t(2));
        let o = interpolate(&TABLES.sigmoid, t(3));
        *c = saturate_i16((f * i32::from(*c) + ((i * g) >> 4) + (1 << 14)) >> 15);
        let p = (o * interpolate(&TABLES.tanh, i32::from(*c) << C_TO_T)) >> 15;
        let product = p * i32::from(constants.hidden.mult);
        let rounded = ((product >> ((constants.hidden.post - 1) & 31)) + 1) >> 1;
        *code = rounded.clamp(-128, 127) as i8;
    }
}

/// See `asm/cells.rs`.
pub fn clamp(codes: &mut [i8], limit: i8) {
    for code in codes {
        *code = (*code).min(limit).max(-limit);
    }
}

/// See `asm/scan.rs`.
pub fn scan(
    split: Split,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    lists: &mut Lists<'_>,
) -> u32 {
    let height = Target::Dsp.panel() as u32;
    scan_words(Masks::new(split), codes, applied, rest, 0, height, lists)
}
