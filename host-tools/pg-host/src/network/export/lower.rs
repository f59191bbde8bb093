//! From a network's nodes to layers over maps in memory: which channels of
//! which map each node reads and writes, and for how long a map lives.
//!
//! Taking channels is a view and costs nothing. Interleaving is a view of its
//! output where a node has no other reader; else channels are copied. A map
//! that is read for the last time is shifted, or added to, where it lies.

use super::arena;
use crate::image::MapChannels;
use crate::network::{EDGE_BITS, Network, Op, Quantiser};
use anyhow::{Context, Result};
use pg_runtime::image::FeatureMap;
use pg_runtime::layers::{Format, Shape};

/// One layer, before it has parameters.
#[derive(Clone, Copy, Debug)]
pub struct Lowered {
    /// The node; `None` for a copy of channels.
    pub node: Option<usize>,
    /// The channels that are read.
    pub input: MapChannels,
    /// The channels that are written.
    pub output: MapChannels,
    /// The channels that are added.
    pub shortcut: Option<MapChannels>,
}

/// A network over maps in memory.
#[derive(Clone, Debug)]
pub struct Lowering {
    /// Maps with their places; map 0 is the input.
    pub maps: Vec<FeatureMap>,
    /// Layers in order, without the head.
    pub layers: Vec<Lowered>,
    /// Format of every map of the network.
    pub formats: Vec<Format>,
}

/// The state of lowering. `k` counts the network's maps, node `k` writes map `k + 1`.
struct Builder<'n> {
    network: &'n Network,
    shapes: Vec<[usize; 3]>,
    formats: Vec<Format>,
    /// Last node that reads a map, or channels taken of it.
    last_reader: Vec<usize>,
    /// The interleaving that a map is a half of, and which half.
    half_of: Vec<Option<(usize, usize)>>,
    /// Where a map lies, once it does.
    placed: Vec<Option<MapChannels>>,
    maps: Vec<(Shape, Format)>,
    layers: Vec<Lowered>,
}

/// Lowers a network whose quantisers make codes of `bits` bits where they do not
/// say otherwise.
///
/// # Errors
///
/// If the description is not consistent, or beyond the format's ranges.
pub fn lower(network: &Network, bits: u8) -> Result<Lowering> {
    let shapes = network.shapes()?;
    let formats = formats(network, bits)?;
    let mut builder = Builder {
        last_reader: last_readers(network),
        half_of: halves(network),
        placed: vec![None; shapes.len()],
        maps: Vec::new(),
        layers: Vec::new(),
        network,
        shapes,
        formats,
    };
    builder.place(0);
    // The head reads what is before it.
    let nodes = network.nodes.len() - 1;
    for k in 0..nodes {
        builder.node(k)?;
    }
    let maps = arena::plan(&builder.maps, &builder.layers)?;
    Ok(Lowering {
        maps,
        layers: builder.layers,
        formats: builder.formats,
    })
}

