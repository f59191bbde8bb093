//! From a trained image network to a model image: batch norm folded, every
//! scale an integer.
//!
//! With `s_x`, `s_y` the values of one code of the input and the output, `s_w`
//! that of a channel's weights and `u = s_x s_w` that of its accumulator `z`,
//!
//! ```text
//! g = gamma / sqrt(var + EPSILON)
//! y / s_y = (z + bias) u g / s_y        bias = round((beta / g - mean) / u)
//! open:   z_hb > floor(threshold / u) + bias
//! ```
//!
//! where the runtime's predictions include the bias, so the threshold does too.

mod arena;
mod channel;
mod lower;

pub use lower::{Lowered, Lowering, lower};

use super::model::ImageModel;
use super::{Conv, Op, Quantiser};
use crate::export::{ExportOptions, Projection, dense};
use crate::image::{
    ConvSpec, DenseSpec, DepthwiseSpec, GateSpec, GraphSpec, ImageBytes, ImageSpec, LayerSpec,
    MapLayerSpec, MapOpSpec, ResidualSpec, TestSpec, build,
};
use crate::model::ModelKind;
use crate::quantise::requant;
use anyhow::{Context, Result, bail, ensure};
use channel::Folded;
use pg_runtime::gate::GateKind;
use pg_runtime::layers::{Format, Window};
use pg_runtime::layout::Target;
use pg_runtime::quant::{Requant, Split};

/// Sixteenths of a code, in which residuals are added.
const SIXTEENTHS: f64 = 16.0;
/// Bits of the digit of codes that no gate splits.
const WHOLE: u8 = 4;
/// Largest picture that an image carries to test itself with.
const LARGEST_TEST: usize = 1 << 14;

/// Exports a trained network for a target; `gates` false leaves every gate open,
/// which gives the plain integer network of the same weights.
///
/// # Errors
///
/// If the model is floating-point, inconsistent, or beyond the format's ranges.
pub fn export(model: &ImageModel, target: Target, gates: bool) -> Result<ImageBytes> {
    build(&spec(model, gates)?, target)
}

/// The integers of a trained network.
///
/// # Errors
///
/// As [`export`].
pub fn spec(model: &ImageModel, gates: bool) -> Result<ImageSpec> {
    model.check()?;
    if model.meta.kind == ModelKind::Float {
        bail!(
            "a floating-point model has no integer image: train the recipe with mode \
             \"uniform\" or \"pg\""
        );
    }
    let network = &model.meta.network;
    let lowering = lower(network, model.meta.activation_bits)?;
    let exporter = Exporter {
        model,
        gates: gates && model.meta.kind == ModelKind::Gated,
        scales: scales(model, &lowering.formats)?,
        lowering: &lowering,
    };
    let mut layers = Vec::new();
    for lowered in &lowering.layers {
        let op = match lowered.node {
            None => MapOpSpec::Shift(None),
            Some(k) => (exporter.op(k, lowered))
                .with_context(|| format!("layer {}", network.nodes[k].name))?,
        };
        layers.push(LayerSpec::Map(MapLayerSpec {
            input: lowered.input,
            output: lowered.output,
            op,
        }));
    }
    layers.push(LayerSpec::Dense(exporter.head().context("the head")?));
    let codes = lowering.maps.first().map_or(0, |map| map.shape.len());
    Ok(ImageSpec {
        layers,
        graph: Some(GraphSpec {
            pixels: model.meta.input.norms()?,
            maps: lowering.maps,
        }),
        labels: model.meta.labels.clone(),
        audio: None,
        detector: None,
        test: TestSpec::Frames(if codes <= LARGEST_TEST {
            crate::export::test_frames(1, codes, (-127, 127))
        } else {
            Vec::new()
        }),
    })
}

/// Value of one code of every map of the network.
fn scales(model: &ImageModel, formats: &[Format]) -> Result<Vec<f64>> {
    let mut scales = vec![f64::from(model.meta.input.scale)];
    let nodes = model.meta.network.nodes.iter();
    for (node, format) in nodes.zip(formats.iter().skip(1)) {
        let of = |quantiser: &Quantiser| {
            let clip = model.get(&format!("{}.clip", quantiser.clip))?;
            let clip = clip.first().context("a range is missing")?;
            Ok::<f64, anyhow::Error>(f64::from(*clip) / f64::from(format.range().1))
        };
        scales.push(match &node.op {
            Op::Conv(conv) => of(&conv.quantiser)?,
            Op::AveragePool { quantiser, .. } | Op::GlobalAverage { quantiser } => of(quantiser)?,
            _ => scales[node.inputs[0]],
        });
    }
    Ok(scales)
}

struct Exporter<'m> {
    model: &'m ImageModel,
    lowering: &'m Lowering,
    gates: bool,
    /// Value of one code of every map of the network.
    scales: Vec<f64>,
}

