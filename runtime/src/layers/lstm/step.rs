//! One step of an LSTM.

use super::{BLOCK, Lstm, LstmState, Scratch, Strategy};
use crate::gate::GateKind;
use crate::kernels::{Kernels, Selected, changes, gate};
use crate::probe::LayerCounts;
use crate::quant::{round_shift, saturate_i16};
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a column in a panel.
const HEIGHT: u32 = Selected::TARGET.panel() as u32;

/// What the passes did.
#[derive(Clone, Copy, Default)]
struct Work {
    columns_applied: u32,
    open: u32,
    macs: u32,
}

impl Lstm<'_> {
    /// One step. `input` has I codes; the H codes of the new hidden state are
    /// written to `output`. `scratch` has [`Self::scratch_words`] words. Counts
    /// are complete only if `COUNT`.
    pub fn step<const COUNT: bool>(
        &self,
        state: &mut LstmState<'_>,
        scratch: &mut [u32],
        strategy: Strategy,
        input: &[i8],
        output: &mut [i8],
    ) -> LayerCounts {
        let work = self.advance(state, scratch, strategy, input, output);
        if !COUNT {
            return LayerCounts::default();
        }
        LayerCounts {
            outputs: self.row_count() as u32,
            open: work.open,
            columns: self.columns() as u32,
            columns_applied: work.columns_applied,
            macs: work.macs,
            dense_macs: self.dense_macs(),
        }
    }

    /// The step itself. Not generic, so that it is compiled with this crate
    /// and its settings, not with the caller's.
    fn advance(
        &self,
        state: &mut LstmState<'_>,
        scratch: &mut [u32],
        strategy: Strategy,
        input: &[i8],
        output: &mut [i8],
    ) -> Work {
        let mut scratch = self.scratch(scratch);
        let codes = <[i8]>::mut_from_bytes(state.codes.as_mut_bytes()).unwrap_or(&mut []);
        copy(codes.get_mut(..self.inputs).unwrap_or(&mut []), input);

        let work = self.preactivations(state, &mut scratch, strategy);
        // What the update pass leaves; where there is none, within the bound.
        let exact = self.weights.has_panels() && self.split.shift() == 0;
        lift(scratch.a, self.lift.saturating_sub(self.pre), exact);

        let codes = <[i8]>::mut_from_bytes(state.codes.as_mut_bytes()).unwrap_or(&mut []);
        let hidden = codes
            .get_mut(self.inputs..self.columns())
            .unwrap_or(&mut []);
        Selected::cells(&self.cell, scratch.a, state.cell, hidden);
        copy(output, hidden);
        work
    }

    const fn dense_macs(&self) -> u32 {
        (self.row_count() * self.columns()) as u32
    }

    /// Both passes: leaves the preactivations of all rows in `scratch.a`.
    fn preactivations(
        &self,
        state: &mut LstmState<'_>,
        scratch: &mut Scratch<'_>,
        strategy: Strategy,
    ) -> Work {
        let open = self.gate.kind == GateKind::Open;
        let panels = self.weights.has_panels();
        let dense = strategy == Strategy::Dense && self.weights.has_rows();
        // Without a gate every row needs all bits: one pass over them, unless
        // the digit is all there is and seldom changes.
        let one_pass = self.split.shift() > 0 && self.weights.has_rows();
        if open && (!panels || dense || (one_pass && strategy == Strategy::Auto)) {
            self.whole(state, scratch);
            return Work {
                columns_applied: self.columns() as u32,
                open: self.row_count() as u32,
                macs: self.dense_macs(),
            };
        }

        let (columns_applied, mut macs) = if panels {
            self.predict(state, scratch, strategy)
        } else {
            self.predict_densely(state, scratch);
            (self.columns() as u32, self.dense_macs())
        };
        let open = self.open_rows(state, scratch);
        // The bound of a narrow layer is that of its lifted predictions.
        let before = self.pre - self.down();
        lift(scratch.a, before, panels);
        // Beyond the predictions: the remainders, or what was rounded off.
        let rest = self.split.shift() > 0 || (before > 0 && !panels);
        if rest && open > 0 {
            self.update(state, scratch, open);
            macs += (open * self.columns()) as u32;
        }
        Work {
            columns_applied,
            open: open as u32,
            macs,
        }
    }

    /// Lists the rows that open, and reads predictions that are kept into
    /// `scratch.a`.
    fn open_rows(&self, state: &LstmState<'_>, scratch: &mut Scratch<'_>) -> usize {
        let rows = self.row_count();
        let (a, thresholds) = (&mut *scratch.a, self.gate.thresholds);
        let list = row_list(scratch.lists);
        let kept = self.weights.has_panels();
        let count = match (self.gate.kind, kept) {
            (GateKind::Within, true) => {
                Selected::load_within(state.accumulators, a, thresholds, list)
            }
            (kind, kept) => {
                if kept {
                    Selected::load(state.accumulators, a);
                }
                match kind {
                    GateKind::Open => {
                        list_all(list);
                        return rows;
                    }
                    GateKind::Above => gate::above(a, thresholds, list),
                    GateKind::Within => Selected::within(a, thresholds, list),
                }
            }
        };
        if self.gate.group > 1 {
            gate::widen(list, count, self.gate.group, rows)
        } else {
            count
        }
    }

    /// Shift of what the update pass computes: `pre`, less what is lifted.
    const fn down(&self) -> u8 {
        self.pre.saturating_sub(self.lift)
    }

    /// All rows at full precision.
    fn whole(&self, state: &LstmState<'_>, scratch: &mut Scratch<'_>) {
        let largest = self.split.range().1 as u32;
        scratch.operand.set(state.codes, largest, self.row_sum);
        self.all_rows(scratch, 0, self.down());
    }

    /// Predictions of a layer that keeps none.
    fn predict_densely(&self, state: &LstmState<'_>, scratch: &mut Scratch<'_>) {
        for (digits, &codes) in scratch.rest.iter_mut().zip(state.codes.iter()) {
            *digits = changes::cut(self.split, codes).0;
        }
        let largest = self.split.largest_digit();
        scratch.operand.set(scratch.rest, largest, self.row_sum);
        self.all_rows(scratch, self.split.shift(), self.pre);
    }

    /// `a` of every row from its dot product with the operand, shifted left
    /// by `up`; the sum with the bias is rounded after a shift by `down`.
    fn all_rows(&self, scratch: &mut Scratch<'_>, up: u8, down: u8) {
        let rows = self.weights.row_words.unwrap_or(&[]);
        let list = row_list(scratch.lists);
        list_all(list);
        let mut sums = [0; BLOCK];
        let blocks = list.chunks(BLOCK).zip(self.bias.chunks(BLOCK));
        for ((list, biases), a) in blocks.zip(scratch.a.chunks_mut(BLOCK)) {
            scratch.operand.dots(rows, list, &mut sums);
            for ((a, &sum), &bias) in a.iter_mut().zip(&sums).zip(biases) {
                let z = (sum << (up & 31)).wrapping_add(bias);
                *a = saturate_i16(round_shift(z, down));
            }
        }
    }

    /// Brings the kept predictions up to date. Returns the columns applied and
    /// the multiply-accumulates.
    fn predict(
        &self,
        state: &mut LstmState<'_>,
        scratch: &mut Scratch<'_>,
        strategy: Strategy,
    ) -> (u32, u32) {
        let panels = self.weights.panel_words.unwrap_or(&[]);
        let (split, columns) = (self.split, self.columns());
        let room = self.change_words();
        let lists = scratch.lists.get_mut(..room).unwrap_or(&mut []);
        let mut found = Selected::scan(split, state.codes, state.applied, scratch.rest, lists);
        if strategy == Strategy::FromZero {
            found = changes::scan_from_zero(split, state.applied, 0, HEIGHT, lists);
            self.store_biases(state, scratch);
        }
        let lists = scratch.lists.get(..room).unwrap_or(&[]);
        let applied = match found.changes(lists) {
            Some(changes) if strategy != Strategy::Dense => {
                Selected::predict(
                    self.weights.bits(),
                    state.accumulators,
                    panels,
                    columns,
                    &changes,
                );
                found.columns
            }
            // The digits are up to date; the predictions follow from them.
            _ => {
                if self.weights.has_rows() && strategy != Strategy::Delta {
                    self.recompute_by_rows(state, scratch);
                } else {
                    self.recompute_by_columns(state, scratch);
                }
                columns as u32
            }
        };
        (applied, applied * self.row_count() as u32)
    }

    /// Recomputes the predictions from their digits, row by row.
    fn recompute_by_rows(&self, state: &mut LstmState<'_>, scratch: &mut Scratch<'_>) {
        // The lists are as long as the digits or longer.
        let digits = scratch
            .lists
            .get_mut(..state.applied.len())
            .unwrap_or(&mut []);
        for (digits, &applied) in digits.iter_mut().zip(state.applied.iter()) {
            *digits = changes::signed_digits(self.split, applied);
        }
        let largest = self.split.largest_digit();
        scratch.operand.set(digits, largest, self.row_sum);
        self.all_rows(scratch, self.split.shift(), self.pre);
        Selected::store(state.accumulators, scratch.a);
    }

    /// The same, column by column, in as many turns as the lists need.
    fn recompute_by_columns(&self, state: &mut LstmState<'_>, scratch: &mut Scratch<'_>) {
        self.store_biases(state, scratch);
        let panels = self.weights.panel_words.unwrap_or(&[]);
        let most = 4 * self.split.largest_digit() as usize;
        let room = self.change_words();
        let lists = scratch.lists.get_mut(..room).unwrap_or(&mut []);
        let turn = (room.saturating_sub(2).checked_div(most)).map_or(1, |words| words.max(1));
        for (index, digits) in state.applied.chunks(turn).enumerate() {
            let first = (index * turn) as u32;
            let found = changes::scan_from_zero(self.split, digits, first, HEIGHT, lists);
            if let Some(changes) = found.changes(lists) {
                Selected::predict(
                    self.weights.bits(),
                    state.accumulators,
                    panels,
                    self.columns(),
                    &changes,
                );
            }
        }
    }

    /// Update pass: the first `open` rows of the list get their full precision.
    fn update(&self, state: &LstmState<'_>, scratch: &mut Scratch<'_>, open: usize) {
        let down = self.down();
        let list = row_list(scratch.lists).get(..open).unwrap_or(&[]);
        let Some(rows) = self.weights.row_words else {
            let rest = <[i8]>::ref_from_bytes(scratch.rest.as_bytes()).unwrap_or(&[]);
            for &row in list {
                let sum = self.dot_by_columns(row, rest);
                if let Some(a) = scratch.a.get_mut(usize::from(row)) {
                    *a = saturate_i16(i32::from(*a) + round_shift(sum, down));
                }
            }
            return;
        };
        if self.weights.has_panels() {
            let largest = self.split.largest_rest();
            scratch.operand.set(scratch.rest, largest, self.row_sum);
            scratch.operand.update(rows, list, down, scratch.a);
            return;
        }
        // The prediction was rounded: start again from the whole codes.
        let largest = self.split.range().1 as u32;
        scratch.operand.set(state.codes, largest, self.row_sum);
        let mut sums = [0; BLOCK];
        for list in list.chunks(BLOCK) {
            scratch.operand.dots(rows, list, &mut sums);
            for (&row, &sum) in list.iter().zip(&sums) {
                let row = usize::from(row);
                if let (Some(a), Some(&bias)) = (scratch.a.get_mut(row), self.bias.get(row)) {
                    *a = saturate_i16(round_shift(sum.wrapping_add(bias), down));
                }
            }
        }
    }

    /// Dot product of a row where there are only panels: weight by weight,
    /// for images that trade speed for flash.
    fn dot_by_columns(&self, row: u16, digits: &[i8]) -> i32 {
        let row = usize::from(row);
        let weights = (0..self.columns()).map(|k| i32::from(self.weights.panel_weight(row, k)));
        weights.zip(digits).map(|(w, &x)| w * i32::from(x)).sum()
    }

    /// Recomputes the predictions from the digits that they stand for.
    /// Changes nothing unless memory was corrupted.
    pub(crate) fn rebuild(&self, state: &mut LstmState<'_>, scratch: &mut [u32]) {
        if self.weights.has_panels() {
            self.recompute_by_columns(state, &mut self.scratch(scratch));
        }
    }
}

