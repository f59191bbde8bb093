//! The backward pass of a whole network over a batch, on slices.
mod convolution;
mod norm;

use convolution::convolve;
use norm::{denormalise, through};

use crate::network::Op;
use crate::train::image::forward::Pass;
use crate::train::image::simple;
use crate::train::image::tape::Tape;
use crate::train::matmul::{Operand, product};

/// Gradient of the trained values, given that of the logits, after
/// [`crate::train::image::forward::forward`] in training.
pub fn backward(pass: &Pass<'_>, d_logits: &[f32], tape: &mut Tape) -> Vec<f32> {
    let plan = pass.plan;
    let mut values = vec![0.0; plan.trained];
    let mut there = vec![false; plan.shapes.len()];
    for (k, node) in plan.network.nodes.iter().enumerate().rev() {
        let input = node.inputs[0];
        if node.op != Op::Dense && !there[k + 1] {
            continue;
        }
        let mut d = std::mem::take(&mut tape.gradients[k + 1]);
        for map in &node.inputs {
            let len = tape.maps[*map].codes.len();
            tape.gradients[*map].resize(len, 0.0);
        }
        // A convolution overwrites what is not there yet; others add.
        if !matches!(node.op, Op::Conv(_)) {
            for map in &node.inputs {
                if !there[*map] {
                    tape.gradients[*map].fill(0.0);
                }
            }
        }
        match &node.op {
            Op::Conv(_) => {
                let Some(step) = &plan.convs[k] else { continue };
                let codes = plan.formats[k + 1].codes(&plan.arithmetic, pass.values);
                let range = denormalise(step, tape, k, codes, &mut d, &mut there);
                if let Some(clip) = plan.formats[k + 1].clip {
                    values[clip] += range;
                }
                through(pass, step, tape, k, &mut d, &mut values);
                let fresh = !there[input];
                let mut to = std::mem::take(&mut tape.gradients[input]);
                let (from, kept) = (&tape.maps[input], &tape.convs[k]);
                convolve(
                    pass,
                    step,
                    from,
                    kept,
                    &d,
                    &mut to,
                    (input > 0, fresh),
                    &mut values,
                );
                tape.gradients[input] = to;
            }
            Op::AveragePool { .. } | Op::GlobalAverage { .. } => {
                let codes = plan.formats[k + 1].codes(&plan.arithmetic, pass.values);
                let range = codes.gradient(&tape.values[k], &mut d);
                if let Some(clip) = plan.formats[k + 1].clip {
                    values[clip] += range;
                }
                simple::average_backward(plan, k, &d, &mut tape.gradients[input]);
            }
            Op::Dense => head(pass, k, d_logits, tape, &mut values),
            _ => {
                let mut taken: Vec<Vec<f32>> = (node.inputs.iter())
                    .map(|map| std::mem::take(&mut tape.gradients[*map]))
                    .collect();
                let mut inputs: Vec<&mut Vec<f32>> = taken.iter_mut().collect();
                simple::backward(plan, k, &tape.maps, &d, &mut inputs);
                for (map, gradient) in node.inputs.iter().zip(taken) {
                    tape.gradients[*map] = gradient;
                }
            }
        }
        tape.gradients[k + 1] = d;
        node.inputs.iter().for_each(|map| there[*map] = true);
    }
    values
}

/// The head: its parameters and its input.
fn head(pass: &Pass<'_>, k: usize, d: &[f32], tape: &mut Tape, values: &mut [f32]) {
    let plan = pass.plan;
    let node = &plan.network.nodes[k];
    let (n, classes, features) = (tape.images, plan.network.classes, plan.shapes[k][2]);
    let from = &tape.maps[node.inputs[0]];
    let x: Vec<f32> = from.codes.iter().map(|q| q * from.scale).collect();
    if let Some(range) = plan.place(&node.name, "weight") {
        product(
            (classes, features, n),
            Operand::transposed(d, classes),
            Operand::rows(&x, features),
            &mut values[range],
            false,
        );
    }
    if let Some(range) = plan.place(&node.name, "bias") {
        for row in d.chunks_exact(classes) {
            let bias = values[range.clone()].iter_mut();
            bias.zip(row).for_each(|(b, d)| *b += d);
        }
    }
    product(
        (n, features, classes),
        Operand::rows(d, classes),
        Operand::rows(&tape.head, features),
        &mut tape.gradients[node.inputs[0]],
        false,
    );
}
