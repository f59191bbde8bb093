//! The oracle: the definitions, one multiplication at a time.

use super::{Digit, Kernels, PANEL, PanelAccumulators, PanelColumn};

/// Kernels that only have to be right.
pub struct Naive;

impl Kernels for Naive {
    fn apply_digits(
        accumulators: &mut [PanelAccumulators],
        panels: &[PanelColumn],
        columns: usize,
        digits: &[Digit],
    ) {
        for (p, acc) in accumulators.iter_mut().enumerate() {
            for (lane, acc) in acc.iter_mut().enumerate() {
                for d in digits {
                    let column = usize::from(d.column);
                    if column < columns {
                        let w = i32::from(panels[p * columns + column][lane]);
                        *acc = acc.wrapping_add(w * i32::from(d.value));
                    }
                }
            }
        }
    }

    fn dot(row: &[i8], digits: &[i8]) -> i32 {
        let mut sum = 0i32;
        for k in 0..row.len().min(digits.len()) {
            sum += i32::from(row[k]) * i32::from(digits[k]);
        }
        sum
    }

    fn dot_lane(panel: &[PanelColumn], lane: usize, digits: &[i8]) -> i32 {
        let mut sum = 0i32;
        for k in 0..panel.len().min(digits.len()) {
            sum += i32::from(panel[k][lane % PANEL]) * i32::from(digits[k]);
        }
        sum
    }
}
