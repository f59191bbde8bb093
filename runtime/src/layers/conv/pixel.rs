//! Sixteen output channels of one output pixel.

use super::Conv;
use crate::gate::GateKind;
use crate::kernels::columns::{
    GROUP, GROUPS, HEIGHT, Lanes, Run, WORDS, add_group, add_panel, fold_after,
};

/// What a panel of output channels came to at a pixel.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Predictions `z_hb`.
    pub predictions: [i32; HEIGHT],
    /// Outputs `z`: the prediction, or the whole sum where the gate is open.
    pub z: [i32; HEIGHT],
    /// A bit for every channel whose gate is open.
    pub open: u16,
}

/// Told of every panel of channels at every pixel: row, column, first channel,
/// and the outputs of those there are.
pub trait Visit {
    /// Looks at some outputs.
    fn visit(&mut self, y: usize, x: usize, channel: usize, count: usize, output: &Output);
}

/// Nobody looks.
impl Visit for () {
    fn visit(&mut self, _: usize, _: usize, _: usize, _: usize, _: &Output) {}
}

/// Most rows of a window: [`Conv::is_consistent`].
pub const MAX_KERNEL: usize = 16;

/// The lists under a window: prediction digits and remainders, row by row.
pub struct Patch<'p> {
    pub digits: [Run<'p>; MAX_KERNEL],
    pub rest: [Run<'p>; MAX_KERNEL],
    pub rows: usize,
}

/// How many entries fit between folds, of digits and of remainders.
#[derive(Clone, Copy)]
pub struct Folds {
    digits: usize,
    rest: usize,
}

impl Conv<'_> {
    pub(super) fn folds(&self) -> Folds {
        let shift = self.split.shift();
        // Signed remainders are rounded, unsigned ones truncated.
        let rest = if self.split.signed() {
            (1 << shift) / 2
        } else {
            (1 << shift) - 1
        };
        Folds {
            digits: fold_after(self.split.largest_digit(), self.row_sum),
            rest: fold_after(rest, self.row_sum),
        }
    }

    /// Both passes for the channels from `first` on. Not generic, so that it
    /// is compiled with this crate and its settings.
    #[inline(never)]
    pub(super) fn panel(&self, first: usize, patch: &Patch<'_>, folds: Folds) -> Output {
        let stride = self.columns() * WORDS;
        let start = first / HEIGHT * stride;
        let panel = self.panels.get(start..start + stride).unwrap_or(&[]);

        let mut rows = [[0i32; GROUP]; GROUPS];
        let mut lanes = Lanes::<GROUPS>::new();
        let runs = patch.digits.get(..patch.rows).unwrap_or(&[]);
        walk(runs, folds.digits, &mut lanes, &mut rows, |run, lanes| {
            add_panel(panel, run, lanes);
        });
        let shift = self.split.shift() & 31;
        let mut z = [0i32; HEIGHT];
        let biases = self.bias.get(first..).unwrap_or(&[]);
        for ((z, &sum), &bias) in z.iter_mut().zip(rows.as_flattened()).zip(biases) {
            *z = (sum << shift).wrapping_add(bias);
        }

        let count = biases.len().min(HEIGHT);
        let mut output = Output {
            predictions: z,
            z,
            open: self.open(first, count, &z),
        };
        if shift > 0 {
            let runs = patch.rest.get(..patch.rows).unwrap_or(&[]);
            for group in 0..GROUPS {
                let open = output.open >> (GROUP * group) & 0xf;
                if open != 0 {
                    let mut sums = [[0; GROUP]];
                    walk(
                        runs,
                        folds.rest,
                        &mut Lanes::<1>::new(),
                        &mut sums,
                        |run, lanes| {
                            add_group(panel, group, run, lanes);
                        },
                    );
                    for (k, sum) in sums.into_iter().flatten().enumerate() {
                        if open >> k & 1 == 1 {
                            let z = &mut output.z[GROUP * group + k];
                            *z = z.wrapping_add(sum);
                        }
                    }
                }
            }
        }
        output
    }

    /// The gates of `count` channels, by their predictions.
    fn open(&self, first: usize, count: usize, z: &[i32; HEIGHT]) -> u16 {
        let all = ((1u32 << count) - 1) as u16;
        if matches!(self.gate.kind(), GateKind::Open) {
            return all;
        }
        let mut open = 0u16;
        for (k, &z) in z.iter().enumerate().take(count) {
            open |= u16::from(self.gate.opens(first + k, z)) << k;
        }
        if self.group > 1 {
            let group = ((1u32 << self.group) - 1) as u16;
            for start in (0..HEIGHT).step_by(self.group) {
                if open >> start & group != 0 {
                    open |= group << start;
                }
            }
        }
        open & all
    }
}

/// Adds the entries of all runs, folding after as many as fit.
#[inline(always)]
fn walk<const N: usize>(
    runs: &[Run<'_>],
    fold_after: usize,
    lanes: &mut Lanes<N>,
    rows: &mut [[i32; GROUP]; N],
    mut add: impl FnMut(Run<'_>, &mut Lanes<N>),
) {
    let mut room = fold_after;
    for &run in runs {
        let mut entries = run.entries;
        while entries.len() > room {
            let (now, later) = entries.split_at(room);
            add(
                Run {
                    entries: now,
                    ..run
                },
                lanes,
            );
            lanes.fold(rows);
            (entries, room) = (later, fold_after);
        }
        room -= entries.len();
        add(Run { entries, ..run }, lanes);
    }
    lanes.fold(rows);
}
