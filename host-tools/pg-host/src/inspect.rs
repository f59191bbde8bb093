//! What is in an image.

use crate::image::ImageBytes;
use anyhow::Result;
use pg_runtime::audio::{HOP, SAMPLE_RATE, WINDOW};
use pg_runtime::engine::SAVE_HEADER;
use pg_runtime::gate::GateKind;
use pg_runtime::layers::{Layer, MapLayer, MapOp, Shape, View};
use pg_runtime::layout::{Matrix, WeightBits};
use serde::Serialize;
use std::fmt;

/// Labels that are listed in words: those of a language model are thousands.
const LISTED: usize = 40;

/// A gate in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct GateReport {
    /// `open`, `above` or `within`.
    pub kind: &'static str,
    /// Rows that share a threshold.
    pub block: usize,
    /// Rows that open together.
    pub group: usize,
    /// Number of thresholds.
    pub thresholds: usize,
    /// Thresholds that are zero: rows that never open (`within`).
    pub zero: usize,
    /// Smallest, median and largest threshold; units of the prediction in an LSTM, of the
    /// accumulator in a dense layer.
    pub range: Option<[i32; 3]>,
}

/// A layer in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Kind.
    pub kind: &'static str,
    /// Input and output, in words.
    pub shape: String,
    /// Activation bits and digit bits.
    pub bits: Option<[u8; 2]>,
    /// Layout of the weights.
    pub layout: Option<&'static str>,
    /// Weights and biases.
    pub parameters: usize,
    /// Bytes of weights in the image, all copies.
    pub weight_bytes: usize,
    /// Gate.
    pub gate: Option<GateReport>,
    /// Bytes of state.
    pub state_bytes: usize,
    /// Bytes of scratch.
    pub scratch_bytes: usize,
}

/// An image in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    /// Format version.
    pub version: u16,
    /// Cores the weights are laid out for.
    pub target: &'static str,
    /// CRC-32.
    pub crc32: String,
    /// Bytes of the image.
    pub image_bytes: usize,
    /// Bytes it would have with one copy of the weights.
    pub one_copy_bytes: usize,
    /// Weights and biases.
    pub parameters: usize,
    /// Bytes of arena.
    pub arena_bytes: usize,
    /// Of these, state.
    pub state_bytes: usize,
    /// Bytes of a saved state.
    pub saved_state_bytes: usize,
    /// Labels.
    pub labels: Vec<String>,
    /// Audio input, in words.
    pub audio: Option<String>,
    /// Detector settings, in words.
    pub detector: Option<String>,
    /// Frames of the built-in test vector.
    pub test_frames: usize,
    /// Layers.
    pub layers: Vec<LayerReport>,
}

/// Looks into an image.
///
/// # Errors
///
/// If it is not a valid image.
pub fn inspect(bytes: &ImageBytes) -> Result<ImageReport> {
    let image = bytes.image_of_any_target()?;
    let layers: Vec<LayerReport> = image.layers().map(|l| layer(&l)).collect();
    let second: usize = image
        .layers()
        .map(|l| match l {
            Layer::Lstm(l) => second_copy(l.weights()),
            _ => 0,
        })
        .sum();
    let audio = image.audio().map(|a| {
        format!(
            "{SAMPLE_RATE} Hz, window {WINDOW}, hop {HOP} samples, {} mel bands over FFT bins {} to {}",
            a.bands,
            a.first_bin,
            usize::from(a.first_bin) + a.filters.len() - 1
        )
    });
    let detector = image.detector().map(|d| {
        let q15 = |x: u16| f64::from(x) / 32768.0;
        format!(
            "mean of {} frames above {:.2}, released below {:.2}, refractory {} frames",
            d.smooth,
            q15(d.threshold),
            q15(d.release),
            d.refractory
        )
    });
    Ok(ImageReport {
        version: image.header().version,
        target: image.target().name(),
        crc32: format!("{:08x}", image.crc32()),
        image_bytes: image.total_bytes(),
        one_copy_bytes: image.total_bytes() - second,
        parameters: layers.iter().map(|l| l.parameters).sum(),
        arena_bytes: image.arena_bytes(),
        state_bytes: image.state_bytes(),
        saved_state_bytes: image.state_bytes() + SAVE_HEADER,
        labels: image.labels().map(str::to_owned).collect(),
        audio,
        detector,
        test_frames: image.test_vector().map_or(0, |v| v.frames().count()),
        layers,
    })
}

