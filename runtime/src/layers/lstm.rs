//! LSTM layer with the prediction pass as exact MSB delta.
//!
//! One step on the concatenated codes `v = [x | h]`, K = I + H columns and
//! 4H rows in the order of the gates i, f, g, o:
//!
//! 1. the digits of `v` are compared with those of the last step; only the
//!    columns whose digit changed are added to the prediction accumulators
//!    `acc_hb = W * hb`, which are state. Integer addition is exact, so the
//!    accumulators equal a full recomputation at every step;
//! 2. `z_hb = (acc_hb << s) + bias`; the gate decides each row;
//! 3. open rows get the update pass: `z = z_hb + W * lb`;
//! 4. `c' = f * c + i * g`, `h = o * tanh(c')`, by integer tables.

use crate::activation::{C_FRACTION, Z_FRACTION, sigmoid, tanh};
use crate::arena::{take, words_of};
use crate::gate::Gate;
use crate::kernels::{Digit, Kernels, PANEL, PanelAccumulators, PanelColumn, Selected};
use crate::probe::LayerCounts;
use crate::quant::{Requant, Split, round_shift, saturate_i16};

/// Parameters of an LSTM layer, in place in the image.
#[derive(Clone, Copy, Debug)]
pub struct Lstm<'a> {
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    pub(crate) split: Split,
    pub(crate) gate: Gate<'a>,
    pub(crate) panels: &'a [PanelColumn],
    pub(crate) rows: Option<&'a [i8]>,
    pub(crate) bias: &'a [i32],
    pub(crate) requant: &'a [Requant],
    pub(crate) hidden_requant: Requant,
}

