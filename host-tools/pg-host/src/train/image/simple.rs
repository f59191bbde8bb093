//! Nodes without weights: movements of channels, and pools.
use super::forward::Pass;
use super::kernels::Shape;
use super::plan::Plan;
use super::tape::Map;
use crate::network::{Op, Pool};
use rayon::prelude::*;

/// Numbers of one image of a map.
fn size(shape: Shape) -> usize {
    shape.iter().product()
}

/// The input row or column that `at` reads with a displacement, if there is one.
fn moved(at: usize, by: i8, len: usize) -> Option<usize> {
    at.checked_add_signed(by.into()).filter(|i| *i < len)
}

/// Calls `visit(output, input, channels)` for every run of channels that move
/// together and come from inside the map.
fn shifts(shape: Shape, displacement: &[[i8; 2]], mut visit: impl FnMut(usize, usize, usize)) {
    let [height, width, n] = shape;
    let mut first = 0;
    while first < n {
        let by = displacement[first];
        let run = displacement[first..].iter().take_while(|d| **d == by);
        let channels = run.count();
        for y in 0..height {
            let Some(iy) = moved(y, by[0], height) else {
                continue;
            };
            for x in 0..width {
                if let Some(ix) = moved(x, by[1], width) {
                    let (o, i) = ((y * width + x) * n, (iy * width + ix) * n);
                    visit(o + first, i + first, channels);
                }
            }
        }
        first += channels;
    }
}

/// Calls `visit(output pixel, input pixel, first of its window)` for every tap
/// inside the input; pixels are the places of their first channels.
fn windows(from: Shape, to: Shape, pool: Pool, mut visit: impl FnMut(usize, usize, bool)) {
    let n = from[2];
    for y in 0..to[0] {
        for x in 0..to[1] {
            let mut first = true;
            for tap in 0..pool.kernel * pool.kernel {
                let (ky, kx) = (tap / pool.kernel, tap % pool.kernel);
                let iy = (y * pool.stride + ky).checked_sub(pool.pad);
                let ix = (x * pool.stride + kx).checked_sub(pool.pad);
                if let (Some(iy), Some(ix)) = (iy, ix)
                    && iy < from[0]
                    && ix < from[1]
                {
                    visit((y * to[1] + x) * n, (iy * from[1] + ix) * n, first);
                    first = false;
                }
            }
        }
    }
}

/// The codes of node `k`, whose scale is that of its input.
pub fn forward(plan: &Plan, k: usize, maps: &[Map], out: &mut [f32]) {
    let node = &plan.network.nodes[k];
    let (from, to) = (plan.shapes[node.inputs[0]], plan.shapes[k + 1]);
    let first = &maps[node.inputs[0]].codes;
    let second = &maps[*node.inputs.last().unwrap_or(&0)].codes;
    out.par_chunks_mut(size(to))
        .enumerate()
        .for_each(|(i, out)| {
            let a = &first[i * size(from)..][..size(from)];
            match &node.op {
                Op::Shift { displacement } => {
                    out.fill(0.0);
                    shifts(from, displacement, |o, i, n| {
                        out[o..o + n].copy_from_slice(&a[i..i + n]);
                    });
                }
                Op::Channels { first, channels } => {
                    for (out, a) in out.chunks_exact_mut(*channels).zip(a.chunks_exact(from[2])) {
                        out.copy_from_slice(&a[*first..first + channels]);
                    }
                }
                Op::Interleave => {
                    let b = &second[i * size(from)..][..size(from)];
                    for ((out, a), b) in out.chunks_exact_mut(2).zip(a).zip(b) {
                        (out[0], out[1]) = (*a, *b);
                    }
                }
                Op::MaxPool(pool) => windows(from, to, *pool, |o, i, first| {
                    let out = &mut out[o..o + from[2]];
                    for (out, a) in out.iter_mut().zip(&a[i..]) {
                        *out = if first { *a } else { out.max(*a) };
                    }
                }),
                _ => {}
            }
        });
}

