//! A test vector through the runtime's convolution.

use super::vector::Vector;
use anyhow::{Context, Result, ensure};
use pg_runtime::gate::{Gate, GateKind};
use pg_runtime::kernels::conv::ConvKernels;
use pg_runtime::layers::{Conv, ConvConfig, ConvOutput, Shape, View, Window};
use pg_runtime::layout::{Matrix, WeightBits};
use pg_runtime::quant::{Requant, Split};

/// What the runtime computes, in the order of the vector's outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// Predictions, the shift applied.
    pub msb_accumulator: Vec<i64>,
    /// Outputs that open.
    pub mask: Vec<i64>,
    /// Accumulators.
    pub accumulator: Vec<i64>,
}

/// A vector as the runtime's layer takes it.
pub struct Layer<'v> {
    vector: &'v Vector,
    split: Split,
    window: Window,
    /// Codes of all images, NHWC.
    codes: Vec<i8>,
    shape: Shape,
    /// Map of the layer's outputs, and how far those that count are apart.
    output: Shape,
    apart: [usize; 2],
    /// Rows in the order (ky, kx, channel), all groups.
    weights: Vec<i8>,
    thresholds: Vec<i32>,
}

/// The largest integer that a real threshold stands for: an integer is above
/// the one exactly if it is above the other.
fn integer_threshold(t: f64) -> i32 {
    // Nothing is above what is no number.
    if t.is_nan() {
        i32::MAX
    } else {
        t.floor() as i32
    }
}

impl<'v> Layer<'v> {
    /// Prepares a vector.
    ///
    /// # Errors
    ///
    /// If codes or weights exceed what the runtime's numbers hold.
    pub fn new(vector: &'v Vector) -> Result<Self> {
        let [bits, msb_bits] = vector.bits;
        let activation = &vector.activation;
        let signed = activation.signed_bytes || activation.values.iter().any(|&q| q < 0);
        let split = Split::new(bits, msb_bits, signed)
            .with_context(|| format!("codes of {bits} bits cannot have {msb_bits} bits in hb"))?;
        let (low, high) = split.range();
        let codes = vector.activation.values.iter();
        ensure!(
            { codes }.all(|&q| (i64::from(low)..=i64::from(high)).contains(&q)),
            "an activation code lies outside {low} to {high}"
        );
        ensure!(
            vector
                .weight
                .values
                .iter()
                .all(|w| (-127..=127).contains(w)),
            "a weight code lies outside -127 to 127"
        );
        let ([_, channels, h, w], [_, _, kh, kw]) = (vector.input(), vector.kernel());
        let (kernel, stride, padding) = (kh.max(kw), vector.stride, vector.padding);
        let square = kh == kw && stride[0] == stride[1] && padding[0] == padding[1];
        // The runtime's windows are square. Others are one with zero weights,
        // moved by single pixels over a map that has its padding.
        let (window, around, below) = if square {
            let window = Window {
                kernel,
                stride: stride[0],
                padding: padding[0],
            };
            (window, [0, 0], [0, 0])
        } else {
            let window = Window {
                kernel,
                stride: 1,
                padding: 0,
            };
            (window, padding, [kernel - kh, kernel - kw])
        };
        let shape = Shape {
            height: h + 2 * around[0] + below[0],
            width: w + 2 * around[1] + below[1],
            channels,
        };
        let mut layer = Self {
            vector,
            split,
            window,
            codes: Vec::new(),
            shape,
            output: Shape {
                height: window.outputs(shape.height),
                width: window.outputs(shape.width),
                channels: vector.kernel()[0],
            },
            apart: if square { [1, 1] } else { stride },
            weights: Vec::new(),
            thresholds: vector
                .thresholds
                .iter()
                .map(|&t| integer_threshold(t))
                .collect(),
        };
        layer.lay_out_codes(around);
        layer.lay_out_weights();
        Ok(layer)
    }

