//! The prediction pass alone: some columns of a small LSTM's matrix, with
//! weights of 8 and of 4 bits.
//!
//! Some panels stand for all of them, applied again and again: without caches
//! that costs what the matrix would.

use core::hint::black_box;

use pg_runtime::kernels::changes::END;
use pg_runtime::kernels::{Changes, Kernels, Selected};
use pg_runtime::layout::WeightBits;
use zerocopy::{FromBytes, IntoBytes};

use super::{Error, carve};
use crate::meter::{Case, Meter};

const ROWS: usize = 512;
const COLUMNS: usize = 168;
/// Columns to add, and as many to subtract: 14 % of all.
const LISTED: usize = 12;
/// Rows that are kept in memory.
const TILE: usize = 64;
const HEIGHT: usize = Selected::TARGET.panel();

const CASES: [(WeightBits, &str); 2] = [
    (WeightBits::Eight, "columns8-512x24"),
    (WeightBits::Four, "columns4-512x24"),
];

/// Runs the cases.
pub fn run<M: Meter>(arena: &mut [u32], meter: &mut M) -> Result<(), Error<M::Error>> {
    for (bits, name) in CASES {
        let target = Selected::TARGET;
        let (weights, rest) = carve(arena, TILE * COLUMNS / 4)?;
        let (panel, rest) = carve(rest, target.panel_words(bits, TILE, COLUMNS))?;
        let (accumulators, _) = carve(rest, TILE / 2)?;
        let weights = <[i8]>::mut_from_bytes(weights.as_mut_bytes()).unwrap_or(&mut []);
        for (k, weight) in weights.iter_mut().enumerate() {
            *weight = ((k % (2 * bits.max() as usize + 1)) as i32 - bits.max() as i32) as i8;
        }
        target.encode_panels(bits, weights, COLUMNS, panel.as_mut_bytes());
        accumulators.fill(0);
        let mut lists = [[END; LISTED + 1]; 2];
        for (k, entries) in lists.as_flattened_mut().iter_mut().enumerate() {
            let (list, place) = (k / (LISTED + 1), k % (LISTED + 1));
            if place < LISTED {
                *entries = ((7 * (2 * place + list)) * HEIGHT) as u32;
            }
        }
        let changes = Changes {
            plus: &lists[0],
            minus: &lists[1],
        };
        let mut case = Case {
            steps: 1,
            ..Case::new(name, (ROWS * 2 * LISTED) as u32)
        };
        for _ in 0..ROWS / TILE {
            meter.start();
            Selected::predict(bits, black_box(accumulators), panel, COLUMNS, &changes);
            meter.stop();
        }
        let mut predictions = [0; TILE];
        Selected::load(accumulators, &mut predictions);
        for prediction in predictions {
            case.digest(i32::from(prediction) as u32);
        }
        meter.finish(&case).map_err(Error::Meter)?;
    }
    Ok(())
}
