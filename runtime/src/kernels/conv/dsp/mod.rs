//! The loops for [`Target::Dsp`] in assembly.
//!
//! Cycles as in [`crate::kernels::dsp`]: Cortex-M4, no wait states.
//!
//! | loop | work | least | reached |
//! |---|---|---|---|
//! | planes | an entry, 16 rows: 5 loads, 8 additions, an address | 15 | 16.4, and 27 a run |
//! | weighted | an entry, 16 rows: 5 loads, 8 in bytes, 8 multiplications, digit and address | 24 | 32, and 16 a run |
//! | rows | an entry, 1 to 4 rows: 2 to 5 loads, 1 to 4 multiplications, digit and address | 6 to 12 | 7 to 13, and 0.8 for the loop, 27 a run |
//!
//! The least has all loads next to each other. Eight registers of sums leave
//! six, and four words of a column need four of them: the next entry is loaded
//! by itself.
#![allow(unsafe_code)]

mod planes;
mod rows;
mod weighted;

use super::{ConvKernels, Form, Patch, Run};
use crate::kernels::dsp::Dsp;
use crate::layout::Target;

/// Rows of a panel.
const HEIGHT: usize = Target::Dsp.panel();

/// What a walk over runs works on.
#[repr(C)]
struct Job {
    run: *const Run,
    runs_end: *const Run,
    entries: *const u32,
    panel: *const u32,
    sums: *mut i32,
    /// Bytes of the runs of a plane.
    plane: usize,
    /// Whether every plane is folded by itself, 1 or 0.
    folds: usize,
}

impl Job {
    /// A job over runs of a patch for so many sums; `None` where there is none, or
    /// the panel is too short.
    fn new<const N: usize>(
        panel: &[u32],
        patch: &Patch<'_>,
        runs: &[Run],
        sums: &mut [i32; N],
    ) -> Option<Self> {
        let whole = panel.len() >= patch.columns() * (HEIGHT / 4);
        (whole && !runs.is_empty()).then(|| {
            let range = runs.as_ptr_range();
            Self {
                run: range.start,
                runs_end: range.end,
                entries: patch.entries().as_ptr(),
                panel: panel.as_ptr(),
                sums: sums.as_mut_ptr(),
                plane: patch.runs_of_plane() * size_of::<Run>(),
                folds: usize::from(patch.folds()),
            }
        })
    }
}

impl ConvKernels for Dsp {
    // An entry of four rows and of two takes what one of a whole panel takes.
    const WHOLE: usize = 8;

    fn panel(panel: &[u32], patch: &Patch<'_>, sums: &mut [i32]) {
        let Some(sums) = sums.first_chunk_mut::<HEIGHT>() else {
            return;
        };
        match patch.form() {
            Form::Planes(_) => {
                if patch.folds() {
                    *sums = [0; HEIGHT];
                }
                if let Some(job) = Job::new(panel, patch, patch.runs(), sums) {
                    // SAFETY: a patch's entries are offsets of columns in a panel of
                    // its size, which this one has, and the sums are those of a panel.
                    unsafe { planes::walk(&job) };
                }
            }
            Form::Weighted => weighted::panel(panel, patch, sums),
        }
    }

    fn rows(panel: &[u32], patch: &Patch<'_>, rows: &[u8], sums: &mut [i32]) {
        for four in rows.chunks(4) {
            let mut lanes = [0u32; 4];
            let mut sound = true;
            for (lane, &row) in lanes.iter_mut().zip(four) {
                sound &= usize::from(row) < HEIGHT.min(sums.len());
                // Rows 0, 2, 1, 3 of each four.
                let row = u32::from(row);
                *lane = (row & !3) | ((row & 1) << 1) | ((row >> 1) & 1);
            }
            let mut totals = [0; 4];
            let job = Job::new(panel, patch, patch.runs(), &mut totals);
            let (Some(job), true) = (job, sound) else {
                continue;
            };
            // SAFETY: as above, and lanes are below the height of a column.
            unsafe {
                match four.len() {
                    1 => rows::one(&job, &lanes),
                    2 => rows::two(&job, &lanes),
                    3 => rows::three(&job, &lanes),
                    _ => rows::four(&job, &lanes),
                }
            }
            for (&row, total) in four.iter().zip(totals) {
                if let Some(sum) = sums.get_mut(usize::from(row)) {
                    *sum += total;
                }
            }
        }
    }
}
