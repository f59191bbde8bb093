//! Shapes of maps and sizes of layers; the check of a description.
use super::{Conv, Network, Node, Op, Pool};
use anyhow::{Context, Result, ensure};

/// Windows along an axis of `size` pixels.
fn windows(size: usize, kernel: usize, stride: usize, pad: usize) -> Option<usize> {
    let room = (size + 2 * pad).checked_sub(kernel)?;
    (kernel > 0 && stride > 0 && pad < kernel).then(|| room / stride + 1)
}

impl Network {
    /// Height, width and channels of every map: the image's, then each node's.
    ///
    /// # Errors
    /// Names the node that does not fit what it reads.
    pub fn shapes(&self) -> Result<Vec<[usize; 3]>> {
        ensure!(
            self.input.iter().all(|n| *n > 0) && self.classes > 0,
            "network {}: the input or the head is empty",
            self.name
        );
        let mut shapes = vec![self.input];
        for node in &self.nodes {
            let shape = self.shape(node, &shapes).with_context(|| {
                format!("network {}: node {} does not fit", self.name, node.name)
            })?;
            shapes.push(shape);
        }
        ensure!(
            matches!(self.nodes.last().map(|n| &n.op), Some(Op::Dense)),
            "network {}: the last node has to be the head",
            self.name
        );
        Ok(shapes)
    }

    fn shape(&self, node: &Node, shapes: &[[usize; 3]]) -> Result<[usize; 3]> {
        let map = |k: usize| {
            let name = node.inputs.get(k).context("an input is missing")?;
            shapes
                .get(*name)
                .copied()
                .with_context(|| format!("it reads map {name}, which is not there yet"))
        };
        let wanted = if node.op == Op::Interleave { 2 } else { 1 };
        ensure!(
            node.inputs.len() == wanted,
            "it reads {} maps, not {wanted}",
            node.inputs.len()
        );
        let [height, width, channels] = map(0)?;
        let moved = |p: &Pool, channels: usize| {
            let axis = |n| windows(n, p.kernel, p.stride, p.pad).context("its window does not fit");
            Ok::<_, anyhow::Error>([axis(height)?, axis(width)?, channels])
        };
        match &node.op {
            Op::Conv(conv) => {
                let window = Pool {
                    kernel: conv.kernel,
                    stride: conv.stride,
                    pad: conv.pad,
                };
                let out = moved(&window, conv.channels)?;
                check_conv(conv, channels, out, shapes)?;
                Ok(out)
            }
            Op::Shift { displacement } => {
                ensure!(
                    displacement.len() == channels,
                    "{} displacements for {channels} channels",
                    displacement.len()
                );
                Ok([height, width, channels])
            }
            Op::Channels {
                first,
                channels: taken,
            } => {
                ensure!(
                    *taken > 0 && first + taken <= channels,
                    "channels {first} to {} of {channels}",
                    first + taken
                );
                Ok([height, width, *taken])
            }
            Op::Interleave => {
                ensure!(map(0)? == map(1)?, "its maps have different shapes");
                Ok([height, width, 2 * channels])
            }
            Op::MaxPool(pool) | Op::AveragePool { pool, .. } => moved(pool, channels),
            Op::GlobalAverage { .. } => Ok([1, 1, channels]),
            Op::Dense => {
                ensure!([height, width] == [1, 1], "the head reads one pixel");
                Ok([1, 1, self.classes])
            }
        }
    }

    /// Multiply-accumulates of every node for one image; zero where there are none.
    ///
    /// # Errors
    /// As [`Self::shapes`].
    pub fn macs(&self) -> Result<Vec<u64>> {
        let shapes = self.shapes()?;
        let macs = |(node, out): (&Node, &[usize; 3])| {
            let channels = node.inputs.first().map_or(0, |i| shapes[*i][2]);
            let per_output = match &node.op {
                Op::Conv(c) if c.depthwise => c.kernel * c.kernel,
                Op::Conv(c) => c.kernel * c.kernel * channels,
                Op::Dense => channels,
                _ => 0,
            };
            (out.iter().product::<usize>() * per_output) as u64
        };
        Ok(self.nodes.iter().zip(&shapes[1..]).map(macs).collect())
    }
}

fn check_conv(conv: &Conv, channels: usize, out: [usize; 3], shapes: &[[usize; 3]]) -> Result<()> {
    ensure!(conv.channels > 0, "it has no channels");
    ensure!(
        !conv.depthwise || (conv.channels == channels && !conv.gated),
        "a depthwise convolution has as many channels as it reads ({channels}), and no gate"
    );
    if let Some(s) = conv.shortcut {
        let [h, w, c] = *shapes
            .get(s.map)
            .with_context(|| format!("its shortcut reads map {}", s.map))?;
        ensure!(
            s.stride > 0
                && [h.div_ceil(s.stride), w.div_ceil(s.stride)] == [out[0], out[1]]
                && s.first + c <= conv.channels,
            "its shortcut does not cover the output"
        );
    }
    Ok(())
}
