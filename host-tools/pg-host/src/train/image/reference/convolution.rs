//! Convolution, gate, batch norm, shortcut.
use super::{Map, Reading, Run, count, straight_through};
use crate::network::EPSILON;
use crate::train::image::kernels::pad::Digits;
use crate::train::image::plan::ConvStep;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

impl Run<'_> {
    /// Convolution, gate, batch norm, shortcut, quantiser.
    pub(super) fn convolution(&mut self, k: usize, step: &ConvStep, x: &Map, maps: &[Map]) -> Map {
        let g = &step.geometry;
        let (n, kernel) = (g.output[2], g.kernel);
        let (depth, groups) = if step.depthwise {
            (1, n)
        } else {
            (g.input[2], 1)
        };
        let w = self.vector(step.weight.clone());
        let w = self.rounded(w.reshape([n, kernel * kernel * depth])).0;
        let w = w.reshape([n, kernel, kernel, depth]).permute([0, 3, 1, 2]);
        let options = || ConvOptions::new([g.stride, g.stride], [g.pad, g.pad], [1, 1], groups);
        let convolve = |x: Tensor<4>| conv2d(x, w.clone(), None, options());
        let mut z = match (step.gated, step.digits) {
            (true, Digits::Split { step: digit, round }) => {
                let code = (x.values.clone().detach() / x.scale.clone()).round();
                let hard = ((code + round) / digit).floor() * digit * x.scale.clone();
                let high = straight_through(x.values.clone(), hard);
                let low = (x.values.clone() - high.clone()).detach();
                for (which, digits) in [&high, &low].into_iter().enumerate() {
                    let reading = Reading::Digits(k, which);
                    self.readings.push((reading, count(digits)));
                }
                self.gate(k, step, convolve(high), convolve(low))
            }
            _ => {
                let reading = Reading::Digits(k, 0);
                self.readings.push((reading, count(&x.values)));
                convolve(x.values.clone())
            }
        };
        let (mean, variance) = if self.call.training {
            let rows = (z.dims()[0] * g.output[0] * g.output[1]) as f32;
            let over = |t: Tensor<4>| t.mean_dim(0).mean_dim(2).mean_dim(3);
            let mean = over(z.clone());
            let centred = z.clone() - mean.clone();
            let variance = over(centred.clone() * centred);
            let unbiased = variance.clone() * (rows / (rows - 1.0).max(1.0));
            for (range, values) in [(&step.mean, mean.clone()), (&step.variance, unbiased)] {
                let reading = Reading::Batch(range.clone());
                self.readings.push((reading, values.detach().reshape([n])));
            }
            (mean, variance)
        } else {
            let tracked = &self.call.tracked;
            (
                self.channels(&tracked[step.mean.clone()]),
                self.channels(&tracked[step.variance.clone()]),
            )
        };
        let gamma = self.vector(step.gamma.clone()).abs().reshape([1, n, 1, 1]);
        let beta = self.vector(step.beta.clone()).reshape([1, n, 1, 1]);
        z = (z - mean) / (variance + EPSILON).sqrt() * gamma + beta;
        if let Some((map, place)) = step.added {
            let mut shortcut = maps[map].values.clone();
            if place.stride > 1 {
                let [_, _, h, w] = shortcut.dims();
                let every = |len: usize| {
                    let at = (0..len.div_ceil(place.stride)).map(|i| (i * place.stride) as i32);
                    Tensor::<1, burn::tensor::Int>::from_ints(
                        at.collect::<Vec<_>>().as_slice(),
                        &self.values.device(),
                    )
                };
                shortcut = shortcut.select(2, every(h)).select(3, every(w));
            }
            let [batch, c, h, w] = shortcut.dims();
            let zeros = |channels| Tensor::zeros([batch, channels, h, w], &shortcut.device());
            let behind = n - place.first - c;
            let mut parts = Vec::new();
            if place.first > 0 {
                parts.push(zeros(place.first));
            }
            parts.push(shortcut.clone());
            if behind > 0 {
                parts.push(zeros(behind));
            }
            z = z + Tensor::cat(parts, 1);
        }
        self.quantised(z, self.plan.formats[k + 1])
    }

    /// `high + mask * low`, the mask with its surrogate gradient.
    fn gate(&mut self, k: usize, step: &ConvStep, high: Tensor<4>, low: Tensor<4>) -> Tensor<4> {
        let a = &self.plan.arithmetic;
        let n = step.geometry.output[2];
        let Some(range) = step.threshold.clone() else {
            return high + low;
        };
        // With thresholds of zero: what belongs to the unit alone.
        let [offset, alpha, unit] = {
            let zero = vec![0.0; self.plan.trained];
            let [offset, alpha, unit] = self.plan.gate(step, &zero, &self.call.tracked);
            [offset, alpha, unit].map(|v| self.channels(&v))
        };
        let shared = range.len();
        let threshold = self
            .vector(range)
            .reshape([shared, 1])
            .repeat_dim(1, a.block)
            .reshape([1, shared * a.block])
            .narrow(1, 0, n)
            .reshape([1, n, 1, 1]);
        let margin = high.clone() - (threshold * unit + offset);
        let own = margin.clone().detach().greater_elem(0.0).float();
        let hard = if a.group > 1 {
            let [batch, _, h, w] = own.dims();
            let groups = n.div_ceil(a.group);
            let extra = groups * a.group - n;
            let zeros = Tensor::zeros([batch, extra.max(1), h, w], &own.device());
            let padded = Tensor::cat(vec![own.clone(), zeros], 1).narrow(1, 0, groups * a.group);
            let any = padded
                .reshape([batch, groups, a.group, h, w])
                .max_dim(2)
                .repeat_dim(2, a.group);
            any.reshape([batch, groups * a.group, h, w]).narrow(1, 0, n)
        } else {
            own.clone()
        };
        let soft = sigmoid(margin * alpha);
        let mut passes = own.clone().equal(hard.clone()).float();
        if a.sparse_backprop {
            passes = passes * own;
        }
        self.readings.push((Reading::Open(k), count(&hard)));
        let mask = hard + (soft.clone() - soft.detach()) * passes;
        high + mask * low
    }
}
