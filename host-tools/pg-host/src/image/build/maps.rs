//! Layers between feature maps, and the maps themselves.

use super::layers::{row_sum, write_gate};
use super::{Writer, expect, width};
use crate::image::spec::{
    ConvSpec, DepthwiseSpec, GraphSpec, MapChannels, MapLayerSpec, MapOpSpec,
};
use anyhow::{Context, Result, ensure};
use pg_runtime::gate::GateKind;
use pg_runtime::image::record::{
    GraphRecord, LayerRecord, MapRecord, PlaceRecord, ViewRecord, kind, layout,
};
use pg_runtime::layers::Window;
use pg_runtime::layout::WeightBits;

/// Writes maps, norms and places; returns the offset of the graph.
pub(super) fn write_graph(
    w: &mut Writer,
    graph: &GraphSpec,
    places: &[PlaceRecord],
) -> Result<u32> {
    let maps = (graph.maps.iter())
        .map(|map| {
            Ok(MapRecord {
                offset: u32::try_from(map.offset).context("the maps need over 4 GiB")?,
                height: width(map.shape.height)?,
                width: width(map.shape.width)?,
                channels: width(map.shape.channels)?,
                first: map.first,
                last: map.last,
                bits: map.format.bits(),
                signed: map.format.signed().into(),
            })
        })
        .collect::<Result<Vec<MapRecord>>>()?;
    let channels = graph.maps.first().map_or(0, |map| map.shape.channels);
    ensure!(
        graph.pixels.is_empty() || graph.pixels.len() == channels,
        "{} norms of pixels for {channels} channels",
        graph.pixels.len()
    );
    let record = GraphRecord {
        maps: w.section(4, maps.as_slice()),
        places: w.section(4, places),
        pixels: match graph.pixels.as_slice() {
            [] => 0,
            norms => w.section(4, norms),
        },
        map_count: width(maps.len())?,
        reserved: 0,
    };
    Ok(w.section(4, &record))
}

/// Writes a layer's parameters; its record and its place.
pub(super) fn write_layer(w: &mut Writer, l: &MapLayerSpec) -> Result<(LayerRecord, PlaceRecord)> {
    let mut place = PlaceRecord {
        input: view(l.input)?,
        output: view(l.output)?,
        ..PlaceRecord::default()
    };
    let record = match &l.op {
        MapOpSpec::Conv(conv) => write_conv(w, l, conv, &mut place)?,
        MapOpSpec::Depthwise(depthwise) => write_depthwise(w, l, depthwise, &mut place)?,
        MapOpSpec::Shift(displacement) => {
            if let Some(displacement) = displacement {
                expect("displacements", displacement.len(), l.input.channels)?;
                place.displacements = w.section(4, displacement.as_slice());
            }
            bare(kind::SHIFT)
        }
        MapOpSpec::MaxPool(window) => {
            set_window(&mut place, *window)?;
            bare(kind::MAX_POOL)
        }
        MapOpSpec::AveragePool(window, requant) => {
            if let Some(window) = window {
                set_window(&mut place, *window)?;
            }
            LayerRecord {
                hidden_requant: *requant,
                ..bare(kind::AVERAGE_POOL)
            }
        }
    };
    Ok((record, place))
}

fn bare(kind: u8) -> LayerRecord {
    LayerRecord {
        kind,
        ..LayerRecord::default()
    }
}

fn view(channels: MapChannels) -> Result<ViewRecord> {
    Ok(ViewRecord {
        map: width(channels.map)?,
        first: width(channels.first)?,
        step: width(channels.step)?,
        channels: width(channels.channels)?,
    })
}

fn byte(what: &str, n: usize) -> Result<u8> {
    u8::try_from(n).with_context(|| format!("{what} {n} is beyond the format's 255"))
}

fn set_window(place: &mut PlaceRecord, window: Window) -> Result<()> {
    place.kernel = byte("kernel", window.kernel)?;
    place.stride = byte("stride", window.stride)?;
    place.padding = byte("padding", window.padding)?;
    Ok(())
}

fn write_conv(
    w: &mut Writer,
    l: &MapLayerSpec,
    conv: &ConvSpec,
    place: &mut PlaceRecord,
) -> Result<LayerRecord> {
    let rows = l.output.channels;
    let columns = conv.window.kernel * conv.window.kernel * l.input.channels;
    expect("weights", conv.weights.len(), rows * columns)?;
    expect("biases", conv.bias.len(), rows)?;
    expect("requantisations", conv.requant.len(), rows)?;
    set_window(place, conv.window)?;
    place.group = byte("group", conv.group)?;
    if let Some(residual) = &conv.residual {
        place.residual = view(residual.channels)?;
        place.residual_offset = width(residual.offset)?;
        place.residual_mult = residual.mult;
        place.residual_shift = residual.shift;
        place.residual_stride = byte("stride", residual.stride)?;
    }
    let (gate, gate_block, thresholds) = write_gate(w, &conv.gate, rows)?;
    // A gated layer walks columns, one without a gate multiplies rows.
    let open = conv.gate.kind == GateKind::Open;
    let (weights, eight) = (conv.weights.as_slice(), WeightBits::Eight);
    let (layout, panels, kept_rows) = if open {
        (layout::ROWS, 0, w.rows(eight, weights, rows, columns))
    } else {
        (layout::PANELS, w.panels(eight, weights, rows, columns), 0)
    };
    Ok(LayerRecord {
        kind: kind::CONV,
        gate,
        msb_bits: if open { 0 } else { conv.msb_bits },
        layout,
        gate_block,
        panels,
        rows: kept_rows,
        bias: w.section(4, conv.bias.as_slice()),
        thresholds,
        requant: w.section(4, conv.requant.as_slice()),
        row_sum: row_sum(weights, columns),
        ..LayerRecord::default()
    })
}

fn write_depthwise(
    w: &mut Writer,
    l: &MapLayerSpec,
    depthwise: &DepthwiseSpec,
    place: &mut PlaceRecord,
) -> Result<LayerRecord> {
    let channels = l.input.channels;
    let taps = depthwise.window.kernel * depthwise.window.kernel;
    expect("weights", depthwise.weights.len(), taps * channels)?;
    expect("biases", depthwise.bias.len(), channels)?;
    expect("requantisations", depthwise.requant.len(), channels)?;
    set_window(place, depthwise.window)?;
    // A channel's weights together, as the sum of a row needs them.
    let by_channel: Vec<i8> = (0..channels * taps)
        .map(|k| depthwise.weights[k % taps * channels + k / taps])
        .collect();
    Ok(LayerRecord {
        rows: w.section(4, depthwise.weights.as_slice()),
        bias: w.section(4, depthwise.bias.as_slice()),
        requant: w.section(4, depthwise.requant.as_slice()),
        row_sum: row_sum(&by_channel, taps),
        ..bare(kind::DEPTHWISE)
    })
}
