//! The runtime's integer convolution against vectors computed elsewhere.
//!
//! A vector is one gated convolution: integer activations and weights, real
//! thresholds in accumulator units, and what the prediction pass, the gate and
//! the update pass must give. What runs is the layer that devices run.

mod vector;

pub use vector::Vector;

use anyhow::{Result, ensure};
use pg_runtime::gate::{Gate, GateKind};
use pg_runtime::kernels::columns::{encode, panel_words};
use pg_runtime::layers::conv::{Codes, Conv, Output, Visit};
use pg_runtime::layers::{Shape, View, Window};
use pg_runtime::quant::Requant;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// How many numbers of one kind differ, and where first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Numbers compared.
    pub compared: usize,
    /// Numbers that differ.
    pub wrong: usize,
    /// The first of them.
    pub first: Option<Place>,
}

/// A number that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Image, output channel, row, column.
    pub index: [usize; 4],
    /// What the vector says.
    pub expected: i64,
    /// What the runtime computed.
    pub computed: i64,
}

/// The outcome for one vector.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Prediction accumulators.
    pub predictions: Difference,
    /// Gates.
    pub mask: Difference,
    /// Accumulators.
    pub accumulators: Difference,
    /// Share of closed outputs.
    pub sparsity: f64,
    /// Multiply-accumulates that ran, over those of a dense pass.
    pub executed: f64,
}

impl Report {
    /// Whether every number is the expected one.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.predictions.wrong + self.mask.wrong + self.accumulators.wrong == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_exact() {
            return write!(
                f,
                "exact: {} outputs, {:.1} % of the gates closed, {:.1} % of the MACs executed",
                self.mask.compared,
                100.0 * self.sparsity,
                100.0 * self.executed
            );
        }
        let mut separator = "";
        for (name, difference) in [
            ("predictions", &self.predictions),
            ("mask", &self.mask),
            ("accumulators", &self.accumulators),
        ] {
            if let Some(first) = &difference.first {
                write!(
                    f,
                    "{separator}{name}: {} of {} differ, first at {:?}: {} expected, {} computed",
                    difference.wrong,
                    difference.compared,
                    first.index,
                    first.expected,
                    first.computed
                )?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

/// Reads a file and checks it.
///
/// # Errors
///
/// If the file is not a vector that [`Vector::read`] can read, or one whose
/// convolution the runtime does not have.
pub fn check_file(path: &Path) -> Result<Report> {
    check(&Vector::read(path)?)
}

/// Computes a vector's convolution and compares.
///
/// # Errors
///
/// If the runtime does not have the convolution: a kernel over 16, weights
/// beyond 8 bits, more than 2^14 columns.
pub fn check(vector: &Vector) -> Result<Report> {
    let [images, channels, height, width] = vector.input;
    let [outputs, per_group, kernel, _] = vector.kernel;
    let window = Window {
        kernel,
        stride: vector.stride,
        padding: vector.padding,
    };
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let shape = [images, outputs, rows, columns];
    vector.expect_shape(shape)?;
    let input = Shape {
        height,
        width,
        channels,
    };
    let output = Shape {
        height: rows,
        width: columns,
        channels: outputs,
    };
    let mut outcome = Outcome::new(shape);
    let mut executed = (0u64, 0u64);
    let of_group = outputs / vector.groups;
    for group in 0..vector.groups {
        let first = group * of_group;
        let weights = vector.weights_of(group);
        let columns = kernel * kernel * per_group;
        let mut panels = vec![0; panel_words(of_group, columns)];
        encode(&weights, columns, &mut panels);
        let sums = weights.chunks(columns).map(|row| {
            let magnitudes = row.iter().map(|w| u32::from(w.unsigned_abs()));
            magnitudes.sum::<u32>()
        });
        let thresholds = &vector.thresholds[first..first + of_group];
        let conv = Conv {
            input: View {
                shape: input,
                first: group * per_group,
                step: 1,
                channels: per_group,
            },
            output: View {
                shape: output,
                first,
                step: 1,
                channels: of_group,
            },
            window,
            split: vector.split,
            gate: Gate::new(GateKind::Above, 1, thresholds),
            group: 1,
            panels: &panels,
            row_sum: sums.max().unwrap_or(0),
            bias: &vec![0; of_group],
            requant: &vec![UNIT; of_group],
            codes: Codes {
                bits: 8,
                signed: true,
            },
            residual: None,
        };
        ensure!(
            conv.is_consistent(),
            "the runtime has no such convolution: kernels up to 16 x 16, up to 65,535 codes a row"
        );
        let mut scratch = vec![0; conv.scratch_words()];
        let mut codes = vec![0; output.len()];
        for image in 0..images {
            let mut collect = Collect {
                outcome: &mut outcome,
                image,
                first,
            };
            let map = vector.image(image);
            let counts = conv.run(&mut scratch, &map, &[], &mut codes, &mut collect);
            executed.0 += u64::from(counts.macs);
            executed.1 += u64::from(counts.dense_macs);
        }
    }
    Ok(Report {
        predictions: compare(&vector.predictions, &outcome.predictions, shape),
        mask: compare(&vector.mask, &outcome.mask, shape),
        accumulators: compare(&vector.accumulators, &outcome.accumulators, shape),
        sparsity: 1.0 - outcome.mask.iter().sum::<i64>() as f64 / outcome.mask.len().max(1) as f64,
        executed: executed.0 as f64 / executed.1.max(1) as f64,
    })
}

/// The codes are not looked at.
const UNIT: Requant = Requant {
    mult: 1 << 14,
    pre: 0,
    post: 14,
};

/// What the runtime computed, image by image, channel by channel.
struct Outcome {
    shape: [usize; 4],
    predictions: Vec<i64>,
    mask: Vec<i64>,
    accumulators: Vec<i64>,
}

impl Outcome {
    fn new(shape: [usize; 4]) -> Self {
        let zeros = vec![0; shape.iter().product()];
        Self {
            shape,
            predictions: zeros.clone(),
            mask: zeros.clone(),
            accumulators: zeros,
        }
    }
}

struct Collect<'o> {
    outcome: &'o mut Outcome,
    image: usize,
    /// First channel of the group.
    first: usize,
}

impl Visit for Collect<'_> {
    fn visit(&mut self, y: usize, x: usize, channel: usize, count: usize, output: &Output) {
        let [_, channels, rows, columns] = self.outcome.shape;
        for k in 0..count {
            let channel = self.first + channel + k;
            let place = ((self.image * channels + channel) * rows + y) * columns + x;
            self.outcome.predictions[place] = i64::from(output.predictions[k]);
            self.outcome.mask[place] = i64::from(output.open >> k & 1);
            self.outcome.accumulators[place] = i64::from(output.z[k]);
        }
    }
}

fn compare(expected: &[i64], computed: &[i64], shape: [usize; 4]) -> Difference {
    let mut difference = Difference {
        compared: expected.len(),
        ..Difference::default()
    };
    for (place, (&expected, &computed)) in expected.iter().zip(computed).enumerate() {
        if expected != computed {
            difference.wrong += 1;
            difference.first.get_or_insert_with(|| Place {
                index: index(place, shape),
                expected,
                computed,
            });
        }
    }
    difference
}

fn index(mut place: usize, shape: [usize; 4]) -> [usize; 4] {
    let mut index = [0; 4];
    for (index, size) in index.iter_mut().zip(shape).rev() {
        *index = place % size;
        place /= size;
    }
    index
}

#[cfg(test)]
mod tests;
