//! A network made ready to run: shapes, formats of maps, places of parameters.
use super::kernels::Shape;
use super::kernels::conv::Geometry;
use super::kernels::norm::{Codes, Place};
use super::kernels::pad::Digits;
use crate::model::ModelKind;
use crate::network::{Conv, EDGE_BITS, Network, Op, Parameter, Quantiser, Role};
use anyhow::{Context, Result};
use pg_runtime::quant::Split;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;

/// What a threshold is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdUnit {
    /// The convolution's own unit, as published.
    Accumulator,
    /// Standard deviations above the mean of the channel, both as batch norm
    /// tracks them: the share of open outputs no longer depends on the size of
    /// the weights, which weight decay changes.
    Deviation,
}

/// How the layers compute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arithmetic {
    /// Float, quantised, gated.
    pub kind: ModelKind,
    /// Bits of an activation, B.
    pub activation_bits: u8,
    /// Bits of the prediction digit.
    pub msb_bits: u8,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Ranges follow LSQ (Esser et al., ICLR 2020), not PACT (Choi et al., 2018).
    pub lsq: bool,
    /// Slope of the gate's surrogate gradient, per [`ThresholdUnit`].
    pub alpha: f32,
    /// Let the gate's gradient pass only where it is open.
    pub sparse_backprop: bool,
    /// What thresholds are measured in.
    pub unit: ThresholdUnit,
    /// Channels that share a threshold.
    pub block: usize,
    /// Channels that open together.
    pub group: usize,
    /// Value of one code of the input image.
    pub input_scale: f32,
}

impl Arithmetic {
    /// Whether codes are rounded.
    pub fn quantised(&self) -> bool {
        self.kind != ModelKind::Float
    }

    /// Largest weight code; none in floating point.
    pub fn weight_max(&self) -> Option<f32> {
        let max = f32::from((1u16 << (self.weight_bits - 1)) - 1);
        self.quantised().then_some(max)
    }
}

/// Codes of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Codes have a sign.
    pub signed: bool,
    /// Bits of a code.
    pub bits: u8,
    /// Place of its range among the trained parameters; none for the image.
    pub clip: Option<usize>,
}

impl Format {
    /// The quantiser that makes such codes.
    pub fn codes(&self, a: &Arithmetic, values: &[f32]) -> Codes {
        match self.clip {
            Some(at) if a.quantised() => Codes::whole(values[at], self.bits, self.signed, a.lsq),
            _ => Codes::Real { relu: !self.signed },
        }
    }
}

/// A convolution's parameters and surroundings.
#[derive(Clone, Debug)]
pub struct ConvStep {
    /// Shapes.
    pub geometry: Geometry,
    /// Every channel by itself.
    pub depthwise: bool,
    /// There is a gate, and the arithmetic has gates.
    pub gated: bool,
    /// Digits of the input.
    pub digits: Digits,
    /// Place of the weights.
    pub weight: Range<usize>,
    /// Of the thresholds.
    pub threshold: Option<Range<usize>>,
    /// Of gamma.
    pub gamma: Range<usize>,
    /// Of beta.
    pub beta: Range<usize>,
    /// Of mean and variance, in the statistics.
    pub mean: Range<usize>,
    /// Likewise.
    pub variance: Range<usize>,
    /// Map that is added, and where it goes.
    pub added: Option<(usize, Place)>,
}

/// Where a parameter lies.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Name, shape, role.
    pub parameter: Parameter,
    /// Its elements, in the statistics for a mean or a variance, else in the
    /// trained values.
    pub range: Range<usize>,
}

impl Placed {
    /// Whether batch norm tracks it instead of the optimiser training it.
    pub fn tracked(&self) -> bool {
        matches!(self.parameter.role, Role::Mean | Role::Variance)
    }
}

/// A network ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The description.
    pub network: Network,
    /// How layers compute.
    pub arithmetic: Arithmetic,
    /// Shape of every map.
    pub shapes: Vec<Shape>,
    /// Codes of every map.
    pub formats: Vec<Format>,
    /// The convolution of every node that is one.
    pub convs: Vec<Option<ConvStep>>,
    /// Every parameter, in order.
    pub parameters: Vec<Placed>,
    /// Number of trained values.
    pub trained: usize,
    /// Number of tracked statistics.
    pub tracked: usize,
}

