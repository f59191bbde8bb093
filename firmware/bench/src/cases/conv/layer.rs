//! A layer on synthetic maps.

use pg_runtime::gate::{Gate, GateKind};
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::{Conv, ConvConfig, ConvOutput, Shape, View, Window};
use pg_runtime::layout::{Matrix, WeightBits};
use pg_runtime::quant::{Requant, Split};
use zerocopy::{FromBytes, IntoBytes};

use super::Size;
use crate::cases::{Error, carve};
use crate::meter::{Case, Meter};

/// Most channels of a layer.
pub const MOST: usize = 64;
/// Rows whose weights are made at a time: a panel.
const TILE: usize = Selected::TARGET.panel();

/// Numbers that look random.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A nearly normal number of standard deviation `sigma`: the sum of four
    /// even ones, each of variance 255^2 / 12.
    fn normal(&mut self, sigma: i32) -> i32 {
        let bytes = self.next().to_le_bytes();
        let sum: i32 = bytes.iter().map(|&b| i32::from(b)).sum();
        (sum - 510) * sigma / 148
    }
}

/// A layer and its maps.
pub struct Layer<'l> {
    shape: Shape,
    window: Window,
    split: Split,
    panels: bool,
    row_sum: u32,
    weights: &'l [u32],
    input: &'l [i8],
    output: &'l mut [i8],
    scratch: &'l mut [u32],
    pub requant: Requant,
}

/// A map in the arena.
fn map<E>(arena: &mut [u32], length: usize) -> Result<(&mut [i8], &mut [u32]), Error<E>> {
    let (words, rest) = carve(arena, length.div_ceil(4))?;
    let bytes = <[i8]>::mut_from_bytes(words.as_mut_bytes()).unwrap_or(&mut []);
    Ok((bytes.get_mut(..length).unwrap_or(&mut []), rest))
}

impl<'l> Layer<'l> {
    pub fn new<E>(
        arena: &'l mut [u32],
        size: &Size,
        split: Split,
        sigma: i32,
        panels: bool,
    ) -> Result<Self, Error<E>> {
        let &Size {
            kernel, channels, ..
        } = size;
        let shape = Shape {
            height: size.edges[0],
            width: size.edges[1],
            channels,
        };
        let (columns, target) = (kernel * kernel * channels, Selected::TARGET);
        let words = if panels {
            target.panel_words(WeightBits::Eight, channels, columns)
        } else {
            target.row_words(WeightBits::Eight, channels, columns)
        };
        let (weights, rest) = carve(arena, words)?;
        let (input, rest) = map(rest, shape.len())?;
        let (output, scratch) = map(rest, shape.len())?;

        let mut numbers = Numbers(2_463_534_242);
        let tile = channels.min(TILE);
        let mut row_sum = 0;
        {
            let (rows, _) = map(scratch, tile * columns)?;
            for part in weights.chunks_exact_mut(words / (channels / tile)) {
                rows.fill_with(|| numbers.normal(40).clamp(-127, 127) as i8);
                if panels {
                    target.encode_panels(WeightBits::Eight, rows, columns, part.as_mut_bytes());
                } else {
                    target.encode_rows(WeightBits::Eight, rows, columns, part);
                }
                for row in rows.chunks_exact(columns) {
                    let sum = row.iter().map(|w| u32::from(w.unsigned_abs())).sum();
                    row_sum = row_sum.max(sum);
                }
            }
        }
        input.fill_with(|| ((numbers.normal(sigma) + 8) >> 4).clamp(0, 15) as i8);
        Ok(Self {
            shape,
            window: Window {
                kernel,
                stride: 1,
                padding: kernel / 2,
            },
            split,
            panels,
            row_sum,
            weights,
            input,
            output,
            scratch,
            requant: Requant {
                mult: 1 << 14,
                pre: 0,
                post: 24,
            },
        })
    }

