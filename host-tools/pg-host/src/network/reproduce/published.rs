//! The published results: Zhang et al., "Precision Gating", ICLR 2020, tables 1
//! and 2, as noted down for this project. They fit the paper's own formula of
//! `B_avg`, but were not compared with its text again.

use crate::model::ModelKind;
use serde::Serialize;

/// A row of the published tables.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Name of the network here.
    pub network: &'static str,
    /// How it computes.
    pub method: Method,
    /// B and `B_hb`.
    pub bits: [u8; 2],
    /// Accuracy, percent.
    pub accuracy: f64,
    /// Share of closed outputs, Sp, percent; 0 without a gate.
    pub sparsity: f64,
    /// Average bits of an activation.
    pub average_bits: f64,
}

/// What rows compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Floating point.
    Float,
    /// Uniform quantisation.
    Uniform,
    /// Uniform quantisation with ranges by PACT (Choi et al., 2018).
    Pact,
    /// Gates with thresholds that are not trained.
    FixedThreshold,
    /// Precision gating.
    Gated,
}

impl Method {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Uniform => "uniform",
            Self::Pact => "PACT",
            Self::FixedThreshold => "fixed threshold",
            Self::Gated => "PG",
        }
    }

    /// The method of a recipe's mode.
    pub(super) fn of(mode: &str, kind: ModelKind) -> Self {
        match (mode, kind) {
            ("pact", _) => Self::Pact,
            ("fixed-threshold", _) => Self::FixedThreshold,
            (_, ModelKind::Float) => Self::Float,
            (_, ModelKind::Uniform) => Self::Uniform,
            (_, ModelKind::Gated) => Self::Gated,
        }
    }
}

const fn row(
    network: &'static str,
    method: Method,
    bits: [u8; 2],
    accuracy: f64,
    sparsity: f64,
) -> Published {
    let [b, hb] = bits;
    Published {
        network,
        method,
        bits,
        accuracy,
        sparsity,
        average_bits: hb as f64 + (1.0 - sparsity / 100.0) * (b - hb) as f64,
    }
}

const SHIFT: &str = "shiftnet20";
const RES: &str = "resnet20";
const SHUFFLE: &str = "shufflenet-v2-0.5x";

/// Every published row, in the tables' order.
pub const PUBLISHED: [Published; 22] = [
    row(SHIFT, Method::Float, [32, 32], 89.4, 0.0),
    row(SHIFT, Method::Gated, [5, 3], 89.1, 55.5),
    row(SHIFT, Method::Uniform, [8, 8], 89.1, 0.0),
    row(SHIFT, Method::Pact, [8, 8], 89.0, 0.0),
    row(SHIFT, Method::Uniform, [4, 4], 87.3, 0.0),
    row(SHIFT, Method::Pact, [4, 4], 87.5, 0.0),
    row(SHIFT, Method::Gated, [3, 1], 84.5, 71.9),
    row(RES, Method::Float, [32, 32], 91.7, 0.0),
    row(RES, Method::Gated, [4, 3], 91.7, 78.2),
    row(RES, Method::Uniform, [8, 8], 91.6, 0.0),
    row(RES, Method::Pact, [8, 8], 91.2, 0.0),
    row(RES, Method::Gated, [3, 2], 91.2, 90.1),
    row(RES, Method::Uniform, [4, 4], 91.1, 0.0),
    row(RES, Method::Pact, [4, 4], 90.9, 0.0),
    row(RES, Method::Gated, [2, 1], 90.6, 71.5),
    row(RES, Method::Uniform, [2, 2], 84.0, 0.0),
    row(RES, Method::Pact, [2, 2], 90.1, 0.0),
    row(SHUFFLE, Method::Float, [32, 32], 59.0, 0.0),
    row(SHUFFLE, Method::Gated, [6, 4], 59.7, 57.2),
    row(SHUFFLE, Method::Uniform, [8, 8], 59.1, 0.0),
    row(SHUFFLE, Method::Pact, [8, 8], 59.1, 0.0),
    row(SHUFFLE, Method::Gated, [5, 3], 58.0, 41.9),
];
