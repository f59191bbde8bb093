//! From accumulators to codes.

use super::{ConvConfig, ConvOutput, Residual, Visitor};
use crate::kernels::conv::ConvKernels;
use crate::kernels::conv::outputs::{Decided, Scale};
use crate::quant::{Requant, round_shift};
use core::ops::Range;

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

    /// Shows the outputs of a panel, from sums of prediction digits before the
    /// update pass and after it; the latter are multiplied by `2^shift` where the
    /// output is open.
    #[cold]
    pub fn show_sums(
        &mut self,
        at: (usize, usize),
        first: usize,
        (predicted, sums): (&[i32], &[i32]),
        shift: u8,
        open: &[u8],
    ) {
        let bias = self.config.bias.get(first..).unwrap_or(&[]);
        let lanes = bias.iter().zip(predicted).zip(sums).enumerate();
        for (lane, ((&bias, &predicted), &sum)) in lanes {
            let z_hb = (predicted << shift).wrapping_add(bias);
            let open = open.contains(&(lane as u8));
            let z = if open { sum.wrapping_add(bias) } else { z_hb };
            self.show(at, first + lane, &[z_hb], &[z], open.into());
        }
    }

    /// Before the first output: codes of outputs that [`Self::codes`] passes over.
    pub fn clear(&mut self) {
        let view = self.config.output;
        if self.config.residual.is_some() || self.config.output_signed {
            return;
        }
        let map = self.output.get_mut(..view.shape.len()).unwrap_or(&mut []);
        if view.channels == view.shape.channels {
            map.fill(0);
            return;
        }
        for pixel in map.chunks_exact_mut(view.shape.channels.max(1)) {
            let codes = pixel.get_mut(view.first..).unwrap_or(&mut []);
            let codes = codes.iter_mut().step_by(view.step.max(1));
            codes.take(view.channels).for_each(|code| *code = 0);
        }
    }

    /// Writes the codes of a panel's outputs from channel `first` on: those that
    /// are open, whose sums are of whole codes, and those that are closed and
    /// live, whose sums are of prediction digits and are multiplied by `2^shift`.
    pub fn codes<K: ConvKernels>(
        &mut self,
        (y, x): (usize, usize),
        first: usize,
        scales: &[Scale],
        (sums, shift): (&[i32], u8),
        decided: &Decided,
    ) {
        let view = self.config.output;
        if let Some(residual) = &self.config.residual {
            let addend = Addend::new(residual, (y, x), first);
            let start = view.index(y, x, first);
            for (rows, shift) in [(&decided.live, shift), (&decided.open, 0)] {
                for &row in rows.list() {
                    let row = usize::from(row);
                    if let (Some(scale), Some(&sum)) = (scales.get(row), sums.get(row)) {
                        let range = (i16::MIN.into(), i16::MAX.into());
                        let value = scale.apply(sum << (shift & 31), range);
                        self.add(value, row, start + row * view.step, &addend);
                    }
                }
            }
            return;
        }
        let range = (self.range.0.into(), self.range.1.into());
        let codes = self.output.get_mut(view.index(y, x, first)..);
        let codes = codes.unwrap_or(&mut []);
        for (rows, shift) in [(&decided.live, shift), (&decided.open, 0)] {
            K::codes(scales, (sums, shift), rows, range, (codes, view.step));
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
        if let Some(residual) = &config.residual {
            let addend = Addend::new(residual, (y, x), first);
            for (lane, (&z, requant)) in values.enumerate() {
                let value = requant.apply(z).into();
                self.add(value, lane, start + lane * view.step, &addend);
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

    /// Writes the code of an output, in sixteenths of a code, and its residual.
    #[inline(always)]
    fn add(&mut self, value: i32, lane: usize, index: usize, addend: &Addend) {
        let (low, high) = self.range;
        let map = self.residual.unwrap_or(self.output);
        let sum = value + addend.of_lane(map, lane);
        let code = round_shift(sum, FRACTION).clamp(low.into(), high.into());
        if let Some(place) = self.output.get_mut(index) {
            *place = code as i8;
        }
    }
}

/// What the residual map adds to one pixel's outputs, lane 0 being that of some
/// channel.
struct Addend {
    /// The lanes that something is added to.
    lanes: Range<usize>,
    /// Index of the code of the first of them.
    index: usize,
    step: usize,
    signed: bool,
    mult: i32,
    /// Half of what the product is divided by.
    half: i32,
    shift: u8,
}

impl Addend {
    /// Of output pixel (y, x), from output channel `first` on.
    fn new(residual: &Residual, (y, x): (usize, usize), first: usize) -> Self {
        let Residual { view, offset, .. } = *residual;
        let lanes = offset.saturating_sub(first)..(offset + view.channels).saturating_sub(first);
        let channel = (first + lanes.start).saturating_sub(offset);
        Self {
            index: view.index(y * residual.stride, x * residual.stride, channel),
            step: view.step,
            signed: residual.signed,
            mult: residual.mult.into(),
            half: ((1u32 << (residual.shift & 31)) >> 1) as i32,
            shift: residual.shift,
            lanes,
        }
    }

    /// What is added to an output, in sixteenths of a code.
    #[inline(always)]
    fn of_lane(&self, map: &[i8], lane: usize) -> i32 {
        if !self.lanes.contains(&lane) {
            return 0;
        }
        let value = match map.get(self.index + (lane - self.lanes.start) * self.step) {
            Some(&code) if self.signed => i32::from(code),
            Some(&code) => i32::from(code as u8),
            None => 0,
        };
        // As `round_shift`: |value * mult| < 2^23.
        (value * self.mult).wrapping_add(self.half) >> (self.shift & 31)
    }
}
