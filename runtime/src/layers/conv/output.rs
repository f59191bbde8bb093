//! From accumulators to codes.

use super::{ConvConfig, ConvOutput, Residual, Visitor};
use crate::kernels::conv::ConvKernels;
use crate::kernels::conv::outputs::{Addend, Mixed, Rows, Scale};

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

    /// Writes the codes of the listed outputs of a panel, whose first is that of
    /// channel `first`; their sums are multiplied by `2^shift` before.
    pub fn codes<K: ConvKernels>(
        &mut self,
        (y, x): (usize, usize),
        first: usize,
        scales: &[Scale],
        sums: (&[i32], u8),
        rows: &Rows,
    ) {
        if rows.list().is_empty() {
            return;
        }
        let view = self.config.output;
        let range = (self.range.0.into(), self.range.1.into());
        if let Some(residual) = &self.config.residual {
            self.added_codes::<K>((y, x), first, scales, sums, rows, residual);
            return;
        }
        let index = view.index(y, x, first);
        let codes = self.output.get_mut(index..).unwrap_or(&mut []);
        K::codes(scales, sums, rows, range, (codes, view.step));
    }

    /// [`Self::codes`] with a residual.
    #[inline(never)] // Its needs would be [`Self::codes`]'s.
    fn added_codes<K: ConvKernels>(
        &mut self,
        (y, x): (usize, usize),
        first: usize,
        scales: &[Scale],
        sums: (&[i32], u8),
        rows: &Rows,
        residual: &Residual,
    ) {
        let view = self.config.output;
        let range = (self.range.0.into(), self.range.1.into());
        let mixed = Mixed {
            residual: self.residual,
            output: self.output,
            index: view.index(y, x, first),
            step: view.step,
        };
        let addend = residual.addend((y, x), first);
        K::added_codes(scales, sums, rows, range, mixed, &addend);
    }
}

impl Residual {
    /// What is added to the outputs of pixel (y, x) from output channel `first` on.
    fn addend(&self, (y, x): (usize, usize), first: usize) -> Addend {
        let Self { view, offset, .. } = *self;
        let start = offset.saturating_sub(first);
        let end = (offset + view.channels).saturating_sub(first);
        let channel = (first + start).saturating_sub(offset);
        Addend {
            first: start,
            count: end - start,
            index: view.index(y * self.stride, x * self.stride, channel),
            step: view.step,
            signed: self.signed,
            mult: self.mult,
            shift: self.shift,
        }
    }
}
