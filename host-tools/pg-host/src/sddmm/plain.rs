//! The definition, for processors without AVX2 and as the oracle.

use super::{Operands, TOGETHER};

/// See [`super::dots`].
pub fn dots(operands: &Operands<'_>, weights: &[f32], list: &[usize], sums: &mut [f32; TOGETHER]) {
    let patches = &operands.plan.patches;
    for (&n, sum) in list.iter().zip(sums) {
        let start = operands.plan.starts[n];
        *sum = (weights.chunks_exact(patches.length.max(1)).enumerate())
            .flat_map(|(run, weights)| {
                let inputs = &operands.inputs[start + run * patches.stride..];
                weights.iter().zip(inputs)
            })
            .map(|(w, x)| w * x)
            .sum();
    }
}