impl Exporter<'_> {
    fn op(&self, k: usize, lowered: &Lowered) -> Result<MapOpSpec> {
        let node = &self.model.meta.network.nodes[k];
        let (from, to) = (node.inputs[0], k + 1);
        Ok(match &node.op {
            Op::Conv(conv) if conv.depthwise => {
                ensure!(
                    conv.shortcut.is_none(),
                    "a depthwise convolution cannot have a shortcut"
                );
                MapOpSpec::Depthwise(self.depthwise(k, conv)?)
            }
            Op::Conv(conv) => MapOpSpec::Conv(self.conv(k, conv, lowered)?),
            Op::Shift { displacement } => MapOpSpec::Shift(Some(displacement.clone())),
            Op::MaxPool(pool) => MapOpSpec::MaxPool(window(pool.kernel, pool.stride, pool.pad)),
            Op::AveragePool { pool, .. } => {
                let pixels = pool.kernel * pool.kernel;
                let window = window(pool.kernel, pool.stride, pool.pad);
                MapOpSpec::AveragePool(Some(window), self.mean(from, to, pixels)?)
            }
            Op::GlobalAverage { .. } => {
                let shape = self.lowering.maps[lowered.input.map].shape;
                let pixels = shape.height * shape.width;
                MapOpSpec::AveragePool(None, self.mean(from, to, pixels)?)
            }
            Op::Channels { .. } | Op::Interleave | Op::Dense => {
                bail!("no layer of its own")
            }
        })
    }

    /// From a sum of codes of map `from` to the mean's code of map `to`.
    fn mean(&self, from: usize, to: usize, pixels: usize) -> Result<Requant> {
        let factor = self.scales[from] / (pixels as f64 * self.scales[to]);
        requant(factor, self.reach(to) / factor)
    }

    /// Magnitude of an output, in codes, beyond which it is clamped anyway.
    fn reach(&self, map: usize) -> f64 {
        2.0 * f64::from(self.lowering.formats[map].range().1 + 1)
    }

    /// The channels of a convolution, in sixteenths of a code where there is a
    /// shortcut.
    fn folded(&self, k: usize, conv: &Conv) -> Result<Folded> {
        let node = &self.model.meta.network.nodes[k];
        let get = |what: &str| self.model.get(&format!("{}.{what}", node.name));
        let fraction = if conv.shortcut.is_some() {
            SIXTEENTHS
        } else {
            1.0
        };
        Folded::new(&channel::Trained {
            weights: get("weight")?,
            thresholds: if conv.gated { get("threshold")? } else { &[] },
            block: self.model.meta.gate_block,
            gamma: get("gamma")?,
            beta: get("beta")?,
            mean: get("mean")?,
            var: get("var")?,
            weight_max: f32::from((1u16 << (self.model.meta.weight_bits - 1)) - 1),
            input: self.scales[node.inputs[0]],
            output: self.scales[k + 1] / fraction,
            reach: self.reach(k + 1) * fraction,
        })
    }

    fn conv(&self, k: usize, conv: &Conv, lowered: &Lowered) -> Result<ConvSpec> {
        let (meta, from) = (&self.model.meta, self.model.meta.network.nodes[k].inputs[0]);
        let folded = self.folded(k, conv)?;
        let input = self.lowering.formats[from];
        let gated = self.gates && conv.gated;
        // The rest digit keeps its bits where codes have others than the recipe's.
        let rest = meta.activation_bits - meta.msb_bits;
        let msb_bits = if gated {
            input.bits().saturating_sub(rest).max(1)
        } else {
            WHOLE
        };
        let split = Split::new(input.bits(), msb_bits.min(input.bits()), input.signed());
        let split = split.with_context(|| {
            format!(
                "codes of {} bits cannot have {msb_bits} bits in the prediction digit",
                input.bits()
            )
        })?;
        let residual = match (conv.shortcut, lowered.shortcut) {
            (Some(shortcut), Some(channels)) => {
                let factor = SIXTEENTHS * self.scales[shortcut.map] / self.scales[k + 1];
                let (mult, shift) = channel::multiplier(factor).context("the shortcut")?;
                Some(ResidualSpec {
                    channels,
                    stride: shortcut.stride,
                    offset: shortcut.first,
                    mult,
                    shift,
                })
            }
            _ => None,
        };
        Ok(ConvSpec {
            window: window(conv.kernel, conv.stride, conv.pad),
            msb_bits: split.msb_bits(),
            gate: if gated {
                GateSpec {
                    kind: GateKind::Above,
                    // Units and biases differ from channel to channel.
                    block: 1,
                    thresholds: folded.thresholds,
                }
            } else {
                GateSpec::open()
            },
            group: if gated { meta.gate_group } else { 1 },
            weights: folded.weights,
            bias: folded.bias,
            requant: folded.requant,
            residual,
        })
    }

    fn depthwise(&self, k: usize, conv: &Conv) -> Result<DepthwiseSpec> {
        let folded = self.folded(k, conv)?;
        let (channels, taps) = (conv.channels, conv.kernel * conv.kernel);
        let by_tap =
            (0..taps * channels).map(|i| folded.weights[i % channels * taps + i / channels]);
        Ok(DepthwiseSpec {
            window: window(conv.kernel, conv.stride, conv.pad),
            weights: by_tap.collect(),
            bias: folded.bias,
            requant: folded.requant,
        })
    }

    fn head(&self) -> Result<DenseSpec> {
        let network = &self.model.meta.network;
        let node = network.nodes.last().context("the network is empty")?;
        let get = |what: &str| self.model.get(&format!("{}.{what}", node.name));
        let (weights, bias) = (get("weight")?, get("bias")?);
        let format = self.lowering.formats[node.inputs[0]];
        let split = Split::new(format.bits(), WHOLE.min(format.bits()), format.signed());
        let projection = Projection {
            inputs: weights.len() / network.classes.max(1),
            outputs: network.classes,
            split: split.context("bits of the codes that the head reads")?,
            weight_bits: self.model.meta.weight_bits,
            weights,
            bias,
            scale: self.scales[node.inputs[0]],
        };
        // A byte a weight, as in the convolutions.
        let options = ExportOptions {
            packed: false,
            ..ExportOptions::default()
        };
        dense(&projection, &options)
    }
}

const fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window {
        kernel,
        stride,
        padding,
    }
}
