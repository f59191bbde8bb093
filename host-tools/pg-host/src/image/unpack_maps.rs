//! Feature maps and the layers between them, back to integers.

use super::spec::{
    ConvSpec, DepthwiseSpec, GateSpec, GraphSpec, MapChannels, MapLayerSpec, MapOpSpec,
    ResidualSpec,
};
use super::unpack::weights;
use pg_runtime::image::Graph;
use pg_runtime::layers::{Conv, MapLayer, MapOp, View};

pub(super) fn graph(graph: &Graph<'_>) -> GraphSpec {
    let maps = (0..graph.len()).filter_map(|map| graph.map(map));
    GraphSpec {
        maps: maps.collect(),
        pixels: graph.pixels().map_or_else(Vec::new, |p| p.norm().to_vec()),
    }
}

pub(super) fn layer(layer: &MapLayer<'_>) -> MapLayerSpec {
    let ends = layer.ends();
    MapLayerSpec {
        input: channels(layer.input(), ends.input),
        output: channels(layer.output(), ends.output),
        op: match layer.op() {
            MapOp::Conv(l) => MapOpSpec::Conv(conv(layer, l)),
            MapOp::Depthwise(l) => MapOpSpec::Depthwise(DepthwiseSpec {
                window: l.window(),
                weights: l.weights().to_vec(),
                bias: l.bias().to_vec(),
                requant: l.requant().to_vec(),
            }),
            MapOp::Shift(l) => MapOpSpec::Shift(l.displacement().map(<[_]>::to_vec)),
            MapOp::MaxPool(l) => MapOpSpec::MaxPool(l.window()),
            MapOp::AveragePool(l) => MapOpSpec::AveragePool(l.window(), l.requant()),
        },
    }
}

fn channels(map: usize, view: View) -> MapChannels {
    MapChannels {
        map,
        first: view.first,
        step: view.step,
        channels: view.channels,
    }
}

fn conv(layer: &MapLayer<'_>, l: &Conv<'_>) -> ConvSpec {
    let config = l.config();
    let residual = layer.residual().zip(config.residual);
    ConvSpec {
        window: config.window,
        msb_bits: config.split.msb_bits(),
        gate: GateSpec {
            kind: config.gate.kind(),
            block: config.gate.block(),
            thresholds: config.gate.thresholds().to_vec(),
        },
        group: config.group,
        weights: weights(&config.weights),
        bias: config.bias.to_vec(),
        requant: config.requant.to_vec(),
        residual: residual.map(|(map, r)| ResidualSpec {
            channels: channels(map, r.view),
            stride: r.stride,
            offset: r.offset,
            mult: r.mult,
            shift: r.shift,
        }),
    }
}
