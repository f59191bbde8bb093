//! Evaluation of an image on a data set: accuracy, sparsity, executed work.

mod clips;
mod pictures;

pub use clips::evaluate;
pub use pictures::{evaluate_pictures, input as picture_input};

use anyhow::{Context, Result};
use pg_runtime::gate::GateKind;
use pg_runtime::image::Image;
use pg_runtime::layers::{Layer, MapOp};
use pg_runtime::probe::LayerCounts;
use serde::Serialize;
use std::fmt;

/// Counts of one layer summed over frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerWork {
    /// Kind of the layer.
    pub kind: &'static str,
    /// Whether its gate decides anything.
    pub gated: bool,
    /// Activation bits, B.
    pub bits: u8,
    /// Bits of the prediction digit.
    pub msb_bits: u8,
    /// Outputs computed.
    pub outputs: u64,
    /// Outputs updated.
    pub open: u64,
    /// Columns seen.
    pub columns: u64,
    /// Columns applied by the prediction pass.
    pub columns_applied: u64,
    /// Multiply-accumulates executed.
    pub macs: u64,
    /// Multiply-accumulates of the dense computation.
    pub dense_macs: u64,
}

impl LayerWork {
    pub(crate) fn of(layer: &Layer<'_>) -> Self {
        let (split, gate) = match layer {
            Layer::Lstm(l) => (Some(l.split()), l.gate().kind()),
            Layer::Dense(l) => (Some(l.split()), l.gate().kind()),
            Layer::Map(l) => match l.op() {
                MapOp::Conv(l) => (Some(l.config().split), l.config().gate.kind()),
                _ => (None, GateKind::Open),
            },
            _ => (None, GateKind::Open),
        };
        Self {
            kind: layer.name(),
            gated: gate != GateKind::Open,
            bits: split.map_or(0, |s| s.bits()),
            msb_bits: split.map_or(0, |s| s.msb_bits()),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, c: &LayerCounts) {
        self.outputs += u64::from(c.outputs);
        self.open += u64::from(c.open);
        self.columns += u64::from(c.columns);
        self.columns_applied += u64::from(c.columns_applied);
        self.macs += u64::from(c.macs);
        self.dense_macs += u64::from(c.dense_macs);
    }

    pub(crate) fn merge(&mut self, o: &Self) {
        self.outputs += o.outputs;
        self.open += o.open;
        self.columns += o.columns;
        self.columns_applied += o.columns_applied;
        self.macs += o.macs;
        self.dense_macs += o.dense_macs;
    }
}

/// What an evaluation found.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// CRC-32 of the image.
    pub image: String,
    /// Name of the split.
    pub split: &'static str,
    /// Clips or pictures evaluated.
    pub clips: u64,
    /// Frames evaluated; a picture is one.
    pub frames: u64,
    /// Share of them classified correctly.
    pub accuracy: f64,
    /// Labels of the rows and columns below.
    pub labels: Vec<String>,
    /// Clips by true label, then answered label.
    pub confusion: Vec<Vec<u64>>,
    /// Share of closed outputs of gated layers, weighted by MACs; 0 if none is gated.
    pub sparsity: f64,
    /// Share of columns applied by the prediction pass of recurrent layers.
    pub columns_applied: f64,
    /// MACs executed, all layers, over those of the dense computation.
    pub executed_macs: f64,
    /// The paper's cost, mean activation bits per MAC, over all layers.
    pub average_bits: f64,
    /// The same over gated layers: `B_hb + (1 - Sp) (B - B_hb)`; over all of
    /// them if none is gated.
    pub gated_bits: f64,
    /// MACs executed per frame.
    pub macs_per_frame: f64,
    /// MACs of the dense computation per frame.
    pub dense_macs_per_frame: f64,
    /// Work by layer.
    pub layers: Vec<LayerWork>,
}

/// Partial sums of one thread.
struct Tally {
    confusion: Vec<Vec<u64>>,
    frames: u64,
    layers: Vec<LayerWork>,
}

/// Shares `items` among all cores and adds up what each tells.
fn on_all_cores<I: Sync>(
    image: &Image<'_>,
    items: &[I],
    tally: impl Fn(&[I]) -> Result<Tally> + Sync,
) -> Result<Tally> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(threads).max(1);
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let work: Vec<_> = (items.chunks(share))
            .map(|part| scope.spawn(|| tally(part)))
            .collect();
        work.into_iter()
            .map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
            .collect::<Result<_>>()
    })?;
    let mut total = Tally::new(image);
    for t in &tallies {
        total.merge(t);
    }
    Ok(total)
}

