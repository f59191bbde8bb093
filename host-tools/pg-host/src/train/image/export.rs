//! From a plan's values to the parameters of a model file.
use super::plan::Plan;
use crate::network::Role;
use std::collections::BTreeMap;

impl Plan {
    /// Parameters by name as a model file has them: gamma positive, thresholds
    /// in units of the convolution. Where channels of different scale share a
    /// threshold, they get the mean of theirs, and evaluation differs a little
    /// from training; a block of 1 is exact.
    pub fn export(&self, trained: &[f32], tracked: &[f32]) -> BTreeMap<String, Vec<f32>> {
        let mut all: BTreeMap<String, Vec<f32>> = (self.parameters.iter())
            .map(|p| {
                let from = if p.tracked() { tracked } else { trained };
                let mut values = from[p.range.clone()].to_vec();
                if p.parameter.role == Role::Gamma {
                    values.iter_mut().for_each(|v| *v = v.abs().max(1e-12));
                }
                if p.parameter.role == Role::Variance {
                    values.iter_mut().for_each(|v| *v = v.max(1e-12));
                }
                (p.parameter.name.clone(), values)
            })
            .collect();
        for (node, step) in self.network.nodes.iter().zip(&self.convs) {
            let Some(step) = step else { continue };
            let [threshold, ..] = self.gate(step, trained, tracked);
            if let Some(values) = all.get_mut(&format!("{}.threshold", node.name)) {
                let blocks = threshold.chunks(self.arithmetic.block);
                *values = blocks
                    .map(|b| b.iter().sum::<f32>() / b.len() as f32)
                    .collect();
            }
        }
        all
    }
}