    /// Runs the layer with a gate.
    fn run<R>(
        &mut self,
        gate: Gate<'_>,
        run: impl FnOnce(&Conv<'_>, &mut [u32], &[i8], &mut [i8]) -> R,
    ) -> Option<R> {
        let channels = self.shape.channels;
        let columns = self.window.kernel * self.window.kernel * channels;
        let target = Selected::TARGET;
        let words = Some(self.weights);
        let weights = if self.panels {
            Matrix::from_words(target, WeightBits::Eight, channels, columns, words, None)
        } else {
            Matrix::from_words(target, WeightBits::Eight, channels, columns, None, words)
        };
        let (bias, requant) = ([0; MOST], [self.requant; MOST]);
        let conv = Conv::new(ConvConfig {
            input: View::all(self.shape),
            output: View::all(self.shape),
            window: self.window,
            split: self.split,
            gate,
            group: 1,
            weights: weights?,
            row_sum: self.row_sum,
            bias: bias.get(..channels)?,
            requant: requant.get(..channels)?,
            output_bits: 4,
            output_signed: false,
            residual: None,
        });
        let conv = conv.ok()?;
        if self.scratch.len() < conv.scratch_words() {
            return None;
        }
        Some(run(&conv, self.scratch, self.input, self.output))
    }

    /// Thresholds a standard deviation above the mean prediction of each
    /// channel, which leaves 15 to 16 % open, and a requantisation that gives
    /// codes like those of the input.
    pub fn calibrate(&mut self) -> ([i32; MOST], Requant) {
        let mut sums = [(0i64, 0i64); MOST];
        let channels = self.shape.channels;
        let closed = [i32::MAX; MOST];
        let gate = Gate::new(GateKind::Above, 1, closed.get(..channels).unwrap_or(&[]));
        let mut see = |output: ConvOutput| {
            if let Some((sum, squares)) = sums.get_mut(output.channel) {
                let z = i64::from(output.z_hb);
                *sum += z;
                *squares += z * z;
            }
        };
        let _ = self.run(gate, |conv, scratch, input, output| {
            conv.run_visited(scratch, input, None, output, &mut see)
        });
        let pixels = (self.shape.height * self.shape.width) as i64;
        let mut largest = 1;
        let thresholds = sums.map(|(sum, squares)| {
            let mean = sum / pixels;
            let variance = (squares / pixels - mean * mean).max(0);
            let deviation = variance.isqrt();
            largest = largest.max(deviation);
            (mean + deviation) as i32
        });
        let requant = Requant {
            post: (14 + (largest / 7).max(1).ilog2()) as u8,
            ..self.requant
        };
        (thresholds, requant)
    }

    pub fn measure<M: Meter>(
        &mut self,
        name: &'static str,
        kind: GateKind,
        thresholds: [i32; MOST],
        meter: &mut M,
    ) -> Result<(), Error<M::Error>> {
        let channels = self.shape.channels;
        let columns = self.window.kernel * self.window.kernel * channels;
        let mut case = Case {
            steps: 1,
            ..Case::new(name, (self.shape.len() * columns) as u32)
        };
        let count = if matches!(kind, GateKind::Open) {
            0
        } else {
            channels
        };
        let gate = Gate::new(kind, 1, thresholds.get(..count).unwrap_or(&[]));
        let given = self.scratch.len() as u32;
        let counts = self.run(gate, |conv, scratch, input, output| {
            meter.start();
            let counts = conv.run(scratch, input, None, output);
            meter.stop();
            counts
        });
        let Some(counts) = counts else {
            let needed = u32::MAX;
            return Err(Error::Arena { needed, given });
        };
        for &code in &*self.output {
            case.digest(u32::from(code as u8));
        }
        // Digits and gates are the same on every core, too.
        case.digest(counts.columns_applied);
        case.digest(counts.open);
        meter.finish(&case).map_err(Error::Meter)
    }
}
