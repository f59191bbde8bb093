//! Prediction pass over every output, update pass for those whose gate opens.

use super::output::Writer;
use super::{ConvConfig, reach};
use crate::arena::{take, words_of};
use crate::kernels::conv::outputs::{Decided, Level, Levels, PairLevel, Rows, Scale};
use crate::kernels::conv::{ConvKernels, MOST_ROWS, RowLists, Windows, are_narrow};
use crate::probe::LayerCounts;

/// What the outputs of a layer are decided and scaled by.
struct Tables<'t> {
    /// Whether every output's code must be computed, those with a residual and
    /// signed ones. No row lives then but those that open.
    all: bool,
    wide: &'t [Level],
    narrow: &'t [PairLevel],
    scales: &'t [Scale],
}

/// Rows of all panels.
const fn rows(config: &ConvConfig<'_>) -> usize {
    let height = config.weights.target().panel();
    config.output.channels.div_ceil(height) * height
}

/// Words of scratch.
pub(super) const fn words(config: &ConvConfig<'_>) -> usize {
    config.geometry().words()
        + words_of::<Level>(rows(config))
        + words_of::<PairLevel>(rows(config) / 2)
        + words_of::<Scale>(config.output.channels)
}

impl<'t> Tables<'t> {
    /// Computes the tables.
    fn take(words: &mut &'t mut [u32], config: &ConvConfig<'_>) -> Self {
        let all = config.output_signed || config.residual.is_some();
        let shift = config.split.shift();
        let wide: &mut [Level] = take(words, rows(config));
        let narrow: &mut [PairLevel] = take(words, rows(config) / 2);
        let scales: &mut [Scale] = take(words, config.output.channels);
        wide.fill(Level::NONE);
        let channels = config.bias.iter().zip(config.requant).enumerate();
        for ((level, scale), (channel, (&bias, &requant))) in
            wide.iter_mut().zip(&mut *scales).zip(channels)
        {
            let threshold = config
                .gate
                .threshold(channel)
                .map_or(i64::MIN / 2, i64::from);
            level.open = Level::above(threshold, bias, shift);
            level.live = if all {
                level.open
            } else {
                Level::above(Level::zero(requant), bias, shift).min(level.open)
            };
            *scale = Scale::new(bias, requant);
        }
        let (pairs, _) = wide.as_chunks();
        for (narrow, &pair) in narrow.iter_mut().zip(pairs) {
            *narrow = PairLevel::of(pair);
        }
        Self {
            all,
            wide,
            narrow,
            scales,
        }
    }
}

/// Runs the layer; all slices are as long as they must be.
pub(super) fn run<K: ConvKernels>(
    config: &ConvConfig<'_>,
    mut scratch: &mut [u32],
    input: &[i8],
    writer: &mut Writer<'_, '_>,
) -> LayerCounts {
    let mut geometry = config.geometry();
    geometry.reach = reach::of(config);
    let Some(mut lists) = RowLists::take(&mut scratch, geometry) else {
        return LayerCounts::default();
    };
    let mut layer = Layer {
        config,
        tables: Tables::take(&mut scratch, config),
        narrow: are_narrow(K::TARGET, &geometry),
        panel: geometry.columns() * K::TARGET.panel() / 4,
        counts: LayerCounts::default(),
        sums: [0; MOST_ROWS],
        update: [0; MOST_ROWS],
        decided: Decided::NONE,
        every: Rows::NONE,
    };
    writer.clear();
    let window = config.window;
    let shape = config.output.shape;
    let mut listed = 0;
    let mut applied = 0u32;
    for y in 0..shape.height {
        let top = geometry.edge(y);
        let first = top.max(0) as usize;
        let end = (top + window.kernel as i32).clamp(0, config.input.shape.height as i32);
        for row in first.max(listed)..end as usize {
            lists.list(row, input);
            listed = row + 1;
        }
        let mut windows = lists.row(top);
        applied = applied.wrapping_add(windows.applied());
        for x in 0..shape.width {
            windows.aim(geometry.edge(x));
            layer.pixel::<K>((y, x), &windows, writer);
        }
    }
    let pixels = (shape.height * shape.width) as u32;
    let (columns, channels) = (geometry.columns() as u32, config.output.channels as u32);
    LayerCounts {
        outputs: pixels.wrapping_mul(channels),
        columns: pixels.wrapping_mul(columns),
        columns_applied: applied,
        macs: (layer.counts.macs).wrapping_add(applied.wrapping_mul(channels)),
        dense_macs: pixels.wrapping_mul(columns).wrapping_mul(channels),
        ..layer.counts
    }
}