/// Gradients of such a node's inputs, added to what is there.
pub fn backward(plan: &Plan, k: usize, maps: &[Map], d: &[f32], inputs: &mut [&mut Vec<f32>]) {
    let node = &plan.network.nodes[k];
    let (from, to) = (plan.shapes[node.inputs[0]], plan.shapes[k + 1]);
    if node.op == Op::Interleave {
        for (which, input) in inputs.iter_mut().enumerate() {
            (input.par_chunks_mut(size(from)))
                .zip(d.par_chunks(size(to)))
                .for_each(|(input, d)| {
                    for (input, d) in input.iter_mut().zip(d.chunks_exact(2)) {
                        *input += d[which];
                    }
                });
        }
        return;
    }
    let (codes, made) = (&maps[node.inputs[0]].codes, &maps[k + 1].codes);
    let Some(input) = inputs.first_mut() else {
        return;
    };
    (input.par_chunks_mut(size(from)))
        .zip(d.par_chunks(size(to)))
        .enumerate()
        .for_each(|(image, (input, d))| match &node.op {
            Op::Shift { displacement } => shifts(from, displacement, |o, i, n| {
                let to = &mut input[i..i + n];
                to.iter_mut().zip(&d[o..]).for_each(|(to, d)| *to += d);
            }),
            Op::Channels { first, channels } => {
                for (to, d) in input
                    .chunks_exact_mut(from[2])
                    .zip(d.chunks_exact(*channels))
                {
                    let to = &mut to[*first..first + channels];
                    to.iter_mut().zip(d).for_each(|(to, d)| *to += d);
                }
            }
            Op::MaxPool(pool) => {
                let codes = &codes[image * size(from)..][..size(from)];
                let made = &made[image * size(to)..][..size(to)];
                // The first of equal codes gets all of it.
                let mut left = d.to_vec();
                windows(from, to, *pool, |o, i, _| {
                    for c in 0..from[2] {
                        if codes[i + c] == made[o + c] {
                            input[i + c] += std::mem::take(&mut left[o + c]);
                        }
                    }
                });
            }
            _ => {}
        });
}

/// The window of node `k`; `None` for one as large as the map.
fn pool_of(plan: &Plan, k: usize) -> Option<Pool> {
    match &plan.network.nodes[k].op {
        Op::AveragePool { pool, .. } => Some(*pool),
        _ => None,
    }
}

/// Means over windows, in values.
pub fn average(plan: &Plan, k: usize, codes: &[f32], scale: f32, out: &mut [f32]) {
    let (from, to) = (
        plan.shapes[plan.network.nodes[k].inputs[0]],
        plan.shapes[k + 1],
    );
    let pool = pool_of(plan, k);
    let count = pool.map_or(from[0] * from[1], |p| p.kernel * p.kernel);
    let factor = scale / count as f32;
    (out.par_chunks_mut(size(to)))
        .zip(codes.par_chunks(size(from)))
        .for_each(|(out, codes)| {
            out.fill(0.0);
            let mut add = |o: usize, i: usize| {
                let out = &mut out[o..o + from[2]];
                out.iter_mut().zip(&codes[i..]).for_each(|(a, b)| *a += b);
            };
            match pool {
                None => (0..from[0] * from[1]).for_each(|p| add(0, p * from[2])),
                Some(pool) => windows(from, to, pool, |o, i, _| add(o, i)),
            }
            out.iter_mut().for_each(|v| *v *= factor);
        });
}

/// The gradient of such means, added to what is there.
pub fn average_backward(plan: &Plan, k: usize, d: &[f32], input: &mut [f32]) {
    let (from, to) = (
        plan.shapes[plan.network.nodes[k].inputs[0]],
        plan.shapes[k + 1],
    );
    let pool = pool_of(plan, k);
    let count = pool.map_or(from[0] * from[1], |p| p.kernel * p.kernel);
    let factor = 1.0 / count as f32;
    (input.par_chunks_mut(size(from)))
        .zip(d.par_chunks(size(to)))
        .for_each(|(input, d)| {
            let mut add = |o: usize, i: usize| {
                let to = &mut input[i..i + from[2]];
                to.iter_mut()
                    .zip(&d[o..])
                    .for_each(|(a, b)| *a += b * factor);
            };
            match pool {
                None => (0..from[0] * from[1]).for_each(|p| add(0, p * from[2])),
                Some(pool) => windows(from, to, pool, |o, i, _| add(o, i)),
            }
        });
}

/// Weights of the head as the network computes with them: real numbers on the
/// grid of their row.
pub fn head_weights(pass: &Pass<'_>, k: usize, out: &mut Vec<f32>) {
    let plan = pass.plan;
    let Some(range) = plan.place(&plan.network.nodes[k].name, "weight") else {
        return;
    };
    out.clear();
    for row in pass.values[range].chunks_exact(plan.shapes[k][2]) {
        let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        match plan.arithmetic.weight_max() {
            None => out.extend_from_slice(row),
            Some(max) => {
                let scale = (largest / max).max(1e-12);
                out.extend(row.iter().map(|w| (w / scale).round() * scale));
            }
        }
    }
}
