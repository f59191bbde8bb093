//! Counts of what the gates did.

/// What the gates did, summed over clips and frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Gate pre-activations computed.
    pub outputs: u64,
    /// Of these, outputs whose update pass ran.
    pub open: u64,
    /// Activation columns seen.
    pub columns: u64,
    /// Of these, columns whose most significant digit differs from the frame before.
    pub changed: u64,
    /// Sum of the magnitudes of these changes, in steps of the digit.
    pub entries: u64,
}

impl Stats {
    /// Share of closed outputs, `Sp`.
    pub fn sparsity(&self) -> f64 {
        if self.outputs == 0 {
            0.0
        } else {
            1.0 - self.open as f64 / self.outputs as f64
        }
    }

    /// Share of columns whose digit changed.
    pub fn changed_share(&self) -> f64 {
        if self.columns == 0 {
            1.0
        } else {
            self.changed as f64 / self.columns as f64
        }
    }

    /// Steps by which digits changed, per column.
    pub fn entries_share(&self) -> f64 {
        if self.columns == 0 {
            1.0
        } else {
            self.entries as f64 / self.columns as f64
        }
    }

    /// Multiply-accumulates executed over those of a dense pass: a changed
    /// column costs one per row, an open row one per column.
    pub fn executed_share(&self) -> f64 {
        self.changed_share() + 1.0 - self.sparsity()
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.outputs += other.outputs;
        self.open += other.open;
        self.columns += other.columns;
        self.changed += other.changed;
        self.entries += other.entries;
    }
}
