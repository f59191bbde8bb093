//! A trained network in numbers, for `inspect`.
use super::model::{ImageMeta, ImageModel};
use super::{Op, Role};
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// A layer in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// Name.
    pub name: String,
    /// What it computes.
    pub kind: &'static str,
    /// Height, width and channels of its output.
    pub output: [usize; 3],
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-accumulates, dense.
    pub macs: u64,
    /// Share of outputs closed, where there is a gate.
    pub sparsity: Option<f64>,
    /// Smallest, median and largest threshold.
    pub thresholds: Option<[f32; 3]>,
    /// Largest value of its output.
    pub clip: Option<f32>,
}

/// A trained network in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkReport {
    /// What is known about it.
    pub meta: ImageMeta,
    /// Its layers.
    pub nodes: Vec<NodeReport>,
}

impl NetworkReport {
    /// Describes `model`.
    ///
    /// # Errors
    /// When its description is not consistent.
    pub fn of(model: &ImageModel) -> Result<Self> {
        let network = &model.meta.network;
        let (shapes, macs) = (network.shapes()?, network.macs()?);
        let parameters = model.parameters()?;
        let mut nodes = Vec::new();
        for (k, node) in network.nodes.iter().enumerate() {
            let prefix = format!("{}.", node.name);
            let own = parameters.iter().filter(|p| {
                p.name.starts_with(&prefix) && matches!(p.role, Role::Weight | Role::Bias)
            });
            let clip = match &node.op {
                Op::Conv(c) => Some(&c.quantiser.clip),
                Op::AveragePool { quantiser, .. } | Op::GlobalAverage { quantiser } => {
                    Some(&quantiser.clip)
                }
                _ => None,
            };
            let clip = clip.and_then(|c| model.get(&format!("{c}.clip")).ok()?.first().copied());
            let gate = model.meta.test.layers.iter().find(|g| g.name == node.name);
            let mut thresholds = (model.values.get(&format!("{prefix}threshold")))
                .cloned()
                .unwrap_or_default();
            thresholds.sort_by(f32::total_cmp);
            let at = |i: usize| thresholds.get(i).copied();
            let range = at(0)
                .zip(at(thresholds.len() / 2))
                .zip(thresholds.last().copied());
            nodes.push(NodeReport {
                name: node.name.clone(),
                kind: match &node.op {
                    Op::Conv(c) if c.depthwise => "depthwise",
                    Op::Conv(c) if c.gated => "gated conv",
                    Op::Conv(_) => "conv",
                    Op::Shift { .. } => "shift",
                    Op::Channels { .. } => "channels",
                    Op::Interleave => "interleave",
                    Op::MaxPool(_) => "max pool",
                    Op::AveragePool { .. } | Op::GlobalAverage { .. } => "average pool",
                    Op::Dense => "dense",
                },
                output: shapes[k + 1],
                parameters: own.map(super::Parameter::len).sum(),
                macs: macs[k],
                sparsity: gate.map(|g| g.sparsity),
                thresholds: range.map(|((low, middle), high)| [low, middle, high]),
                clip,
            });
        }
        Ok(Self {
            meta: model.meta.clone(),
            nodes,
        })
    }
}

impl fmt::Display for NetworkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.meta;
        writeln!(
            f,
            "{} ({}), trained by {}: {:?}, activations {} bits, prediction {} bits, weights {} bits",
            m.network.name,
            m.recipe,
            m.command,
            m.kind,
            m.activation_bits,
            m.msb_bits,
            m.weight_bits
        )?;
        writeln!(
            f,
            "epoch {}: test accuracy {:.2} %, Sp {:.1} %, B_avg {:.2}, MACs executed {:.1} %",
            m.epoch,
            100.0 * m.test.accuracy,
            100.0 * m.test.sparsity,
            m.test.bits,
            100.0 * m.test.executed
        )?;
        writeln!(
            f,
            "{:<28} {:<12} {:>13} {:>10} {:>12} {:>8} {:>7}  thresholds",
            "layer", "kind", "output", "parameters", "MACs", "clip", "Sp"
        )?;
        for n in &self.nodes {
            let [height, width, channels] = n.output;
            let clip = n.clip.map_or(String::new(), |c| format!("{c:.3}"));
            let sparsity = n
                .sparsity
                .map_or(String::new(), |s| format!("{:.1} %", 100.0 * s));
            let [low, middle, high] = n.thresholds.unwrap_or_default();
            let thresholds = if n.thresholds.is_some() {
                format!("{low:.3} to {high:.3}, median {middle:.3}")
            } else {
                String::new()
            };
            writeln!(
                f,
                "{:<28} {:<12} {:>13} {:>10} {:>12} {clip:>8} {sparsity:>7}  {thresholds}",
                n.name,
                n.kind,
                format!("{height}x{width}x{channels}"),
                n.parameters,
                n.macs
            )?;
        }
        let parameters: usize = self.nodes.iter().map(|n| n.parameters).sum();
        write!(
            f,
            "{parameters} weights and biases, {:.0} s of training",
            m.seconds
        )
    }
}