fn layer(layer: &Layer<'_>) -> LayerReport {
    let base = LayerReport {
        kind: layer.name(),
        shape: String::new(),
        bits: None,
        layout: None,
        parameters: 0,
        weight_bytes: 0,
        gate: None,
        state_bytes: 4 * layer.state_words(),
        scratch_bytes: 4 * layer.scratch_words(),
    };
    match layer {
        Layer::Lstm(l) => LayerReport {
            shape: format!("{} -> {} hidden", l.inputs(), l.hidden()),
            bits: Some([l.split().bits(), l.split().msb_bits()]),
            layout: Some(copies(l.weights())),
            parameters: parameters(l.weights()),
            weight_bytes: l.weights().bytes(),
            gate: Some(gate(
                l.gate().kind(),
                (1, l.gate().group()),
                l.gate().thresholds().iter().map(|&t| i32::from(t)),
            )),
            ..base
        },
        Layer::Dense(l) => LayerReport {
            shape: format!("{} -> {}", l.inputs(), l.outputs()),
            bits: Some([l.split().bits(), l.split().msb_bits()]),
            layout: Some(copies(l.weights())),
            parameters: parameters(l.weights()),
            weight_bytes: l.weights().bytes(),
            gate: Some(gate(
                l.gate().kind(),
                (l.gate().block(), 1),
                l.gate().thresholds().iter().copied(),
            )),
            ..base
        },
        Layer::Embedding(l) => LayerReport {
            shape: format!(
                "{} tokens -> {} codes of {} bits",
                l.tokens(),
                l.width(),
                l.bits()
            ),
            layout: Some("table"),
            parameters: l.table().len(),
            weight_bytes: l.table().len(),
            ..base
        },
        Layer::MeanPool(p) => LayerReport {
            shape: format!("{} over {} frames", p.width(), p.window()),
            ..base
        },
        Layer::AttentionPool(p) => LayerReport {
            shape: format!("{} + score over {} frames", p.classes(), p.window()),
            ..base
        },
        Layer::Map(l) => map_layer(l, base),
    }
}

/// A layer between feature maps.
fn map_layer(layer: &MapLayer<'_>, base: LayerReport) -> LayerReport {
    let ends = layer.ends();
    let map = |number, view: View| {
        let Shape { height, width, .. } = view.shape;
        format!("map {number} {height}x{width}x{}", view.channels)
    };
    let mut shape = format!(
        "{} -> {}",
        map(layer.input(), ends.input),
        map(layer.output(), ends.output)
    );
    if let Some(residual) = layer.residual() {
        shape += &format!(" + map {residual}");
    }
    let base = LayerReport { shape, ..base };
    match layer.op() {
        MapOp::Conv(l) => {
            let c = l.config();
            LayerReport {
                shape: format!("{k}x{k} {}", base.shape, k = c.window.kernel),
                bits: Some([c.split.bits(), c.split.msb_bits()]),
                layout: Some(copies(&c.weights)),
                parameters: parameters(&c.weights),
                weight_bytes: c.weights.bytes(),
                gate: Some(gate(
                    c.gate.kind(),
                    (c.gate.block(), c.group),
                    c.gate.thresholds().iter().copied(),
                )),
                ..base
            }
        }
        MapOp::Depthwise(l) => LayerReport {
            shape: format!("{k}x{k} {}", base.shape, k = l.window().kernel),
            parameters: l.weights().len() + l.bias().len(),
            weight_bytes: l.weights().len(),
            ..base
        },
        MapOp::Shift(_) | MapOp::MaxPool(_) | MapOp::AveragePool(_) => base,
    }
}