/// State of an LSTM layer between steps.
#[derive(Debug)]
pub struct LstmState<'s> {
    accumulators: &'s mut [PanelAccumulators],
    cell: &'s mut [i16],
    codes: &'s mut [i8],
    applied: &'s mut [i8],
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

    /// Rows of the weight matrix, 4H: gates i, f, g, o.
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
    pub const fn gate(&self) -> &Gate<'a> {
        &self.gate
    }

    /// Whether the image has a row-major copy of the weights for the update pass.
    #[must_use]
    pub const fn has_row_copy(&self) -> bool {
        self.rows.is_some()
    }

    /// Weight of `row` and `column`; zero outside the matrix.
    #[must_use]
    pub fn weight(&self, row: usize, column: usize) -> i8 {
        if column >= self.columns() {
            return 0;
        }
        self.panels
            .get(row / PANEL * self.columns() + column)
            .map_or(0, |c| c[row % PANEL])
    }

    /// Bias of every row, in accumulator units.
    #[must_use]
    pub const fn bias(&self) -> &'a [i32] {
        self.bias
    }

    /// Requantisation of every row from accumulator units to Q12.
    #[must_use]
    pub const fn requant(&self) -> &'a [Requant] {
        self.requant
    }

    /// Requantisation of `o * tanh(c)`, Q15, to codes.
    #[must_use]
    pub const fn hidden_requant(&self) -> Requant {
        self.hidden_requant
    }

    /// Whether the rows that fill up the last panel are zero.
    pub(crate) fn padding_is_zero(&self) -> bool {
        let used = self.row_count() % PANEL;
        let last = self.panel_count().saturating_sub(1) * self.columns();
        used == 0 || (self.panels.iter().skip(last)).all(|c| c.iter().skip(used).all(|&w| w == 0))
    }

    /// Whether the row-major copy, if there is one, holds the same weights.
    pub(crate) fn row_copy_agrees(&self) -> bool {
        let Some(rows) = self.rows else { return true };
        rows.chunks_exact(self.columns())
            .enumerate()
            .all(|(row, weights)| {
                (weights.iter().enumerate()).all(|(k, &w)| w == self.weight(row, k))
            })
    }

    const fn panel_count(&self) -> usize {
        self.row_count().div_ceil(PANEL)
    }

    pub(crate) const fn state_words(&self) -> usize {
        words_of::<PanelAccumulators>(self.panel_count())
            + words_of::<i16>(self.hidden)
            + 2 * words_of::<i8>(self.columns())
    }

    pub(crate) const fn scratch_words(&self) -> usize {
        words_of::<Digit>(self.columns()) + words_of::<i8>(self.columns())
    }

    /// Lays the state out in words of the arena.
    pub(crate) fn state<'s>(&self, mut words: &'s mut [u32]) -> LstmState<'s> {
        LstmState {
            accumulators: take(&mut words, self.panel_count()),
            cell: take(&mut words, self.hidden),
            codes: take(&mut words, self.columns()),
            applied: take(&mut words, self.columns()),
        }
    }

    /// One step. `input` has I codes; the H codes of the new hidden state are
    /// written to `output`. Counts are complete only if `COUNT`.
    pub(crate) fn step<const COUNT: bool>(
        &self,
        state: &mut LstmState<'_>,
        mut scratch: &mut [u32],
        input: &[i8],
        output: &mut [i8],
    ) -> LayerCounts {
        let digits: &mut [Digit] = take(&mut scratch, self.columns());
        let lsb: &mut [i8] = take(&mut scratch, self.columns());

        for (code, &x) in state.codes.iter_mut().zip(input.iter().take(self.inputs)) {
            *code = x;
        }
        let changed = self.find_changed(state, digits, lsb);
        Selected::apply_digits(
            state.accumulators,
            self.panels,
            self.columns(),
            digits.get(..changed).unwrap_or(&[]),
        );
        let open = self.update_cells(state, lsb);
        for (out, &h) in output.iter_mut().zip(state.codes.iter().skip(self.inputs)) {
            *out = h;
        }

        if !COUNT {
            return LayerCounts::default();
        }
        let (rows, columns) = (self.row_count() as u32, self.columns() as u32);
        let update = if self.split.shift() == 0 { 0 } else { open };
        LayerCounts {
            outputs: rows,
            open,
            columns,
            columns_applied: changed as u32,
            macs: changed as u32 * rows + update * columns,
            dense_macs: rows * columns,
        }
    }

    /// Splits the codes: remainders into `lsb`, changes of digits into the
    /// front of `digits`. Returns how many changed.
    fn find_changed(
        &self,
        state: &mut LstmState<'_>,
        digits: &mut [Digit],
        lsb: &mut [i8],
    ) -> usize {
        let mut changed = 0;
        let columns = state.codes.iter().zip(state.applied.iter_mut()).zip(lsb);
        for (column, ((&code, applied), lsb)) in columns.enumerate() {
            let (hb, lb) = self.split.digits(code);
            *lsb = lb;
            if hb != *applied {
                if let Some(d) = digits.get_mut(changed) {
                    *d = Digit {
                        column: column as u16,
                        value: i16::from(hb) - i16::from(*applied),
                    };
                    changed += 1;
                }
                *applied = hb;
            }
        }
        changed
    }

    /// Gates, update pass and cell update. Returns the number of open rows.
    fn update_cells(&self, state: &mut LstmState<'_>, lsb: &[i8]) -> u32 {
        let mut open = 0;
        let accumulators = state.accumulators.as_flattened();
        let hidden_codes = state.codes.iter_mut().skip(self.inputs);
        for (unit, (cell, code)) in state.cell.iter_mut().zip(hidden_codes).enumerate() {
            let mut z = [0i16; 4];
            for (gate, z) in z.iter_mut().enumerate() {
                let row = gate * self.hidden + unit;
                let acc = accumulators.get(row).copied().unwrap_or(0);
                let (sum, opened) = self.preactivation(row, acc, lsb);
                open += u32::from(opened);
                *z = self.requant.get(row).map_or(0, |r| r.apply(sum));
            }
            *code = self.update_cell(cell, z);
        }
        open
    }

    /// `z_hb`, and `z` where the gate opens, in accumulator units.
    #[inline(always)]
    fn preactivation(&self, row: usize, acc_hb: i32, lsb: &[i8]) -> (i32, bool) {
        let bias = self.bias.get(row).copied().unwrap_or(0);
        let z_hb = acc_hb
            .wrapping_shl(u32::from(self.split.shift()))
            .wrapping_add(bias);
        if !self.gate.opens(row, z_hb) {
            return (z_hb, false);
        }
        if self.split.shift() == 0 {
            return (z_hb, true);
        }
        let columns = self.columns();
        let dot = match self.rows {
            Some(rows) => Selected::dot(
                rows.get(row * columns..(row + 1) * columns).unwrap_or(&[]),
                lsb,
            ),
            None => {
                let start = row / PANEL * columns;
                let panel = self.panels.get(start..start + columns).unwrap_or(&[]);
                Selected::dot_lane(panel, row % PANEL, lsb)
            }
        };
        (z_hb.wrapping_add(dot), true)
    }

    /// The cell of one unit from its four preactivations in Q12; returns the
    /// code of the new hidden state.
    #[inline(always)]
    fn update_cell(&self, cell: &mut i16, [i, f, g, o]: [i16; 4]) -> i8 {
        let (i, f) = (i32::from(sigmoid(i)), i32::from(sigmoid(f)));
        let (g, o) = (i32::from(tanh(g)), i32::from(sigmoid(o)));
        // f and the cell: Q15 * Q11. i and g: Q15 * Q15 = Q30, to Q11.
        let kept = round_shift(f * i32::from(*cell), 15);
        let added = round_shift(i * g, 30 - C_FRACTION);
        *cell = saturate_i16(kept + added);
        let z = saturate_i16(i32::from(*cell) << (Z_FRACTION - C_FRACTION));
        let h = round_shift(o * i32::from(tanh(z)), 15);
        let (low, high) = self.split.range();
        self.hidden_requant.apply(h).clamp(low, high) as i8
    }

    /// Recomputes the prediction accumulators from the digits that they
    /// should hold. Changes nothing unless memory was corrupted.
    pub(crate) fn rebuild(&self, state: &mut LstmState<'_>, mut scratch: &mut [u32]) {
        let digits: &mut [Digit] = take(&mut scratch, self.columns());
        let mut used = 0;
        for (column, &hb) in state.applied.iter().enumerate() {
            if let (true, Some(d)) = (hb != 0, digits.get_mut(used)) {
                *d = Digit {
                    column: column as u16,
                    value: i16::from(hb),
                };
                used += 1;
            }
        }
        state.accumulators.as_flattened_mut().fill(0);
        let digits = digits.get(..used).unwrap_or(&[]);
        Selected::apply_digits(state.accumulators, self.panels, self.columns(), digits);
    }
}
