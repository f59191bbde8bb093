//! The whole engine: one step per frame, state carried throughout.

use pg_runtime::engine::{Engine, Output};
use pg_runtime::error::EngineError;
use pg_runtime::image::Image;
use pg_runtime::layers::Layer;
use zerocopy::FromBytes;

use super::Error;
use crate::inputs::Inputs;
use crate::meter::{Case, Meter};

/// A function of its own, as in an application: inlined into the bench, its
/// code would change with every case that is added.
#[inline(never)]
fn push<'e>(engine: &'e mut Engine<'_, '_>, codes: &[i8]) -> Result<Output<'e>, EngineError> {
    engine.push(codes)
}

/// Runs the case.
pub fn run<M: Meter>(
    image: &Image<'_>,
    inputs: &Inputs<'_>,
    arena: &mut [u32],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let mut engine = Engine::new(image, arena).map_err(Error::Engine)?;
    let macs = image.layers().map(|layer| dense_macs(&layer)).sum();
    let mut case = Case::new("engine-push", macs);
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
        Layer::Map(l) => l.dense_macs(),
        Layer::MeanPool(_) | Layer::AttentionPool(_) => 0,
    }
}