impl Builder<'_> {
    /// Where a map lies; a new place if it has none.
    fn place(&mut self, map: usize) -> MapChannels {
        if let Some(place) = self.placed[map] {
            return place;
        }
        let [height, width, channels] = self.shapes[map];
        let place = if let Some((whole, half)) = self.half_of[map] {
            let whole = self.place(whole);
            taken(whole, half, 2, channels)
        } else {
            let shape = Shape {
                height,
                width,
                channels,
            };
            self.maps.push((shape, self.formats[map]));
            MapChannels {
                map: self.maps.len() - 1,
                first: 0,
                step: 1,
                channels,
            }
        };
        self.placed[map] = Some(place);
        place
    }

    fn node(&mut self, k: usize) -> Result<()> {
        let node = &self.network.nodes[k];
        let input = self.place(node.inputs[0]);
        match &node.op {
            Op::Channels { first, channels } => {
                self.placed[k + 1] = Some(taken(input, *first, 1, *channels));
            }
            Op::Interleave => {
                let whole = self.place(k + 1);
                for (half, &map) in node.inputs.iter().enumerate() {
                    let from = self.place(map);
                    let to = taken(whole, half, 2, from.channels);
                    if from != to {
                        self.layers.push(Lowered {
                            node: None,
                            input: from,
                            output: to,
                            shortcut: None,
                        });
                    }
                }
            }
            Op::Conv(conv) => {
                let shortcut = conv.shortcut.map(|s| (s, self.place(s.map)));
                if let Some((s, place)) = shortcut
                    && s.stride == 1
                    && place.map != input.map
                    && self.can_take(k, s.map, place)
                {
                    self.placed[k + 1] = Some(place);
                }
                self.layer(k, input, shortcut.map(|(_, place)| place));
            }
            Op::Shift { .. } => {
                if self.can_take(k, node.inputs[0], input) {
                    self.placed[k + 1] = Some(input);
                }
                self.layer(k, input, None);
            }
            Op::MaxPool(_) | Op::AveragePool { .. } | Op::GlobalAverage { .. } => {
                self.layer(k, input, None);
            }
            Op::Dense => {
                anyhow::bail!("node {} is a head, but not the last node", node.name);
            }
        }
        Ok(())
    }

    fn layer(&mut self, k: usize, input: MapChannels, shortcut: Option<MapChannels>) {
        let output = self.place(k + 1);
        self.layers.push(Lowered {
            node: Some(k),
            input,
            output,
            shortcut,
        });
    }

    /// Whether node `k`, the last to read `map`, can write where it lies.
    fn can_take(&self, k: usize, map: usize, place: MapChannels) -> bool {
        let whole = place.step == 1 && place.channels == self.maps[place.map].0.channels;
        whole
            && place.map != 0
            && self.shapes[map] == self.shapes[k + 1]
            && self.formats[map] == self.formats[k + 1]
            && self.last_reader[map] == k
            && self.half_of[k + 1].is_none()
    }
}

/// Some of the channels of a view.
const fn taken(view: MapChannels, first: usize, step: usize, channels: usize) -> MapChannels {
    MapChannels {
        map: view.map,
        first: view.first + first * view.step,
        step: view.step * step,
        channels,
    }
}

/// The maps that a node reads.
fn reads(network: &Network, k: usize) -> impl Iterator<Item = usize> {
    let node = &network.nodes[k];
    let shortcut = match &node.op {
        Op::Conv(conv) => conv.shortcut.map(|s| s.map),
        _ => None,
    };
    node.inputs.iter().copied().chain(shortcut)
}

fn last_readers(network: &Network) -> Vec<usize> {
    let mut last = vec![0; network.nodes.len() + 1];
    for (k, node) in network.nodes.iter().enumerate().rev() {
        // Who reads channels taken of a map reads the map.
        let at = match node.op {
            Op::Channels { .. } => last[k + 1].max(k),
            _ => k,
        };
        for map in reads(network, k) {
            last[map] = last[map].max(at);
        }
    }
    last
}

/// For every map that only an interleaving reads, and that a layer writes.
fn halves(network: &Network) -> Vec<Option<(usize, usize)>> {
    let maps = network.nodes.len() + 1;
    let mut readers = vec![0; maps];
    for k in 0..network.nodes.len() {
        for map in reads(network, k) {
            readers[map] += 1;
        }
    }
    let mut halves = vec![None; maps];
    for (k, node) in network.nodes.iter().enumerate() {
        if node.op != Op::Interleave {
            continue;
        }
        for (half, &map) in node.inputs.iter().enumerate() {
            let written = map > 0 && !matches!(network.nodes[map - 1].op, Op::Channels { .. });
            if readers[map] == 1 && written {
                halves[map] = Some((k + 1, half));
            }
        }
    }
    halves
}

/// Codes of every map.
fn formats(network: &Network, bits: u8) -> Result<Vec<Format>> {
    let of = |quantiser: &Quantiser| {
        let bits = quantiser.bits.unwrap_or(bits);
        Format::new(bits, quantiser.signed)
            .with_context(|| format!("activation codes of {bits} bits; 2 to 8 are possible"))
    };
    let input = Format::new(EDGE_BITS, true).context("codes of the input")?;
    let mut formats = vec![input];
    for node in &network.nodes {
        let format = match &node.op {
            Op::Conv(conv) => of(&conv.quantiser)?,
            Op::AveragePool { quantiser, .. } | Op::GlobalAverage { quantiser } => of(quantiser)?,
            _ => formats[node.inputs[0]],
        };
        formats.push(format);
    }
    Ok(formats)
}
