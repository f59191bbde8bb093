//! LSTM layer with the prediction pass as exact MSB delta.
//!
//! One step on the concatenated codes `v = [x | h]`, K = I + H columns and
//! 4H rows. Rows are in **unit order**: row `4u + g` is gate g of unit u, in
//! the order i, f, g, o. With `(hb, lb)` the digits of `v` and `s` the bits of
//! `lb`:
//!
//! ```text
//! a_hb = sat16(round_shift(((W hb) << s) + b, pre))     prediction
//! open = |a_hb| < t   (within),   a_hb > t   (above)    per row
//! a    = open ? sat16(round_shift(W v + b, pre)) : a_hb
//! ```
//!
//! and the cell follows from `a` as [`crate::kernels::cell`] says. Few bits of
//! weights make `2^pre` units of an accumulator too coarse for the cell's
//! multipliers, and for what a gate that opens adds. Then both numbers are
//! **lifted**: the closed rows' `a` is `sat16(a_hb << lift)`, the open ones'
//! `sat16(round_shift(W v + b, pre - lift))`, a negative shift being one to the
//! left.
//!
//! # Where the work is saved
//!
//! A layer with panels is **narrow**: `b` is a multiple of `2^s`, `pre = s`,
//! and for every row `2^lift (max|hb| * sum|w| + |b| / 2^s) <= 32767`. Then
//! `a_hb = W hb + b / 2^s` is an exact 16-bit number, which is kept as state:
//! only the columns whose digit changed since the last step are applied.
//! Integer addition is exact, so the predictions equal a full recomputation
//! at every step. Open rows add `round_shift(W lb, s - lift)`.
//!
//! Where so many digits change that a pass over all rows is cheaper, the layer
//! takes it, with the same result. A layer without panels always does.

mod step;
mod validate;

use crate::arena::{take, words_of};
use crate::gate::GateKind;
use crate::kernels::{Kernels, Selected, cell, changes};
use crate::layers::operand::Operand;
use crate::layout::Matrix;
use crate::quant::Split;

/// Rows whose dot products are formed at a time: a multiple of what kernels
/// take together (2, 3, 4 or 8).
const BLOCK: usize = 48;

/// The gate of an LSTM.
#[derive(Clone, Copy, Debug)]
pub struct LstmGate<'a> {
    pub(crate) kind: GateKind,
    pub(crate) group: usize,
    pub(crate) thresholds: &'a [i16],
}

impl<'a> LstmGate<'a> {
    /// The kind of test.
    #[must_use]
    pub const fn kind(&self) -> GateKind {
        self.kind
    }

    /// Consecutive rows that open together, when one of them would: 1, 4 (the
    /// gates of a unit), 8 or 16.
    #[must_use]
    pub const fn group(&self) -> usize {
        self.group
    }

    /// Thresholds, one per row, in units of the requantised prediction; empty
    /// for [`GateKind::Open`].
    #[must_use]
    pub const fn thresholds(&self) -> &'a [i16] {
        self.thresholds
    }
}

/// How an LSTM forms its preactivations. All give the same bytes; the others
/// than [`Self::Auto`] are there to measure what each saving is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Whatever is cheapest.
    #[default]
    Auto,
    /// Changed digits only, even where the dense pass is cheaper.
    Delta,
    /// Every digit that is not zero, as if there were no last step.
    FromZero,
    /// Every column of every row.
    Dense,
}

/// Parameters of an LSTM layer, in place in the image.
#[derive(Clone, Copy, Debug)]
pub struct Lstm<'a> {
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    pub(crate) split: Split,
    pub(crate) gate: LstmGate<'a>,
    pub(crate) weights: Matrix<'a>,
    pub(crate) row_sum: u32,
    pub(crate) bias: &'a [i32],
    pub(crate) pre: u8,
    pub(crate) lift: u8,
    pub(crate) cell: cell::Constants<'a>,
}

/// State of an LSTM layer between steps.
#[derive(Debug)]
pub struct LstmState<'s> {
    /// Predictions as the kernels keep them; empty without panels.
    accumulators: &'s mut [u32],
    cell: &'s mut [i16],
    /// Codes of inputs and hidden units, four a word, padded with zeros.
    codes: &'s mut [u32],
    /// Digits that the accumulators stand for; empty without panels.
    applied: &'s mut [u32],
}

impl LstmState<'_> {
    /// Makes the next step find that every digit changed, by more than lists
    /// hold: the worst case, for measurements.
    pub fn forget_digits(&mut self) {
        for digits in self.applied.iter_mut() {
            *digits ^= 0x8080_8080;
        }
    }
}

/// Memory used within a step.
struct Scratch<'s> {
    /// Predictions, then preactivations, one per row.
    a: &'s mut [i16],
    /// Remainders, four a word.
    rest: &'s mut [u32],
    /// First the changed columns, then the rows that open: see `row_list`.
    lists: &'s mut [u32],
    operand: Operand<'s>,
}