/// Weights and biases.
fn parameters(matrix: &Matrix<'_>) -> usize {
    matrix.rows() * matrix.columns() + matrix.rows()
}

fn copies(matrix: &Matrix<'_>) -> &'static str {
    match (matrix.has_panels(), matrix.has_rows(), matrix.bits()) {
        (true, true, WeightBits::Eight) => "panels + rows",
        (true, false, WeightBits::Eight) => "panels",
        (_, _, WeightBits::Eight) => "rows",
        (true, true, WeightBits::Four) => "panels + rows of 4 bits",
        (true, false, WeightBits::Four) => "panels of 4 bits",
        (_, _, WeightBits::Four) => "rows of 4 bits",
    }
}

/// Bytes that one copy of the weights would save.
fn second_copy(matrix: &Matrix<'_>) -> usize {
    let rows = 4 * matrix
        .target()
        .row_words(matrix.bits(), matrix.rows(), matrix.columns());
    if matrix.has_panels() && matrix.has_rows() {
        rows
    } else {
        0
    }
}

fn gate(
    kind: GateKind,
    (block, group): (usize, usize),
    thresholds: impl Iterator<Item = i32>,
) -> GateReport {
    let mut sorted: Vec<i32> = thresholds.collect();
    sorted.sort_unstable();
    GateReport {
        kind: match kind {
            GateKind::Open => "open",
            GateKind::Above => "above",
            GateKind::Within => "within",
        },
        block,
        group,
        thresholds: sorted.len(),
        zero: sorted.iter().filter(|&&t| t == 0).count(),
        range: match sorted[..] {
            [] => None,
            [first, ..] => Some([first, sorted[sorted.len() / 2], sorted[sorted.len() - 1]]),
        },
    }
}

impl fmt::Display for ImageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "format     version {}, CRC-32 {}, laid out for {}",
            self.version, self.crc32, self.target
        )?;
        writeln!(
            f,
            "image      {} bytes; {} with one copy of the weights",
            self.image_bytes, self.one_copy_bytes
        )?;
        writeln!(f, "parameters {}", self.parameters)?;
        writeln!(
            f,
            "arena      {} bytes, of which state {}; a saved state has {}",
            self.arena_bytes, self.state_bytes, self.saved_state_bytes
        )?;
        let (listed, more) = self.labels.split_at(self.labels.len().min(LISTED));
        write!(f, "labels     {}", listed.join(", "))?;
        if !more.is_empty() {
            write!(f, " and {} more", more.len())?;
        }
        writeln!(f)?;
        writeln!(f, "audio      {}", self.audio.as_deref().unwrap_or("none"))?;
        writeln!(
            f,
            "detector   {}",
            self.detector.as_deref().unwrap_or("none")
        )?;
        writeln!(f, "self-test  {} frames", self.test_frames)?;
        for (i, l) in self.layers.iter().enumerate() {
            write!(f, "layer {i}    {} {}", l.kind, l.shape)?;
            if let Some([b, hb]) = l.bits {
                write!(f, ", B {b}, B_hb {hb}")?;
            }
            if let Some(layout) = l.layout {
                write!(f, ", {} weight bytes as {layout}", l.weight_bytes)?;
            }
            writeln!(f, ", state {}, scratch {}", l.state_bytes, l.scratch_bytes)?;
            match &l.gate {
                Some(g) if g.kind != "open" => {
                    let [min, median, max] = g.range.unwrap_or_default();
                    writeln!(
                        f,
                        "           gate {}: {} thresholds, {} never open, {min} to {max}, median {median}",
                        g.kind, g.thresholds, g.zero
                    )?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
