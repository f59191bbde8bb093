//! The parameters of a network: names, shapes, order.
use super::{Network, Op, Quantiser};
use anyhow::Result;

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution or of the head.
    Weight,
    /// Thresholds of a gate.
    Threshold,
    /// Factor of a batch norm, positive.
    Gamma,
    /// Offset of a batch norm.
    Beta,
    /// Running mean; not trained.
    Mean,
    /// Running variance; not trained.
    Variance,
    /// Range of a quantiser, positive.
    Clip,
    /// Bias of the head.
    Bias,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, as in the module's table.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Network {
    /// Every parameter in order. `block` output channels share a threshold (the
    /// last block may be smaller).
    ///
    /// # Errors
    /// As [`Self::shapes`].
    pub fn parameters(&self, block: usize) -> Result<Vec<Parameter>> {
        let shapes = self.shapes()?;
        let mut all: Vec<Parameter> = Vec::new();
        let mut add = |name: String, shape: &[usize], role| {
            // A range is shared by name.
            if !(role == Role::Clip && all.iter().any(|p| p.name == name)) {
                all.push(Parameter {
                    name,
                    shape: shape.to_vec(),
                    role,
                });
            }
        };
        let clip = |q: &Quantiser| format!("{}.clip", q.clip);
        for node in &self.nodes {
            let read = shapes[node.inputs[0]][2];
            let name = |what: &str| format!("{}.{what}", node.name);
            match &node.op {
                Op::Conv(c) => {
                    let (n, k) = (c.channels, c.kernel);
                    let depth = if c.depthwise { 1 } else { read };
                    add(name("weight"), &[n, k, k, depth], Role::Weight);
                    if c.gated {
                        add(
                            name("threshold"),
                            &[n.div_ceil(block.max(1))],
                            Role::Threshold,
                        );
                    }
                    add(name("gamma"), &[n], Role::Gamma);
                    add(name("beta"), &[n], Role::Beta);
                    add(name("mean"), &[n], Role::Mean);
                    add(name("var"), &[n], Role::Variance);
                    add(clip(&c.quantiser), &[1], Role::Clip);
                }
                Op::AveragePool { quantiser, .. } | Op::GlobalAverage { quantiser } => {
                    add(clip(quantiser), &[1], Role::Clip);
                }
                Op::Dense => {
                    add(name("weight"), &[self.classes, read], Role::Weight);
                    add(name("bias"), &[self.classes], Role::Bias);
                }
                Op::Shift { .. } | Op::Channels { .. } | Op::Interleave | Op::MaxPool(_) => {}
            }
        }
        Ok(all)
    }
}
