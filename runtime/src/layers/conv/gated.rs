//! Prediction pass over every output, update pass for those whose gate opens.

use super::ConvConfig;
use super::output::Writer;
use crate::gate::GateKind;
use crate::kernels::conv::{ConvKernels, Pass, RowLists};
use crate::probe::LayerCounts;

/// Most rows of a panel.
const MOST: usize = 64;

/// Runs the layer; all slices are as long as they must be.
pub(super) fn run<K: ConvKernels>(
    config: &ConvConfig<'_>,
    mut scratch: &mut [u32],
    input: &[i8],
    writer: &mut Writer<'_, '_>,
) -> LayerCounts {
    let Some(mut lists) = RowLists::take(&mut scratch, config.geometry()) else {
        return LayerCounts::default();
    };
    let mut pixel = Pixel {
        config,
        pass: LayerCounts::default(),
        columns: config.geometry().columns(),
        at: (0, 0),
        corner: (0, 0),
    };
    let window = config.window;
    let shape = config.output.shape;
    let mut listed = 0;
    for y in 0..shape.height {
        let top = (y * window.stride) as i32 - window.padding as i32;
        let first = top.max(0) as usize;
        let end = (top + window.kernel as i32).clamp(0, config.input.shape.height as i32);
        for row in first.max(listed)..end as usize {
            lists.list(row, input);
            listed = row + 1;
        }
        for x in 0..shape.width {
            let left = (x * window.stride) as i32 - window.padding as i32;
            (pixel.at, pixel.corner) = ((y, x), (top, left));
            pixel.run::<K>(&mut lists, writer);
        }
    }
    pixel.pass
}

/// One output pixel.
struct Pixel<'p> {
    config: &'p ConvConfig<'p>,
    pass: LayerCounts,
    /// Columns of the matrix.
    columns: usize,
    at: (usize, usize),
    /// Upper left pixel under the window.
    corner: (i32, i32),
}

impl Pixel<'_> {
    fn run<K: ConvKernels>(&mut self, lists: &mut RowLists<'_>, writer: &mut Writer<'_, '_>) {
        let height = K::TARGET.panel();
        let (y, x) = self.corner;
        let channels = self.config.output.channels;
        let words = self.config.weights.panel_words.unwrap_or(&[]);
        let panel_words = self.columns * height / 4;
        let mut first = 0;
        let mut applied = 0;
        for panel in words.chunks_exact(panel_words.max(1)) {
            let mut sums = [0i32; MOST];
            let count = height.min(channels - first);
            let patch = lists.patch(Pass::Prediction, y, x);
            if first == 0 {
                applied = patch.count();
            }
            K::panel(panel, &patch, &mut sums);
            let z = sums.get_mut(..count).unwrap_or(&mut []);
            self.finish::<K>(panel, lists, first, z, writer);
            first += height;
            if first >= channels {
                break;
            }
        }
        let pass = &mut self.pass;
        pass.columns += self.columns as u32;
        pass.columns_applied += applied;
        pass.outputs += channels as u32;
        pass.macs += applied * channels as u32;
        pass.dense_macs += (self.columns * channels) as u32;
    }

    /// Gate, update pass and codes of a panel's outputs, whose sums of prediction
    /// digits are `z`.
    fn finish<K: ConvKernels>(
        &mut self,
        panel: &[u32],
        lists: &mut RowLists<'_>,
        first: usize,
        z: &mut [i32],
        writer: &mut Writer<'_, '_>,
    ) {
        let config = self.config;
        let shift = config.split.shift();
        for (z, &bias) in z.iter_mut().zip(config.bias.get(first..).unwrap_or(&[])) {
            *z = (*z << (shift & 31)).wrapping_add(bias);
        }
        let mut predicted = [0; MOST];
        if writer.shows()
            && let Some(predicted) = predicted.get_mut(..z.len())
        {
            predicted.copy_from_slice(z);
        }
        let mut rows = [0u8; MOST];
        let (mask, open) = self.open(first, z, &mut rows);
        if open > 0 && shift > 0 {
            let (y, x) = self.corner;
            let patch = lists.patch(Pass::Update, y, x);
            self.pass.macs += patch.count() * open as u32;
            if open >= K::WHOLE {
                let mut sums = [0; MOST];
                K::panel(panel, &patch, &mut sums);
                for (lane, (z, sum)) in z.iter_mut().zip(sums).enumerate() {
                    if (mask >> lane) & 1 == 1 {
                        *z = z.wrapping_add(sum);
                    }
                }
            } else {
                K::rows(panel, &patch, rows.get(..open).unwrap_or(&[]), z);
            }
        }
        self.pass.open += open as u32;
        if writer.shows() {
            let predicted = predicted.get(..z.len()).unwrap_or(&[]);
            writer.show(self.at, first, predicted, z, mask);
        }
        writer.write(self.at, first, z);
    }

    /// Lists the outputs that open, by their predictions; also as bits.
    fn open(&self, first: usize, z: &[i32], rows: &mut [u8; MOST]) -> (u64, usize) {
        let config = self.config;
        let mut mask = 0u64;
        if config.gate.block == 1 && matches!(config.gate.kind, GateKind::Above) {
            let thresholds = config.gate.thresholds.get(first..).unwrap_or(&[]);
            let mut bit = 1;
            for (z, t) in z.iter().zip(thresholds) {
                mask |= if z > t { bit } else { 0 };
                bit <<= 1;
            }
        } else {
            for (lane, &z) in z.iter().enumerate() {
                mask |= u64::from(config.gate.opens(first + lane, z)) << lane;
            }
        }
        if config.group > 1 {
            // The whole group of every output that opens.
            let group = (1u64 << config.group) - 1;
            let mut from = 0;
            while from < z.len() {
                if mask & (group << from) != 0 {
                    mask |= group << from;
                }
                from += config.group;
            }
            if z.len() < MOST {
                mask &= (1 << z.len()) - 1;
            }
        }
        let mut open = 0;
        let mut left = mask;
        while left != 0 {
            if let Some(row) = rows.get_mut(open) {
                *row = left.trailing_zeros() as u8;
            }
            open += 1;
            left &= left - 1;
        }
        (mask, open)
    }
}
