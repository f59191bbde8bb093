//! Convolutions of the sizes of a ResNet-20, on synthetic maps: half-normal
//! codes, of whose prediction digits some 30 % are not zero, and thresholds
//! that leave some 15 % of the outputs open.
//!
//! Each with its gate, with every gate open, and without a gate: dot products
//! with the same codes of four bits.

mod layer;

use pg_runtime::gate::GateKind;
use pg_runtime::quant::Split;

use super::Error;
use crate::meter::Meter;
use layer::{Layer, MOST};

/// Kernel, channels in and out, edges of the map.
struct Size {
    kernel: usize,
    channels: usize,
    edges: [usize; 2],
    /// Without a gate; then for each split with its gate, and all gates open.
    names: [&'static str; 5],
}

/// The name of a case in all its variants.
macro_rules! size {
    ($name:literal, $kernel:literal, $channels:literal, $height:literal, $width:literal) => {
        Size {
            kernel: $kernel,
            channels: $channels,
            edges: [$height, $width],
            names: [
                concat!("conv-", $name, "-dense"),
                concat!("conv-", $name, "-4-2-gated"),
                concat!("conv-", $name, "-4-2-open"),
                concat!("conv-", $name, "-4-3-gated"),
                concat!("conv-", $name, "-4-3-open"),
            ],
        }
    };
}

const SIZES: [Size; 4] = [
    size!("3x3x16", 3, 16, 16, 32),
    size!("3x3x32", 3, 32, 16, 16),
    size!("3x3x64", 3, 64, 8, 8),
    size!("1x1x64", 1, 64, 8, 8),
];
/// Splits, and the sixteenths of a code in a standard deviation: both give 30 %
/// of prediction digits that are not zero.
const SPLITS: [(u8, i32); 2] = [(2, 107), (3, 46)];

/// Runs the cases.
pub fn run<M: Meter>(arena: &mut [u32], meter: &mut M) -> Result<(), Error<M::Error>> {
    for size in &SIZES {
        for (index, (msb_bits, sigma)) in SPLITS.into_iter().enumerate() {
            let Some(split) = Split::new(4, msb_bits, false) else {
                continue;
            };
            if index == 0 {
                let mut layer = Layer::new(arena, size, split, sigma, false)?;
                layer.measure(size.names[0], GateKind::Open, [0; MOST], meter)?;
            }
            let mut layer = Layer::new(arena, size, split, sigma, true)?;
            let (thresholds, requant) = layer.calibrate();
            layer.requant = requant;
            let names = [size.names[1 + 2 * index], size.names[2 + 2 * index]];
            layer.measure(names[0], GateKind::Above, thresholds, meter)?;
            layer.measure(names[1], GateKind::Open, [0; MOST], meter)?;
        }
    }
    Ok(())
}
