//! What is measured.

use core::hint::black_box;

use pg_runtime::engine::{Engine, Output};
use pg_runtime::error::EngineError;
use pg_runtime::image::Image;
use pg_runtime::layers::Layer;
use zerocopy::FromBytes;

use crate::inputs::Inputs;
use crate::meter::{Case, Meter, calibration};
use crate::plain;

/// Iterations of the loop of known length.
const CALIBRATION: u32 = 10_000;
/// Rows of a plain matrix that are kept in memory.
const TILE: usize = 64;

/// A plain loop over weights, activations and outputs.
type Gemv = fn(&[i8], &[i8], &mut [i32]);

/// The plain loops at the sizes of a small and a large LSTM: 40 inputs and 128
/// hidden units, and 300 of both.
const PLAIN: [(&str, Gemv, [usize; 2]); 4] = [
    ("plain-512x168", plain::gemv, [512, 168]),
    ("plain-1200x600", plain::gemv, [1200, 600]),
    ("blocked-512x168", plain::gemv_blocked, [512, 168]),
    ("blocked-1200x600", plain::gemv_blocked, [1200, 600]),
];

/// Why the benches stopped; `M` is the meter's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Error<M> {
    /// The engine refused; with `InputLength`, the frames are another model's.
    Engine(EngineError),
    /// The image is too short to lend its bytes as a plain matrix.
    ImageTooShort,
    /// The meter failed.
    Meter(M),
}

/// Runs every case.
///
/// # Errors
/// [`Error`] names what stopped it; finished cases are with the meter.
pub fn run<M: Meter>(
    bytes: &[u8],
    image: &Image<'_>,
    inputs: &Inputs<'_>,
    arena: &mut [u32],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    known_loop(meter)?;
    engine(image, inputs, arena, meter)?;
    for (name, gemv, shape) in PLAIN {
        plain_gemv(name, gemv, shape, bytes, meter)?;
    }
    Ok(())
}

/// A loop whose instructions are known: the check of the meter itself.
fn known_loop<M: Meter>(meter: &mut M) -> Result<(), Error<M::Error>> {
    meter.start();
    calibration(CALIBRATION);
    meter.stop();
    let case = Case {
        name: "calibration",
        steps: CALIBRATION,
        macs: 0,
        check: 0,
    };
    meter.finish(&case).map_err(Error::Meter)
}

/// A function of its own, as in an application: inlined into the bench, its
/// code would change with every case that is added.
#[inline(never)]
fn push<'e>(engine: &'e mut Engine<'_, '_>, codes: &[i8]) -> Result<Output<'e>, EngineError> {
    engine.push(codes)
}

/// The whole engine: one step per frame, state carried throughout.
fn engine<M: Meter>(
    image: &Image<'_>,
    inputs: &Inputs<'_>,
    arena: &mut [u32],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let mut engine = Engine::new(image, arena).map_err(Error::Engine)?;
    let mut case = Case {
        name: "engine-push",
        steps: 0,
        macs: image.layers().map(|layer| dense_macs(&layer)).sum(),
        check: 0,
    };
    for frame in inputs.frames() {
        let codes = <[i8]>::ref_from_bytes(frame).unwrap_or(&[]);
        meter.start();
        let output = push(&mut engine, codes);
        meter.stop();
        let output = output.map_err(Error::Engine)?;
        for &value in output.posteriors {
            case.digest(u32::from(value));
        }
        case.steps += 1;
    }
    meter.finish(&case).map_err(Error::Meter)
}

/// Multiply-accumulates of one dense step of a layer.
fn dense_macs(layer: &Layer<'_>) -> u32 {
    match layer {
        Layer::Lstm(l) => (l.row_count() * l.columns()) as u32,
        Layer::Dense(l) => (l.outputs() * l.inputs()) as u32,
        Layer::MeanPool(_) | Layer::AttentionPool(_) => 0,
    }
}

/// A plain int8 loop on a matrix of `[rows, columns]`.
///
/// The matrix is a tile of rows, multiplied again and again until all rows
/// are done: without caches that costs what the whole matrix would, and it
/// leaves room on small boards. The weights are bytes of the image, as good
/// as any: the loop takes the same time for all.
fn plain_gemv<M: Meter>(
    name: &'static str,
    gemv: Gemv,
    [rows, columns]: [usize; 2],
    bytes: &[u8],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let (weights, rest) = bytes
        .split_at_checked(TILE * columns)
        .ok_or(Error::ImageTooShort)?;
    let activations = rest.get(..columns).ok_or(Error::ImageTooShort)?;
    let signed = |bytes| <[i8]>::ref_from_bytes(bytes).unwrap_or(&[]);
    let (weights, activations) = (signed(weights), signed(activations));
    let mut outputs = [0; TILE];
    let mut case = Case {
        name,
        steps: 1,
        macs: (rows * columns) as u32,
        check: 0,
    };
    let mut left = rows;
    while left > 0 {
        let count = left.min(TILE);
        let tile = weights.get(..count * columns).unwrap_or(&[]);
        let outputs = outputs.get_mut(..count).unwrap_or(&mut []);
        meter.start();
        gemv(black_box(tile), black_box(activations), outputs);
        meter.stop();
        for &output in outputs.iter() {
            case.digest(output as u32);
        }
        left -= count;
    }
    meter.finish(&case).map_err(Error::Meter)
}
