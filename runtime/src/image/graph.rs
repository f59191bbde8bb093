//! The feature maps of an image network: what they are, where they lie in the
//! arena, and the proof at load that no layer reads what is not there.

use super::bytes::Bytes;
use super::record::{GraphRecord, Header, MAX_MAPS, MapRecord, PlaceRecord, ViewRecord};
use crate::error::ImageError;
use crate::layers::{Format, Shape};
use crate::pixels::PixelParams;

/// A feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureMap {
    /// Height, width and channels.
    pub shape: Shape,
    /// What its codes are.
    pub format: Format,
    /// Byte of the arena that it starts at; 0 for the input.
    pub offset: usize,
    /// First layer that writes it.
    pub first: u16,
    /// Last layer that reads it.
    pub last: u16,
}

impl FeatureMap {
    /// Byte behind its last.
    const fn end(&self) -> usize {
        self.offset + self.shape.len()
    }

    const fn shares_memory(&self, other: &Self) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }

    const fn lives_with(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Largest edge or number of channels of a map, as layers have it.
const LARGEST: u16 = 1 << 14;

/// Maps and places of an image network.
#[derive(Clone, Copy, Debug)]
pub struct Graph<'a> {
    maps: &'a [MapRecord],
    places: &'a [PlaceRecord],
    pixels: Option<PixelParams<'a>>,
}

/// One layer's use of a map.
#[derive(Clone, Copy)]
struct Access {
    layer: u16,
    view: ViewRecord,
    writes: bool,
}

impl<'a> Graph<'a> {
    /// The graph of an image whose header names one.
    pub(super) fn read(bytes: Bytes<'a>, header: &Header) -> Result<Option<Self>, ImageError> {
        if header.graph == 0 {
            return Ok(None);
        }
        let record: GraphRecord = bytes.one(header.graph)?;
        if record.map_count == 0 || record.map_count > MAX_MAPS || record.reserved != 0 {
            return Err(ImageError::Header);
        }
        // The head has no place: it reads what the layer before it writes.
        let places = usize::from(header.layer_count).saturating_sub(1);
        let maps: &[MapRecord] = bytes.slice(record.maps, record.map_count.into())?;
        let channels = maps.first().map_or(0, |map| map.channels.into());
        let pixels = match record.pixels {
            0 => None,
            offset => Some(PixelParams::new(bytes.slice(offset, channels)?)),
        };
        if pixels.is_some_and(|pixels| !pixels.is_valid()) {
            return Err(ImageError::Pixels);
        }
        Ok(Some(Self {
            maps,
            places: bytes.slice(record.places, places)?,
            pixels,
        }))
    }

    /// Number of maps.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.maps.len()
    }

    /// Whether there are none: never in an image.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// A map; `None` if there is no such map, or it is none.
    #[must_use]
    pub fn map(&self, index: usize) -> Option<FeatureMap> {
        let record = self.maps.get(index)?;
        let edges = [record.height, record.width, record.channels];
        let shape = Shape {
            height: record.height.into(),
            width: record.width.into(),
            channels: record.channels.into(),
        };
        let area = shape.height * shape.width;
        let small = edges.into_iter().all(|n| n > 0 && n <= LARGEST)
            && area.checked_mul(shape.channels)? <= i32::MAX as usize
            && record.offset <= i32::MAX as u32;
        let placed = record.offset.is_multiple_of(4) && (index > 0 || record.offset == 0);
        (small && placed && record.signed <= 1).then_some(FeatureMap {
            shape,
            format: Format::new(record.bits, record.signed == 1)?,
            offset: record.offset as usize,
            first: record.first,
            last: record.last,
        })
    }

    /// Where a layer reads and writes; `None` for the head.
    pub(super) fn place(&self, layer: u16) -> Option<&'a PlaceRecord> {
        self.places.get(usize::from(layer))
    }

    /// From pixels to the codes of map 0, if the image says how.
    #[must_use]
    pub const fn pixels(&self) -> Option<PixelParams<'a>> {
        self.pixels
    }

    /// Words of arena that the maps lie in.
    #[must_use]
    pub fn words(&self) -> usize {
        let maps = (1..self.len()).filter_map(|map| self.map(map));
        maps.map(|map| map.end().div_ceil(4)).max().unwrap_or(0)
    }

    /// Checks maps and places against each other, after each layer was found to
    /// fit its own maps: every map is written before it is read, as a whole or
    /// channel by channel; while it lives, no other map has its memory; and the
    /// input is never written.
    pub(super) fn validate(&self) -> Result<(), ImageError> {
        for number in 0..self.len() as u16 {
            let error = ImageError::Map { map: number };
            let index = usize::from(number);
            let map = self.map(index).ok_or(error)?;
            let of_map = || self.accesses().filter(|access| access.view.map == number);
            let alive = of_map().all(|a| map.first <= a.layer && a.layer <= map.last);
            let written = if index == 0 {
                map.first == 0 && of_map().all(|a| !a.writes)
            } else {
                is_written_first(map.shape.channels, of_map)
            };
            let others = (1..index).filter_map(|other| self.map(other));
            let mut shared = others.filter(|other| map.lives_with(other));
            let apart = index == 0 || shared.all(|other| !map.shares_memory(&other));
            if !(alive && written && apart) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What the layers do to maps, in order, a layer's reads before its write.
    fn accesses(&self) -> impl Iterator<Item = Access> {
        let of_layers = (0..).zip(self.places).flat_map(|(layer, place)| {
            let reads = [place.input, place.residual].map(|view| (view, false));
            let used = reads.into_iter().filter(|(view, _)| view.channels > 0);
            let all = used.chain([(place.output, true)]);
            all.map(move |(view, writes)| Access {
                layer,
                view,
                writes,
            })
        });
        // The head reads what the layer before it wrote, all of it.
        let head = self.places.last().and_then(|place| {
            let map = self.maps.get(usize::from(place.output.map))?;
            Some(Access {
                layer: self.places.len() as u16,
                view: ViewRecord {
                    map: place.output.map,
                    first: 0,
                    step: 1,
                    channels: map.channels,
                },
                writes: false,
            })
        });
        of_layers.chain(head)
    }
}

/// Whether every channel of a map is written before it is read.
fn is_written_first<A: Iterator<Item = Access>>(channels: usize, of_map: impl Fn() -> A) -> bool {
    // The common case: the first to use the map writes all of it.
    let whole = |view: ViewRecord| view.step == 1 && usize::from(view.channels) == channels;
    if of_map().next().is_some_and(|a| a.writes && whole(a.view)) {
        return true;
    }
    // Else a bit for each channel, some hundred at a time.
    const WORDS: usize = 8;
    const CHANNELS: usize = 32 * WORDS;
    (0..channels).step_by(CHANNELS).all(|from| {
        let mut written = [0u32; WORDS];
        of_map().all(|Access { view, writes, .. }| {
            let inside = (0..usize::from(view.channels)).filter_map(|k| {
                let channel = usize::from(view.first) + k * usize::from(view.step);
                let channel = channel.checked_sub(from)?;
                (channel < CHANNELS).then_some(channel)
            });
            let mut bits = inside.map(|c| (c / 32, 1 << (c % 32)));
            if writes {
                for (word, bit) in bits {
                    if let Some(word) = written.get_mut(word) {
                        *word |= bit;
                    }
                }
                return true;
            }
            bits.all(|(word, bit)| written.get(word).is_some_and(|w| w & bit != 0))
        })
    })
}