    fn lay_out_codes(&mut self, around: [usize; 2]) {
        let [images, channels, h, w] = self.vector.input();
        self.codes = vec![0; images * self.shape.len()];
        for (index, &q) in self.vector.activation.values.iter().enumerate() {
            let (x, y) = (index % w, index / w % h);
            let (c, n) = (index / w / h % channels, index / w / h / channels);
            let pixel = self.shape.pixel(y + around[0], x + around[1]);
            self.codes[n * self.shape.len() + pixel + c] = q as i8;
        }
    }

    fn lay_out_weights(&mut self) {
        let [outputs, channels, kh, kw] = self.vector.kernel();
        let kernel = self.window.kernel;
        self.weights = vec![0; outputs * kernel * kernel * channels];
        for (index, &weight) in self.vector.weight.values.iter().enumerate() {
            let (kx, ky) = (index % kw, index / kw % kh);
            let (c, o) = (index / kw / kh % channels, index / kw / kh / channels);
            let column = (ky * kernel + kx) * channels + c;
            self.weights[o * kernel * kernel * channels + column] = weight as i8;
        }
    }

    /// Runs the layer, one convolution a group, by the kernels `K`.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the layer.
    pub fn run<K: ConvKernels>(&self) -> Result<Computed> {
        let count = self.vector.accumulator.values.len();
        let mut computed = Computed {
            msb_accumulator: vec![0; count],
            mask: vec![0; count],
            accumulator: vec![0; count],
        };
        for group in 0..self.vector.groups {
            self.run_group::<K>(group, &mut computed)?;
        }
        Ok(computed)
    }

    fn run_group<K: ConvKernels>(&self, group: usize, computed: &mut Computed) -> Result<()> {
        let [outputs, channels, ..] = self.vector.kernel();
        let rows = outputs / self.vector.groups;
        let columns = self.window.kernel * self.window.kernel * channels;
        let weights = &self.weights[group * rows * columns..][..rows * columns];
        let mut panels = vec![0; K::TARGET.panel_words(WeightBits::Eight, rows, columns)];
        K::TARGET.encode_panels(
            WeightBits::Eight,
            weights,
            columns,
            zerocopy::IntoBytes::as_mut_bytes(&mut panels[..]),
        );
        let matrix = Matrix::from_words(
            K::TARGET,
            WeightBits::Eight,
            rows,
            columns,
            Some(&panels),
            None,
        );
        let sums = weights.chunks(columns);
        let sums = sums.map(|row| row.iter().map(|w| u32::from(w.unsigned_abs())).sum());
        let view = |shape, channels| View {
            shape,
            first: group * channels,
            step: 1,
            channels,
        };
        let thresholds = match self.thresholds[..] {
            [one] => vec![one; rows],
            _ => self.thresholds[group * rows..][..rows].to_vec(),
        };
        // Codes are not compared: any factor will do.
        let one = Requant {
            mult: 1 << 14,
            pre: 0,
            post: 14,
        };
        let (bias, requant) = (vec![0; rows], vec![one; rows]);
        let conv = Conv::new(ConvConfig {
            input: view(self.shape, channels),
            output: view(self.output, rows),
            window: self.window,
            split: self.split,
            gate: Gate::new(GateKind::Above, 1, &thresholds),
            group: 1,
            weights: matrix.context("the runtime refuses the matrix")?,
            row_sum: sums.max().unwrap_or(0),
            bias: &bias,
            requant: &requant,
            output_bits: 8,
            output_signed: true,
            residual: None,
        })?;
        let mut scratch = vec![0; conv.scratch_words()];
        let mut map = vec![0; self.output.len()];
        let [_, all, height, width] = self.vector.output();
        for (image, codes) in self.codes.chunks_exact(self.shape.len()).enumerate() {
            let mut visit = |output: ConvOutput| {
                let [y, x] = [output.y / self.apart[0], output.x / self.apart[1]];
                if [y * self.apart[0], x * self.apart[1]] != [output.y, output.x] {
                    return;
                }
                let channel = group * rows + output.channel;
                let index = ((image * all + channel) * height + y) * width + x;
                computed.msb_accumulator[index] = i64::from(output.z_hb);
                computed.mask[index] = i64::from(output.open);
                computed.accumulator[index] = i64::from(output.z);
            };
            conv.run_by::<K>(&mut scratch, codes, &mut map, &mut visit);
        }
        Ok(())
    }
}
