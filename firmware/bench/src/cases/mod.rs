//! What is measured.

mod columns;
mod conv;
mod engine;
mod gemv;
mod layers;
mod lstm;

use pg_runtime::error::EngineError;
use pg_runtime::image::Image;

use crate::inputs::Inputs;
use crate::meter::{Case, Meter, calibration};

/// Iterations of the loop of known length.
const CALIBRATION: u32 = 10_000;

/// Why the benches stopped; `M` is the meter's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Error<M> {
    /// The engine refused; with `InputLength`, the frames are another model's.
    Engine(EngineError),
    /// The arena is too small for a case.
    Arena {
        /// Words needed.
        needed: u32,
        /// Words given.
        given: u32,
    },
    /// The meter failed.
    Meter(M),
}

/// Runs every case; of an image network, the whole and its layers.
///
/// # Errors
/// [`Error`] names what stopped it; finished cases are with the meter.
pub fn run<M: Meter>(
    image: &Image<'_>,
    inputs: &Inputs<'_>,
    arena: &mut [u32],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    known_loop(meter)?;
    engine::run(image, inputs, arena, meter)?;
    if image.graph().is_some() {
        return layers::run(image, inputs, arena, meter);
    }
    lstm::run(image, inputs, arena, meter)?;
    columns::run(arena, meter)?;
    gemv::run(arena, meter)?;
    conv::run(arena, meter)
}

/// A loop whose instructions are known: the check of the meter itself.
fn known_loop<M: Meter>(meter: &mut M) -> Result<(), Error<M::Error>> {
    meter.start();
    calibration(CALIBRATION);
    meter.stop();
    let case = Case {
        steps: CALIBRATION,
        ..Case::new("calibration", 0)
    };
    meter.finish(&case).map_err(Error::Meter)
}

/// The first `needed` words of the arena, and the rest.
fn carve<E>(arena: &mut [u32], needed: usize) -> Result<(&mut [u32], &mut [u32]), Error<E>> {
    let given = arena.len() as u32;
    arena.split_at_mut_checked(needed).ok_or(Error::Arena {
        needed: needed as u32,
        given,
    })
}