impl Plan {
    /// Makes `network` ready.
    ///
    /// # Errors
    /// When the description is not consistent.
    pub fn new(network: Network, arithmetic: Arithmetic) -> Result<Self> {
        let shapes = network.shapes()?;
        let (mut trained, mut tracked) = (0, 0);
        let mut parameters = Vec::new();
        for parameter in network.parameters(arithmetic.block)? {
            let mut placed = Placed {
                range: 0..parameter.len(),
                parameter,
            };
            let end = if placed.tracked() {
                &mut tracked
            } else {
                &mut trained
            };
            placed.range = *end..*end + placed.range.len();
            *end = placed.range.end;
            parameters.push(placed);
        }
        let mut plan = Self {
            shapes,
            formats: vec![Format {
                signed: true,
                bits: EDGE_BITS,
                clip: None,
            }],
            convs: Vec::new(),
            parameters,
            trained,
            tracked,
            arithmetic,
            network,
        };
        let places: HashMap<String, Range<usize>> = (plan.parameters.iter())
            .map(|p| (p.parameter.name.clone(), p.range.clone()))
            .collect();
        for k in 0..plan.network.nodes.len() {
            let node = plan.network.nodes[k].clone();
            let format = match &node.op {
                Op::Conv(c) => plan.format(&c.quantiser, &places)?,
                Op::AveragePool { quantiser, .. } | Op::GlobalAverage { quantiser } => {
                    plan.format(quantiser, &places)?
                }
                _ => plan.formats[node.inputs[0]],
            };
            let conv = match &node.op {
                Op::Conv(c) => Some(plan.conv(k, &node.name, c, node.inputs[0], &places)?),
                _ => None,
            };
            plan.formats.push(format);
            plan.convs.push(conv);
        }
        Ok(plan)
    }

    fn format(&self, q: &Quantiser, places: &HashMap<String, Range<usize>>) -> Result<Format> {
        let name = format!("{}.clip", q.clip);
        let clip = places.get(&name).with_context(|| format!("no {name}"))?;
        Ok(Format {
            signed: q.signed,
            bits: q.bits.unwrap_or(self.arithmetic.activation_bits),
            clip: Some(clip.start),
        })
    }

    fn conv(
        &self,
        k: usize,
        name: &str,
        c: &Conv,
        input: usize,
        places: &HashMap<String, Range<usize>>,
    ) -> Result<ConvStep> {
        let place = |what: &str| {
            let name = format!("{name}.{what}");
            places
                .get(&name)
                .cloned()
                .with_context(|| format!("no {name}"))
        };
        let a = &self.arithmetic;
        let format = self.formats[input];
        // The rest digit has the same bits whatever the codes' own.
        let rest = a.activation_bits.saturating_sub(a.msb_bits);
        let digits = if rest == 0 {
            Digits::Whole
        } else {
            let split = Split::new(format.bits, format.bits.saturating_sub(rest), format.signed)
                .with_context(|| {
                    format!(
                        "{rest} of the {} bits that {name} reads are no digit",
                        format.bits
                    )
                })?;
            Digits::of(split, format.signed)
        };
        Ok(ConvStep {
            geometry: Geometry {
                input: self.shapes[input],
                output: self.shapes[k + 1],
                kernel: c.kernel,
                stride: c.stride,
                pad: c.pad,
            },
            depthwise: c.depthwise,
            gated: c.gated && a.kind == ModelKind::Gated,
            digits,
            weight: place("weight")?,
            threshold: if c.gated {
                Some(place("threshold")?)
            } else {
                None
            },
            gamma: place("gamma")?,
            beta: place("beta")?,
            mean: place("mean")?,
            variance: place("var")?,
            added: c.shortcut.map(|s| {
                let place = Place {
                    shape: self.shapes[s.map],
                    stride: s.stride,
                    first: s.first,
                };
                (s.map, place)
            }),
        })
    }

    /// Place of the parameter `node.what`.
    pub fn place(&self, node: &str, what: &str) -> Option<Range<usize>> {
        let name = format!("{node}.{what}");
        let of_name = |p: &&Placed| p.parameter.name == name;
        self.parameters
            .iter()
            .find(of_name)
            .map(|p| p.range.clone())
    }

    /// Thresholds and slopes per output channel in real units of the
    /// convolution, and the factor from such a threshold's gradient to the parameter's.
    pub fn gate(&self, step: &ConvStep, values: &[f32], tracked: &[f32]) -> [Vec<f32>; 3] {
        let a = &self.arithmetic;
        let Some(range) = &step.threshold else {
            return [Vec::new(), Vec::new(), Vec::new()];
        };
        let thresholds = &values[range.clone()];
        let n = step.geometry.output[2];
        let (mean, variance) = (&tracked[step.mean.clone()], &tracked[step.variance.clone()]);
        let of = |c: usize| match a.unit {
            ThresholdUnit::Accumulator => (0.0, 1.0),
            ThresholdUnit::Deviation => (mean[c], deviation(variance[c])),
        };
        let threshold = |c: usize| thresholds[c / a.block] * of(c).1 + of(c).0;
        [
            (0..n).map(threshold).collect(),
            (0..n).map(|c| a.alpha / of(c).1).collect(),
            (0..n).map(|c| of(c).1).collect(),
        ]
    }
}

/// Standard deviation as batch norm uses it.
pub fn deviation(variance: f32) -> f32 {
    (variance + crate::network::EPSILON).sqrt()
}
