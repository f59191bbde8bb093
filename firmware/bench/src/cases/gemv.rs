//! Matrix-vector products at the sizes of a small and a large LSTM, 40 inputs
//! and 128 hidden units, and 300 of both: this crate's plain loops, and the
//! runtime's dense kernels.
//!
//! A matrix is a tile of rows, multiplied again and again until all rows are
//! done: without caches that costs what the whole matrix would, and it leaves
//! room on small boards.

use core::hint::black_box;

use pg_runtime::kernels::{Kernels, Plane, Selected};
use pg_runtime::layout::WeightBits;
use zerocopy::{FromBytes, IntoBytes};

use super::{Error, carve};
use crate::meter::{Case, Meter};
use crate::plain;

/// Rows that are kept in memory.
const TILE: usize = 32;
/// Rows and columns.
const SHAPES: [[usize; 2]; 2] = [[512, 168], [1200, 600]];
/// A plain loop over weights, activations and outputs.
type Gemv = fn(&[i8], &[i8], &mut [i32]);

/// Names of the cases of each shape.
const PLAIN: [(Gemv, [&str; 2]); 2] = [
    (plain::gemv, ["plain-512x168", "plain-1200x600"]),
    (plain::gemv_blocked, ["blocked-512x168", "blocked-1200x600"]),
];
/// The runtime's kernels, with digits of four and of eight bits, and with
/// weights of four.
const DENSE: [(WeightBits, i8, [&str; 2]); 3] = [
    (WeightBits::Eight, 8, ["dense4-512x168", "dense4-1200x600"]),
    (
        WeightBits::Eight,
        127,
        ["dense8-512x168", "dense8-1200x600"],
    ),
    (WeightBits::Four, 8, ["packed4-512x168", "packed4-1200x600"]),
];

/// Memory of a case.
struct Tile<'t> {
    columns: usize,
    weights: &'t mut [i8],
    activations: &'t mut [i8],
    rest: &'t mut [u32],
}

/// Runs the cases.
pub fn run<M: Meter>(arena: &mut [u32], meter: &mut M) -> Result<(), Error<M::Error>> {
    for (index, [rows, columns]) in SHAPES.into_iter().enumerate() {
        for (gemv, names) in PLAIN {
            let tile = tile(arena, columns, WeightBits::Eight, 127)?;
            plain(names[index], gemv, rows, &tile, meter)?;
        }
        for (bits, largest, names) in DENSE {
            // Codes that need two planes are the layers' business.
            if largest as u32 <= Selected::TARGET.plane_max(bits) {
                let tile = tile(arena, columns, bits, largest)?;
                dense(names[index], bits, rows, tile, meter)?;
            }
        }
    }
    Ok(())
}

/// Weights of so many bits and activations up to `largest`, the same on every
/// core.
fn tile<E>(
    arena: &mut [u32],
    columns: usize,
    bits: WeightBits,
    largest: i8,
) -> Result<Tile<'_>, Error<E>> {
    let (weights, rest) = carve(arena, TILE * columns / 4)?;
    let (activations, rest) = carve(rest, columns / 4)?;
    let weights = <[i8]>::mut_from_bytes(weights.as_mut_bytes()).unwrap_or(&mut []);
    let activations = <[i8]>::mut_from_bytes(activations.as_mut_bytes()).unwrap_or(&mut []);
    // Knuth's MMIX constants.
    let mut x = 1u64;
    let mut next = |largest: i8| {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let span = 2 * u32::from(largest.unsigned_abs()) + 1;
        ((x >> 33) as u32 % span) as i32 - i32::from(largest)
    };
    weights
        .iter_mut()
        .for_each(|w| *w = next(bits.max() as i8) as i8);
    activations
        .iter_mut()
        .for_each(|a| *a = next(largest) as i8);
    Ok(Tile {
        columns,
        weights,
        activations,
        rest,
    })
}

fn case(name: &'static str, rows: usize, columns: usize) -> Case {
    Case {
        steps: 1,
        ..Case::new(name, (rows * columns) as u32)
    }
}

fn plain<M: Meter>(
    name: &'static str,
    gemv: Gemv,
    rows: usize,
    tile: &Tile<'_>,
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let mut case = case(name, rows, tile.columns);
    let mut outputs = [0; TILE];
    for first in (0..rows).step_by(TILE) {
        let count = TILE.min(rows - first);
        let weights = tile.weights.get(..count * tile.columns).unwrap_or(&[]);
        let outputs = outputs.get_mut(..count).unwrap_or(&mut []);
        meter.start();
        gemv(black_box(weights), black_box(&*tile.activations), outputs);
        meter.stop();
        for &output in outputs.iter() {
            case.digest(output as u32);
        }
    }
    meter.finish(&case).map_err(Error::Meter)
}

/// Preparing the activations and all rows' dot products.
fn dense<M: Meter>(
    name: &'static str,
    bits: WeightBits,
    rows: usize,
    tile: Tile<'_>,
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let target = Selected::TARGET;
    let width = target.row_columns(bits, tile.columns);
    let (stored, rest) = carve(tile.rest, target.row_words(bits, TILE, tile.columns))?;
    let (digits, rest) = carve(rest, width / 4)?;
    let (words, _) = carve(rest, target.plane_words(bits, width))?;
    target.encode_rows(bits, tile.weights, tile.columns, stored);
    digits.fill(0);
    for (byte, &a) in digits.as_mut_bytes().iter_mut().zip(&*tile.activations) {
        *byte = a as u8;
    }
    let largest = (tile.activations.iter().map(|a| u32::from(a.unsigned_abs()))).max();
    let row_sum = (tile.weights.chunks_exact(tile.columns))
        .map(|row| row.iter().map(|w| u32::from(w.unsigned_abs())).sum())
        .max();
    let chunk = Selected::chunk(
        bits,
        largest.unwrap_or(1).max(1),
        row_sum.unwrap_or(0),
        width,
    );
    let list: [u16; TILE] = core::array::from_fn(|row| row as u16);

    let mut case = case(name, rows, tile.columns);
    meter.start();
    Selected::plane(bits, black_box(digits), width, chunk, words);
    meter.stop();
    let plane = Plane {
        words,
        columns: width,
        chunk,
        bits,
    };
    let mut outputs = [0; TILE];
    for first in (0..rows).step_by(TILE) {
        let list = list.get(..TILE.min(rows - first)).unwrap_or(&[]);
        meter.start();
        Selected::dots(black_box(stored), &plane, list, &mut outputs);
        meter.stop();
        for &output in outputs.iter().take(list.len()) {
            case.digest(output as u32);
        }
    }
    meter.finish(&case).map_err(Error::Meter)
}