impl<'a> Lstm<'a> {
    /// Width of the input, I.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Hidden units, H.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.hidden
    }

    /// Columns of the weight matrix, K = I + H.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.inputs + self.hidden
    }

    /// Rows of the weight matrix, 4H, in unit order.
    #[must_use]
    pub const fn row_count(&self) -> usize {
        4 * self.hidden
    }

    /// The split of the activations.
    #[must_use]
    pub const fn split(&self) -> Split {
        self.split
    }

    /// The gate and its thresholds.
    #[must_use]
    pub const fn gate(&self) -> &LstmGate<'a> {
        &self.gate
    }

    /// The weights, 4H x K.
    #[must_use]
    pub const fn weights(&self) -> &Matrix<'a> {
        &self.weights
    }

    /// Bias of every row, in accumulator units.
    #[must_use]
    pub const fn bias(&self) -> &'a [i32] {
        self.bias
    }

    /// Shift from accumulator units to the units of predictions and thresholds.
    #[must_use]
    pub const fn pre(&self) -> u8 {
        self.pre
    }

    /// Shift of predictions to the left once the gate has decided, 0 to 15.
    #[must_use]
    pub const fn lift(&self) -> u8 {
        self.lift
    }

    /// Parameters of the cells.
    #[must_use]
    pub const fn cell(&self) -> &cell::Constants<'a> {
        &self.cell
    }

    /// Columns of a stored row.
    const fn stored_columns(&self) -> usize {
        self.weights.row_columns()
    }

    /// Words of the accumulators.
    const fn accumulator_words(&self) -> usize {
        if self.weights.has_panels() {
            self.row_count().next_multiple_of(self.weights.panel_rows()) / 2
        } else {
            0
        }
    }

    /// Words that hold a digit of every column.
    const fn digit_words(&self) -> usize {
        self.stored_columns() / 4
    }

    const fn applied_words(&self) -> usize {
        if self.weights.has_panels() {
            self.digit_words()
        } else {
            0
        }
    }

    /// Largest magnitude of what a dot product is ever formed with.
    const fn largest_digit(&self) -> u32 {
        let gated = !matches!(self.gate.kind, GateKind::Open);
        if gated && self.weights.has_panels() {
            let rest = self.split.largest_rest();
            let digit = self.split.largest_digit();
            if rest > digit { rest } else { digit }
        } else {
            self.split.range().1 as u32
        }
    }

    /// Words of the lists of changed columns: as many entries as are cheaper
    /// to apply than a pass over all rows, at least those of one word of
    /// digits, and two ends.
    const fn change_words(&self) -> usize {
        if !self.weights.has_panels() {
            return 0;
        }
        let cheaper = self.columns() * 16 / self.weights.target().entry_cost();
        let word = 4 * self.split.largest_digit() as usize;
        2 + if cheaper > word { cheaper } else { word }
    }

    /// Words of the lists: those of changed columns, later the rows that open;
    /// where predictions are recomputed, digits.
    const fn list_words(&self) -> usize {
        let rows = words_of::<u16>(self.row_count());
        let changes = self.change_words();
        let longer = if changes > rows { changes } else { rows };
        // A narrow layer's padding may be most of its digits.
        if longer > self.applied_words() {
            longer
        } else {
            self.applied_words()
        }
    }

    /// The same layer with every gate open: the plain integer network of the
    /// same weights, for comparison. It computes other numbers.
    #[must_use]
    pub const fn with_open_gates(mut self) -> Self {
        self.gate = LstmGate {
            kind: GateKind::Open,
            group: 1,
            thresholds: &[],
        };
        self
    }

    /// Words of state.
    #[must_use]
    pub fn state_words(&self) -> usize {
        self.accumulator_words()
            + words_of::<i16>(self.hidden)
            + self.digit_words()
            + self.applied_words()
    }

    /// Words of scratch within a step.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        words_of::<i16>(self.row_count())
            + self.digit_words()
            + self.list_words()
            + Operand::words(
                self.weights.target(),
                self.weights.bits(),
                self.stored_columns(),
                self.largest_digit(),
            )
    }

    /// Lays the state out in [`Self::state_words`] words. It must be reset
    /// before the first step.
    pub fn state<'s>(&self, mut words: &'s mut [u32]) -> LstmState<'s> {
        LstmState {
            accumulators: take(&mut words, self.accumulator_words()),
            cell: take(&mut words, self.hidden),
            codes: take(&mut words, self.digit_words()),
            applied: take(&mut words, self.applied_words()),
        }
    }

    /// Lays the scratch out in words of the arena.
    fn scratch<'s>(&self, mut words: &'s mut [u32]) -> Scratch<'s> {
        Scratch {
            a: take(&mut words, self.row_count()),
            rest: take(&mut words, self.digit_words()),
            lists: take(&mut words, self.list_words()),
            operand: Operand::take(
                &mut words,
                self.weights.bits(),
                self.stored_columns(),
                self.largest_digit(),
            ),
        }
    }

    /// Forgets the past: hidden and cell state zero, predictions the biases.
    pub fn reset(&self, state: &mut LstmState<'_>, scratch: &mut [u32]) {
        state.cell.fill(0);
        state.codes.fill(0);
        state.applied.fill(changes::zero_digits(self.split));
        self.store_biases(state, &mut self.scratch(scratch));
    }

    /// Sets the predictions to what they are for digits of zero.
    fn store_biases(&self, state: &mut LstmState<'_>, scratch: &mut Scratch<'_>) {
        if self.weights.has_panels() {
            for (a, &bias) in scratch.a.iter_mut().zip(self.bias) {
                *a = (bias >> self.pre) as i16;
            }
            Selected::store(state.accumulators, scratch.a);
        }
    }
}