/// Shifts numbers to the left by `by`, saturated; `exact` says that none will be
/// beyond 16 bits.
#[inline(never)]
fn lift(numbers: &mut [i16], by: u8, exact: bool) {
    if by == 0 {
        return;
    }
    let by = by & 15;
    let one = |a: &mut i16| *a = saturate_i16(i32::from(*a) << by);
    if !exact {
        return numbers.iter_mut().for_each(one);
    }
    // Two to a word; scratch starts on one, and has no odd row: a unit has four.
    let pairs = <[u32]>::mut_from_bytes(numbers.as_mut_bytes()).unwrap_or(&mut []);
    // What the lower lane's sign shifts into the upper one.
    let spill = ((1 << by) - 1) << 16;
    for pair in pairs {
        *pair = (*pair << by) & !spill;
    }
}

/// Copies codes up to where either slice ends.
fn copy(to: &mut [i8], from: &[i8]) {
    let count = to.len().min(from.len());
    let (to, _) = to.split_at_mut(count);
    let (from, _) = from.split_at(count);
    to.copy_from_slice(from);
}

/// The memory of the lists as a list of rows: what is in it then is void.
fn row_list(lists: &mut [u32]) -> &mut [u16] {
    <[u16]>::mut_from_bytes(lists.as_mut_bytes()).unwrap_or(&mut [])
}

/// Every row, in order.
fn list_all(list: &mut [u16]) {
    for (row, entry) in list.iter_mut().enumerate() {
        *entry = row as u16;
    }
}
