//! The layers of an image network, one by one: what each costs within the
//! engine, on the pictures given.

use pg_runtime::engine::Engine;
use pg_runtime::image::Image;
use pg_runtime::probe::LayerCounts;
use zerocopy::FromBytes;

use super::Error;
use crate::inputs::Inputs;
use crate::meter::{Case, Meter};

/// Names of the cases, by the layer's number in the image.
const NAMES: [&str; 64] = [
    "layer-0", "layer-1", "layer-2", "layer-3", "layer-4", "layer-5", "layer-6", "layer-7",
    "layer-8", "layer-9", "layer-10", "layer-11", "layer-12", "layer-13", "layer-14", "layer-15",
    "layer-16", "layer-17", "layer-18", "layer-19", "layer-20", "layer-21", "layer-22", "layer-23",
    "layer-24", "layer-25", "layer-26", "layer-27", "layer-28", "layer-29", "layer-30", "layer-31",
    "layer-32", "layer-33", "layer-34", "layer-35", "layer-36", "layer-37", "layer-38", "layer-39",
    "layer-40", "layer-41", "layer-42", "layer-43", "layer-44", "layer-45", "layer-46", "layer-47",
    "layer-48", "layer-49", "layer-50", "layer-51", "layer-52", "layer-53", "layer-54", "layer-55",
    "layer-56", "layer-57", "layer-58", "layer-59", "layer-60", "layer-61", "layer-62", "layer-63",
];

/// Runs the cases: the whole network for each layer, of which that layer counts.
pub fn run<M: Meter>(
    image: &Image<'_>,
    inputs: &Inputs<'_>,
    arena: &mut [u32],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let mut engine = Engine::new(image, arena).map_err(Error::Engine)?;
    for (measured, name) in NAMES.into_iter().enumerate().take(image.layers().count()) {
        let mut case = Case::new(name, 0);
        for frame in inputs.frames() {
            let codes = <[i8]>::ref_from_bytes(frame).unwrap_or(&[]);
            if measured == 0 {
                meter.start();
            }
            let mut probe = |done: usize, counts: LayerCounts| {
                if done == measured {
                    meter.stop();
                    case.macs = counts.dense_macs;
                    case.digest(counts.macs);
                } else if done + 1 == measured {
                    meter.start();
                }
            };
            let pushed = engine.push_probed(codes, &mut probe);
            pushed.map_err(Error::Engine)?;
            case.steps += 1;
        }
        meter.finish(&case).map_err(Error::Meter)?;
    }
    Ok(())
}
