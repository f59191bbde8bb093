//! The oracle of [`super::ConvKernels`]: a patch read entry by entry.

use super::{Form, Patch};

/// Calls `each` with every column of the patch and what its digit adds.
pub fn digits(patch: &Patch<'_>, height: usize, mut each: impl FnMut(usize, i32)) {
    let lists = patch.form().lists();
    for (plane, runs) in patch.planes().enumerate() {
        for run in runs {
            for &entry in patch.of(run) {
                let (offset, digit) = match patch.form() {
                    Form::Planes(_) => (entry, 1 << (lists - 1 - plane)),
                    Form::Weighted => (entry >> 8, i32::from(entry as i8)),
                };
                each(offset.wrapping_add(run.base) as usize / height, digit);
            }
        }
    }
}