struct Layer<'l> {
    config: &'l ConvConfig<'l>,
    tables: Tables<'l>,
    /// Whether levels are narrow.
    narrow: bool,
    /// Words of a panel.
    panel: usize,
    /// Open outputs, and what the update pass multiplied.
    counts: LayerCounts,
    /// Sums of a panel: of prediction digits, and where open of whole codes.
    sums: [i32; MOST_ROWS],
    /// What the update pass adds to them.
    update: [i32; MOST_ROWS],
    decided: Decided,
    /// All rows of a panel, where every output has a code.
    every: Rows,
}

impl Layer<'_> {
    /// All outputs of a pixel.
    fn pixel<K: ConvKernels>(
        &mut self,
        at: (usize, usize),
        windows: &Windows<'_>,
        writer: &mut Writer<'_, '_>,
    ) {
        let height = K::TARGET.panel();
        let mut words = self.config.weights.panel_words.unwrap_or(&[]);
        let shift = self.config.split.shift();
        let mut scales = self.tables.scales;
        let (mut wide, mut narrow) = (self.tables.wide, self.tables.narrow);
        let mut first = 0;
        while let Some(panel) = words.split_off(..self.panel) {
            let levels = if self.narrow {
                Levels::Narrow(narrow.split_off(..height / 2).unwrap_or(&[]))
            } else {
                Levels::Wide(wide.split_off(..height).unwrap_or(&[]))
            };
            let count = height.min(scales.len());
            let Some(of_panel) = scales.split_off(..count) else {
                return;
            };
            let (sums, decided) = (&mut self.sums, &mut self.decided);
            K::decide(panel, windows.prediction(), levels, sums, decided);
            if self.config.group > 1 {
                decided.group(self.config.group, count);
            }
            let predicted = writer.shows().then_some(*sums);
            let all = self.tables.all;
            if all {
                self.sums.iter_mut().for_each(|sum| *sum <<= shift & 31);
            }
            if !self.decided.open.list().is_empty() {
                self.update::<K>(panel, windows);
            }
            if all && self.every.list().len() != count {
                self.every = Rows::first(count);
            }
            let (sums, decided) = (&self.sums, &self.decided);
            if let Some(predicted) = predicted {
                let open = decided.open.list();
                let predicted = predicted.get(..count).unwrap_or(&[]);
                writer.show_sums(at, first, (predicted, sums), shift, open);
            }
            if all {
                writer.codes::<K>(at, first, of_panel, (sums, 0), &self.every);
            } else {
                writer.codes::<K>(at, first, of_panel, (sums, shift), &decided.live);
                writer.codes::<K>(at, first, of_panel, (sums, 0), &decided.open);
            }
            first += height;
            if scales.is_empty() {
                break;
            }
        }
    }

    /// The update pass of a panel's open outputs: makes their sums of prediction
    /// digits, multiplied by `2^shift` already where all have a code, sums of whole
    /// codes.
    fn update<K: ConvKernels>(&mut self, panel: &[u32], windows: &Windows<'_>) {
        let shift = self.config.split.shift();
        let open = self.decided.open.list();
        if !self.tables.all {
            for &row in open {
                if let Some(sum) = self.sums.get_mut(usize::from(row)) {
                    *sum <<= shift & 31;
                }
            }
        }
        self.counts.open += open.len() as u32;
        if shift == 0 {
            return;
        }
        let patch = windows.update();
        let macs = patch.count().wrapping_mul(open.len() as u32);
        self.counts.macs = self.counts.macs.wrapping_add(macs);
        if open.len() < K::WHOLE {
            K::rows(panel, patch, open, &mut self.sums);
            return;
        }
        K::panel(panel, patch, &mut self.update);
        for &row in open {
            let row = usize::from(row);
            if let (Some(sum), Some(add)) = (self.sums.get_mut(row), self.update.get(row)) {
                *sum = sum.wrapping_add(*add);
            }
        }
    }
}
