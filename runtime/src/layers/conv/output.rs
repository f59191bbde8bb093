//! From accumulators to codes.

use super::{ConvConfig, ConvOutput, Visitor};
use crate::quant::{Requant, round_shift};

/// Bits behind the point of an output that a residual is added to.
const FRACTION: u8 = 4;

/// Writes the outputs of a convolution.
pub(super) struct Writer<'w, 'v> {
    pub config: &'w ConvConfig<'w>,
    /// `None`: the residual map is the output map.
    pub residual: Option<&'w [i8]>,
    pub output: &'w mut [i8],
    pub visitor: Option<&'w mut Visitor<'v>>,
    /// Of a code.
    pub range: (i16, i16),
}

impl Writer<'_, '_> {
    /// Whether outputs must be shown.
    pub fn shows(&self) -> bool {
        self.visitor.is_some()
    }

    /// Shows outputs from channel `first` on; bit j of `open` says whether
    /// output j got the update pass.
    #[cold]
    pub fn show(
        &mut self,
        (y, x): (usize, usize),
        first: usize,
        z_hb: &[i32],
        z: &[i32],
        open: u64,
    ) {
        let Some(visitor) = &mut self.visitor else {
            return;
        };
        for (lane, (&z_hb, &z)) in z_hb.iter().zip(z).enumerate() {
            visitor(ConvOutput {
                y,
                x,
                channel: first + lane,
                z_hb,
                open: (open >> lane) & 1 == 1,
                z,
            });
        }
    }

    /// Writes the codes of a pixel's outputs from channel `first` on.
    pub fn write(&mut self, (y, x): (usize, usize), first: usize, z: &[i32]) {
        let config = self.config;
        let view = config.output;
        let (low, high) = self.range;
        let start = view.index(y, x, first);
        let requants = config.requant.get(first..).unwrap_or(&[]);
        let values = z.iter().zip(requants);
        if config.residual.is_some() {
            for (lane, (&z, requant)) in values.enumerate() {
                let sum = i32::from(requant.apply(z)) + self.residual(y, x, first + lane);
                let code = round_shift(sum, FRACTION).clamp(low.into(), high.into());
                if let Some(place) = self.output.get_mut(start + lane * view.step) {
                    *place = code as i8;
                }
            }
            return;
        }
        // A positive factor leaves no accumulator below zero a code above it: half
        // of them, or more, end here.
        let code = |z: i32, requant: &Requant| {
            if z <= 0 && low == 0 {
                0
            } else {
                requant.apply(z).clamp(low, high) as i8
            }
        };
        let codes = self.output.get_mut(start..).unwrap_or(&mut []);
        if view.step == 1 {
            for ((&z, requant), place) in values.zip(codes) {
                *place = code(z, requant);
            }
        } else {
            let places = codes.iter_mut().step_by(view.step.max(1));
            for ((&z, requant), place) in values.zip(places) {
                *place = code(z, requant);
            }
        }
    }

    /// What the residual map adds to an output, in sixteenths of a code.
    fn residual(&self, y: usize, x: usize, channel: usize) -> i32 {
        let Some(residual) = &self.config.residual else {
            return 0;
        };
        let channel = channel.wrapping_sub(residual.offset);
        if channel >= residual.view.channels {
            return 0;
        }
        let index = (residual.view).index(y * residual.stride, x * residual.stride, channel);
        let code = match self.residual {
            Some(map) => map.get(index),
            None => self.output.get(index),
        };
        let value = match code {
            Some(&code) if residual.signed => i32::from(code),
            Some(&code) => i32::from(code as u8),
            None => 0,
        };
        round_shift(value * i32::from(residual.mult), residual.shift)
    }
}
