//! The definition.

use super::case::Case;
use crate::gate::GateKind;
use crate::layers::ConvOutput;
use crate::quant::Split;
use std::vec;
use std::vec::Vec;

impl Case {
    /// The definition, in 64-bit integers.
    pub fn naive(&self) -> super::Result {
        let (view, out) = (self.input, self.output);
        let shift = self.split.shift();
        let value = |y: i64, x: i64, c: usize| {
            let inside = |at: i64, edge: usize| at >= 0 && at < edge as i64;
            if inside(y, view.shape.height) && inside(x, view.shape.width) {
                let code = self.codes[view.index(y as usize, x as usize, c)];
                if self.split.signed() {
                    i64::from(code)
                } else {
                    i64::from(code as u8)
                }
            } else {
                0
            }
        };
        let floor_half = |x: i64, n: u8| (2 * x + (1 << n)).div_euclid(2 << n);
        let hb = |q: i64| {
            if self.split.signed() {
                floor_half(q, shift)
            } else {
                q >> shift
            }
        };
        let (mut codes, mut outputs) = (self.start(), vec![]);
        let kernel = self.window.kernel;
        for y in 0..out.shape.height {
            for x in 0..out.shape.width {
                let sum = |o: usize, f: &dyn Fn(i64) -> i64| {
                    let mut sum = 0;
                    for (ky, kx) in (0..kernel).flat_map(|a| (0..kernel).map(move |b| (a, b))) {
                        for c in 0..view.channels {
                            let at = |o: usize, k: usize| {
                                (o * self.window.stride + k) as i64 - self.window.padding as i64
                            };
                            let column = (ky * kernel + kx) * view.channels + c;
                            let w = self.weights[o * kernel * kernel * view.channels + column];
                            sum += i64::from(w) * f(value(at(y, ky), at(x, kx), c));
                        }
                    }
                    sum
                };
                let bias = |o: usize| i64::from(self.bias[o]);
                let predicted: Vec<i64> = (0..out.channels)
                    .map(|o| (sum(o, &hb) << shift) + bias(o))
                    .collect();
                let would: Vec<bool> = (0..out.channels)
                    .map(|o| {
                        let open = self.kind == GateKind::Open;
                        open || predicted[o] > i64::from(self.thresholds[o / self.block])
                    })
                    .collect();
                for o in 0..out.channels {
                    let open = would.chunks(self.group).nth(o / self.group).unwrap();
                    let open = open.contains(&true);
                    let z = if open {
                        sum(o, &|q| q) + bias(o)
                    } else {
                        predicted[o]
                    };
                    outputs.push(ConvOutput {
                        y,
                        x,
                        channel: o,
                        z_hb: predicted[o] as i32,
                        open,
                        z: z as i32,
                    });
                    let r = self.requant[o];
                    let a = floor_half(z, r.pre).clamp(-32767, 32767);
                    let mut v = floor_half(a * i64::from(r.mult), r.post).clamp(-32768, 32767);
                    if let Some((r, in_place)) = self.residual {
                        let channel = o as i64 - r.offset as i64;
                        if channel >= 0 && (channel as usize) < r.view.channels {
                            let at = r.view.index(y * r.stride, x * r.stride, channel as usize);
                            let code = if in_place {
                                codes[at]
                            } else {
                                self.residual_codes[at]
                            };
                            let code = if r.signed {
                                i64::from(code)
                            } else {
                                i64::from(code as u8)
                            };
                            v += floor_half(code * i64::from(r.mult), r.shift);
                        }
                        v = floor_half(v, 4);
                    }
                    let (low, high) = Split::new(self.output_bits, 1, self.output_signed)
                        .unwrap()
                        .range();
                    codes[out.index(y, x, o)] = v.clamp(low.into(), high.into()) as i8;
                }
            }
        }
        (codes, outputs)
    }

    /// The output map before the run.
    pub fn start(&self) -> Vec<i8> {
        let length = self.output.shape.len();
        (0..length).map(|i| (i as i8).wrapping_mul(37)).collect()
    }
}
