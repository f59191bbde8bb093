//! Backwards through quantiser, shortcut and batch norm.
use crate::train::image::forward::{Pass, added};
use crate::train::image::kernels::SHARD;
use crate::train::image::kernels::norm::{self, AddedGradient, Affine, Codes};
use crate::train::image::plan::ConvStep;
use crate::train::image::tape::Tape;
use crate::train::simd::dispatch;
use rayon::prelude::*;

/// Through the quantiser and the shortcut. Returns the gradient of the range;
/// the sums that batch norm needs are left in the tape's moments.
pub(super) fn denormalise(
    step: &ConvStep,
    tape: &mut Tape,
    k: usize,
    codes: Codes,
    d: &mut [f32],
    there: &mut [bool],
) -> f32 {
    let (outputs, width) = (step.geometry.outputs(), step.geometry.output[1]);
    let n = step.geometry.output[2];
    let mut other = Vec::new();
    let mut other_size = 1;
    let mut first = false;
    if let Some((map, place)) = step.added {
        other_size = place.shape.iter().product();
        other = std::mem::take(&mut tape.gradients[map]);
        other.resize(tape.maps[map].codes.len(), 0.0);
        first = !there[map];
        there[map] = true;
    }
    let kept = &tape.convs[k];
    let affine = Affine {
        factor: &kept.factor,
        offset: &kept.offset,
    };
    let maps = &tape.maps;
    let others: Vec<Option<&mut [f32]>> = if step.added.is_some() {
        other.chunks_mut(SHARD * other_size).map(Some).collect()
    } else {
        (0..tape.images.div_ceil(SHARD)).map(|_| None).collect()
    };
    let shards: Vec<(f32, Vec<f32>)> = (d.par_chunks_mut(SHARD * outputs))
        .zip(kept.z.par_chunks(SHARD * outputs))
        .zip(others)
        .enumerate()
        .map_init(Vec::new, |room, (shard, ((d, z), mut other))| {
            let mut sums = vec![0.0; 2 * n];
            let mut range = 0.0;
            let images = d.chunks_exact_mut(outputs).zip(z.chunks_exact(outputs));
            for (i, (d, z)) in images.enumerate() {
                let added =
                    (step.added).map(|(map, place)| added(&maps[map], place, shard * SHARD + i));
                let to = other.as_mut().map(|o| AddedGradient {
                    gradient: &mut o[i * other_size..][..other_size],
                    first,
                });
                range += dispatch(
                    #[inline(always)]
                    || norm::backward(z, width, affine, added, codes, d, to, room, &mut sums),
                );
            }
            (range, sums)
        })
        .collect();
    if let Some((map, _)) = step.added {
        tape.gradients[map] = other;
    }
    let mut total = vec![0.0f64; 2 * n];
    let mut range = 0.0f64;
    for (shard_range, sums) in &shards {
        range += f64::from(*shard_range);
        (total.iter_mut().zip(sums)).for_each(|(a, b)| *a += f64::from(*b));
    }
    tape.sums = total;
    range as f32
}

/// Through the batch norm: gradients of gamma and beta, and of the convolution.
pub(super) fn through(
    pass: &Pass<'_>,
    step: &ConvStep,
    tape: &Tape,
    k: usize,
    d: &mut [f32],
    values: &mut [f32],
) {
    let kept = &tape.convs[k];
    let (outputs, n) = (step.geometry.outputs(), step.geometry.output[2]);
    let rows = (tape.images * outputs / n) as f64;
    let (mut constant, mut slope) = (vec![0.0; n], vec![0.0; n]);
    for c in 0..n {
        let (sum, product) = (tape.sums[c], tape.sums[n + c]);
        let [mean, inverse] = kept.moments[c].map(f64::from);
        let of_gamma = (product - mean * sum) * inverse;
        let gamma = pass.values[step.gamma.start + c];
        // The network computes with |gamma|.
        values[step.gamma.start + c] = of_gamma as f32 * if gamma < 0.0 { -1.0 } else { 1.0 };
        values[step.beta.start + c] = sum as f32;
        let factor = f64::from(kept.factor[c]);
        let per_z = -factor * inverse * of_gamma / rows;
        slope[c] = per_z as f32;
        constant[c] = (-factor * sum / rows - per_z * mean) as f32;
    }
    (d.par_chunks_mut(outputs))
        .zip(kept.z.par_chunks(outputs))
        .for_each(|(d, z)| {
            dispatch(
                #[inline(always)]
                || norm::through(z, &kept.factor, &constant, &slope, d),
            );
        });
}
