//! Image networks: one picture, layer by layer, in feature maps that share
//! memory.

use crate::image::{FeatureMap, Graph};
use crate::layers::{MapLayer, MapOp};
use crate::probe::LayerCounts;
use core::ops::Range;
use zerocopy::IntoBytes;

/// Runs one layer. `input` is map 0, `words` the memory of the others.
pub(super) fn run(
    layer: &MapLayer<'_>,
    graph: &Graph<'_>,
    input: &[i8],
    words: &mut [u32],
    scratch: &mut [u32],
) -> LayerCounts {
    let Some(target) = graph.map(layer.output()) else {
        return LayerCounts::default();
    };
    let Some((memory, output)) = Memory::around(words, &target) else {
        return LayerCounts::default();
    };
    if let MapOp::Shift(shift) = layer.op()
        && layer.input() == layer.output()
    {
        shift.run_in_place(output);
        return LayerCounts::default();
    }
    let read = |map| memory.map(map, graph, input);
    let from = read(layer.input());
    match layer.op() {
        MapOp::Conv(conv) => {
            let added = layer.residual().filter(|&map| map != layer.output());
            conv.run(scratch, from, added.map(read), output)
        }
        MapOp::Depthwise(depthwise) => {
            depthwise.run(from, output);
            depthwise.counts()
        }
        MapOp::Shift(shift) => {
            shift.run(from, output);
            LayerCounts::default()
        }
        MapOp::MaxPool(pool) => {
            pool.run(from, output);
            LayerCounts::default()
        }
        MapOp::AveragePool(pool) => {
            pool.run(from, output);
            LayerCounts::default()
        }
    }
}

/// A whole map; map 0 is `input`.
pub(super) fn map<'m>(
    index: usize,
    graph: &Graph<'_>,
    input: &'m [i8],
    words: &'m [u32],
) -> &'m [i8] {
    if index == 0 {
        return input;
    }
    let range = graph.map(index).map_or(0..0, bytes);
    signed(words.as_bytes().get(range).unwrap_or(&[]))
}

fn bytes(map: FeatureMap) -> Range<usize> {
    map.offset..map.offset + map.shape.len()
}

fn signed(bytes: &[u8]) -> &[i8] {
    zerocopy::transmute_ref!(bytes)
}

/// The maps beside the one that is written: what lies before it, and behind.
struct Memory<'m> {
    before: &'m [u8],
    behind: &'m [u8],
    /// Offset of `behind`.
    end: usize,
}

impl<'m> Memory<'m> {
    /// Takes a map out, to be written.
    fn around(words: &'m mut [u32], map: &FeatureMap) -> Option<(Self, &'m mut [i8])> {
        let (before, rest) = words.as_mut_bytes().split_at_mut_checked(map.offset)?;
        let (output, behind) = rest.split_at_mut_checked(map.shape.len())?;
        let memory = Self {
            before,
            behind,
            end: bytes(*map).end,
        };
        Some((memory, zerocopy::transmute_mut!(output)))
    }

    /// Another map; validation proved that they do not meet.
    fn map(&self, index: usize, graph: &Graph<'_>, input: &'m [i8]) -> &'m [i8] {
        if index == 0 {
            return input;
        }
        let Range { start, end } = graph.map(index).map_or(0..0, bytes);
        let found = match (start.checked_sub(self.end), end.checked_sub(self.end)) {
            (Some(start), Some(end)) => self.behind.get(start..end),
            _ => self.before.get(start..end),
        };
        signed(found.unwrap_or(&[]))
    }
}