/// Class of the image for each label of a data set.
fn class_map(given: &[String], labels: &[String]) -> Result<Vec<usize>> {
    (given.iter())
        .map(|wanted| {
            labels.iter().position(|l| l == wanted).with_context(|| {
                format!(
                    "the data set has the label {wanted:?}, which the image does not: it has {}",
                    labels.join(", ")
                )
            })
        })
        .collect()
}

impl Tally {
    fn new(image: &Image<'_>) -> Self {
        Self {
            confusion: vec![vec![0; image.classes()]; image.classes()],
            frames: 0,
            layers: image.layers().map(|l| LayerWork::of(&l)).collect(),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        for (a, b) in self.layers.iter_mut().zip(&other.layers) {
            a.merge(b);
        }
        let rows = self.confusion.iter_mut().zip(&other.confusion);
        for (a, b) in rows.flat_map(|(a, b)| a.iter_mut().zip(b)) {
            *a += b;
        }
    }

    /// Counts a layer's work.
    fn add(&mut self, layer: usize, counts: &LayerCounts) {
        if let Some(work) = self.layers.get_mut(layer) {
            work.add(counts);
        }
    }

    fn finish(self, image: &Image<'_>, split: &'static str, labels: Vec<String>) -> Evaluation {
        let clips: u64 = self.confusion.iter().flatten().sum();
        let right: u64 = (0..self.confusion.len())
            .map(|k| self.confusion[k][k])
            .sum();
        let sum = |f: &dyn Fn(&LayerWork) -> f64| -> f64 { self.layers.iter().map(f).sum() };
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let macs = sum(&|l| l.macs as f64);
        let dense = sum(&|l| l.dense_macs as f64);
        let gated = |l: &LayerWork| if l.gated { l.dense_macs as f64 } else { 0.0 };
        let closed = |l: &LayerWork| 1.0 - ratio(l.open as f64, l.outputs as f64);
        let bits = |l: &LayerWork| {
            let (b, hb) = (f64::from(l.bits), f64::from(l.msb_bits));
            let mean = if l.gated {
                hb + (1.0 - closed(l)) * (b - hb)
            } else {
                b
            };
            l.dense_macs as f64 * mean
        };
        let recurrent = |l: &LayerWork| l.kind == "lstm";
        let frames = self.frames as f64;
        Evaluation {
            image: format!("{:08x}", image.crc32()),
            split,
            clips,
            frames: self.frames,
            accuracy: ratio(right as f64, clips as f64),
            labels,
            sparsity: ratio(sum(&|l| gated(l) * closed(l)), sum(&gated)),
            columns_applied: ratio(
                sum(&|l| f64::from(u8::from(recurrent(l))) * l.columns_applied as f64),
                sum(&|l| f64::from(u8::from(recurrent(l))) * l.columns as f64),
            ),
            executed_macs: ratio(macs, dense),
            average_bits: ratio(sum(&bits), dense),
            gated_bits: if sum(&gated) > 0.0 {
                ratio(sum(&|l| if l.gated { bits(l) } else { 0.0 }), sum(&gated))
            } else {
                ratio(sum(&bits), dense)
            },
            macs_per_frame: ratio(macs, frames),
            dense_macs_per_frame: ratio(dense, frames),
            confusion: self.confusion,
            layers: self.layers,
        }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image          {}", self.image)?;
        writeln!(
            f,
            "split          {}: {} examples, {} frames",
            self.split, self.clips, self.frames
        )?;
        writeln!(f, "accuracy       {:.2} %", 100.0 * self.accuracy)?;
        writeln!(
            f,
            "sparsity Sp    {:.1} % of gated outputs stay closed",
            100.0 * self.sparsity
        )?;
        if self.layers.iter().any(|l| l.kind == "lstm") {
            writeln!(
                f,
                "columns        {:.1} % applied by the prediction pass",
                100.0 * self.columns_applied
            )?;
        }
        writeln!(
            f,
            "MACs executed  {:.1} % of dense: {:.0} of {:.0} per frame",
            100.0 * self.executed_macs,
            self.macs_per_frame,
            self.dense_macs_per_frame
        )?;
        writeln!(
            f,
            "B_avg          {:.2} bits; {:.2} in gated layers",
            self.average_bits, self.gated_bits
        )?;
        writeln!(f, "recall by label, and what it was mostly taken for:")?;
        for (k, (label, row)) in self.labels.iter().zip(&self.confusion).enumerate() {
            let total: u64 = row.iter().sum();
            if total == 0 {
                writeln!(f, "  {label:<10} none")?;
                continue;
            }
            let recall = 100.0 * row[k] as f64 / total as f64;
            write!(f, "  {label:<10} {recall:5.1} %")?;
            let worst = (0..row.len())
                .filter(|&j| j != k && row[j] > 0)
                .max_by_key(|&j| row[j]);
            if let Some(j) = worst {
                write!(f, "   {} x {}", row[j], self.labels[j])?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
