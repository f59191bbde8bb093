//! The LSTM's step alone, under every strategy: what skipping zeros, skipping
//! what did not change, and gating each are worth, on the same weights and the
//! same frames.

use pg_runtime::image::Image;
use pg_runtime::layers::{Layer, Lstm, LstmState, Strategy};
use zerocopy::FromBytes;

use super::{Error, carve};
use crate::inputs::Inputs;
use crate::meter::{Case, Meter};

/// How a case runs the layer.
struct Variant {
    name: &'static str,
    /// With the model's gates, or all of them open.
    gated: bool,
    strategy: Strategy,
    /// Every digit changed, by as much as can be, before every step.
    all_changed: bool,
}

impl Variant {
    const fn new(name: &'static str, gated: bool, strategy: Strategy) -> Self {
        Self {
            name,
            gated,
            strategy,
            all_changed: false,
        }
    }
}

/// The product first, then what it is compared with.
const VARIANTS: [Variant; 8] = [
    Variant::new("lstm", true, Strategy::Auto),
    Variant::new("lstm-dense-open", false, Strategy::Dense),
    Variant::new("lstm-dense-gated", true, Strategy::Dense),
    Variant::new("lstm-nonzero-open", false, Strategy::FromZero),
    Variant::new("lstm-nonzero-gated", true, Strategy::FromZero),
    Variant::new("lstm-delta-open", false, Strategy::Delta),
    Variant::new("lstm-delta-gated", true, Strategy::Delta),
    Variant {
        all_changed: true,
        ..Variant::new("lstm-all-changed", true, Strategy::Auto)
    },
];

/// A function of its own, as in an application.
#[inline(never)]
fn step(
    layer: &Lstm<'_>,
    state: &mut LstmState<'_>,
    scratch: &mut [u32],
    strategy: Strategy,
    codes: &[i8],
    hidden: &mut [i8],
) {
    layer.step::<false>(state, scratch, strategy, codes, hidden);
}

/// Runs the cases, if the image's first layer is an LSTM.
pub fn run<M: Meter>(
    image: &Image<'_>,
    inputs: &Inputs<'_>,
    arena: &mut [u32],
    meter: &mut M,
) -> Result<(), Error<M::Error>> {
    let Some(Layer::Lstm(lstm)) = image.layers().next() else {
        return Ok(());
    };
    for variant in &VARIANTS {
        let layer = if variant.gated {
            lstm
        } else {
            lstm.with_open_gates()
        };
        let (state, rest) = carve(arena, layer.state_words())?;
        let (scratch, rest) = carve(rest, layer.scratch_words())?;
        let (hidden, _) = carve(rest, layer.hidden().div_ceil(4))?;
        let hidden = <[i8]>::mut_from_bytes(zerocopy::IntoBytes::as_mut_bytes(hidden));
        let hidden = hidden.unwrap_or(&mut []);
        let mut state = layer.state(state);
        layer.reset(&mut state, scratch);
        let macs = (layer.row_count() * layer.columns()) as u32;
        let mut case = Case::new(variant.name, macs);
        for frame in inputs.frames() {
            let codes = <[i8]>::ref_from_bytes(frame).unwrap_or(&[]);
            if variant.all_changed {
                state.forget_digits();
            }
            meter.start();
            step(&layer, &mut state, scratch, variant.strategy, codes, hidden);
            meter.stop();
            for &code in hidden.iter() {
                case.digest(code as u32);
            }
            case.steps += 1;
        }
        meter.finish(&case).map_err(Error::Meter)?;
    }
    Ok(())
}
