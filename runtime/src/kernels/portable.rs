//! Plain Rust, for any core.
//!
//! Limit per multiply-accumulate on a Cortex-M0+ (documented timings, zero
//! wait states): load of the weight 2, multiply 1, add 1, and the 16
//! accumulators do not fit the registers, so load and store 4: 8 cycles for
//! the prediction pass, 6 for the update pass. Written without indexing, so
//! that no bounds check and no panic remains.

use super::{Digit, Kernels, PANEL, PanelAccumulators, PanelColumn};

/// Kernels in plain Rust.
pub struct Portable;

impl Kernels for Portable {
    #[inline]
    fn apply_digits(
        accumulators: &mut [PanelAccumulators],
        panels: &[PanelColumn],
        columns: usize,
        digits: &[Digit],
    ) {
        for (acc, panel) in accumulators
            .iter_mut()
            .zip(panels.chunks_exact(columns.max(1)))
        {
            for d in digits {
                let Some(w) = panel.get(usize::from(d.column)) else {
                    continue;
                };
                let value = i32::from(d.value);
                for (a, &w) in acc.iter_mut().zip(w) {
                    *a = a.wrapping_add(i32::from(w).wrapping_mul(value));
                }
            }
        }
    }

    #[inline]
    fn dot(row: &[i8], digits: &[i8]) -> i32 {
        let mut sum = 0i32;
        for (&w, &d) in row.iter().zip(digits) {
            sum = sum.wrapping_add(i32::from(w).wrapping_mul(i32::from(d)));
        }
        sum
    }

    #[inline]
    fn dot_lane(panel: &[PanelColumn], lane: usize, digits: &[i8]) -> i32 {
        let lane = lane % PANEL;
        let mut sum = 0i32;
        for (w, &d) in panel.iter().zip(digits) {
            sum = sum.wrapping_add(i32::from(w[lane]).wrapping_mul(i32::from(d)));
        }
        sum
    }
}
