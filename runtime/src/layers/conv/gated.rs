//! Prediction pass over every output, update pass for those whose gate opens.

use super::ConvConfig;
use super::output::Writer;
use crate::gate::GateKind;
use crate::kernels::conv::{ConvKernels, Pass, RowLists};
use crate::kernels::{Kernels, Selected};
use crate::probe::LayerCounts;

/// Most rows of a panel of the kernels that this target has.
const MOST: usize = Selected::TARGET.panel();

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
        left: 0,
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
        lists.row(top);
        for x in 0..shape.width {
            let left = (x * window.stride) as i32 - window.padding as i32;
            (pixel.at, pixel.left) = ((y, x), left);
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
    /// Left edge of the window.
    left: i32,
}

/// A bit for each row of a panel.
#[cfg(target_pointer_width = "64")]
type Mask = u64;
/// A bit for each row of a panel.
#[cfg(not(target_pointer_width = "64"))]
type Mask = u32;
const _: () = assert!(MOST <= Mask::BITS as usize);

/// The outputs of a panel that open.
struct Open {
    mask: Mask,
    rows: [u8; MOST],
    count: usize,
}

impl Pixel<'_> {
    fn run<K: ConvKernels>(&mut self, lists: &mut RowLists<'_>, writer: &mut Writer<'_, '_>) {
        let height = K::TARGET.panel();
        let channels = self.config.output.channels;
        let words = self.config.weights.panel_words.unwrap_or(&[]);
        let panel_words = self.columns * height / 4;
        lists.aim(Pass::Prediction, self.left);
        let applied = lists.patch(Pass::Prediction).count();
        let (mut first, mut update) = (0, None);
        let mut sums = [0; MOST];
        for panel in words.chunks_exact(panel_words.max(1)) {
            let count = height.min(channels - first);
            K::panel(panel, &lists.patch(Pass::Prediction), &mut sums);
            let z = sums.get_mut(..count).unwrap_or(&mut []);
            self.finish::<K>(panel, (lists, &mut update), first, z, writer);
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
    /// digits are `z`. `update` is the number of digits that the update pass
    /// walks, once it is known.
    fn finish<K: ConvKernels>(
        &mut self,
        panel: &[u32],
        (lists, update): (&mut RowLists<'_>, &mut Option<u32>),
        first: usize,
        z: &mut [i32],
        writer: &mut Writer<'_, '_>,
    ) {
        let open = self.open(first, z);
        let mut predicted = None;
        if writer.shows() {
            let mut copy = [0; MOST];
            copy.iter_mut().zip(&*z).for_each(|(copy, &z)| *copy = z);
            predicted = Some(copy);
        }
        self.pass.open += open.count as u32;
        if open.count > 0 && self.config.split.shift() > 0 {
            let digits = *update.get_or_insert_with(|| {
                lists.aim(Pass::Update, self.left);
                lists.patch(Pass::Update).count()
            });
            let patch = lists.patch(Pass::Update);
            self.pass.macs += digits * open.count as u32;
            if open.count >= K::WHOLE {
                let mut sums = [0; MOST];
                K::panel(panel, &patch, &mut sums);
                let mut mask = open.mask;
                for (z, sum) in z.iter_mut().zip(sums) {
                    if mask & 1 == 1 {
                        *z = z.wrapping_add(sum);
                    }
                    mask >>= 1;
                }
            } else {
                K::rows(panel, &patch, open.rows.get(..open.count).unwrap_or(&[]), z);
            }
        }
        if let Some(predicted) = predicted {
            let predicted = predicted.get(..z.len()).unwrap_or(&[]);
            #[allow(clippy::useless_conversion)] // On hosts it is of 64 bits.
            writer.show(self.at, first, predicted, z, open.mask.into());
        }
        writer.write(self.at, first, z);
    }

    /// Makes sums predictions, and finds the outputs that open by them.
    fn open(&self, first: usize, z: &mut [i32]) -> Open {
        let config = self.config;
        let shift = config.split.shift() & 31;
        let mut open = Open {
            mask: 0,
            rows: [0; MOST],
            count: 0,
        };
        let bias = config.bias.get(first..).unwrap_or(&[]);
        let single = config.gate.block == 1
            && config.group == 1
            && matches!(config.gate.kind, GateKind::Above);
        if single {
            let thresholds = config.gate.thresholds.get(first..).unwrap_or(&[]);
            let values = z.iter_mut().zip(bias).zip(thresholds);
            for (lane, ((z, &bias), &t)) in values.enumerate() {
                *z = (*z << shift).wrapping_add(bias);
                if *z > t {
                    if let Some(row) = open.rows.get_mut(open.count) {
                        *row = lane as u8;
                    }
                    open.count += 1;
                    open.mask |= 1 << lane;
                }
            }
            return open;
        }
        for (lane, (z, &bias)) in z.iter_mut().zip(bias).enumerate() {
            *z = (*z << shift).wrapping_add(bias);
            open.mask |= Mask::from(config.gate.opens(first + lane, *z)) << lane;
        }
        // The whole group of every output that opens.
        let group = (1 << config.group) - 1;
        for from in (0..z.len()).step_by(config.group) {
            if open.mask & (group << from) != 0 {
                open.mask |= group << from;
            }
        }
        if let Some(beyond) = Mask::BITS.checked_sub(z.len() as u32) {
            open.mask &= Mask::MAX.checked_shr(beyond).unwrap_or(0);
        }
        let mut left = open.mask;
        while left != 0 {
            if let Some(row) = open.rows.get_mut(open.count) {
                *row = left.trailing_zeros() as u8;
            }
            open.count += 1;
            left &= left - 1;
        }
        open
    }
}
