//! The model image: one flat file, validated once, read in place from flash.
//!
//! `FORMAT.md` beside the sources writes the format down. [`Image::parse`]
//! looks at every byte that matters; after it no accessor can fail or panic.

mod bytes;
mod decode;
#[cfg(feature = "conv")]
mod graph;
mod plan;
pub mod record;
mod sections;

#[cfg(feature = "conv")]
pub use graph::{FeatureMap, Graph};
pub use plan::MemoryPlan;
pub use sections::{Input, TestVector};

use crate::audio::AudioParams;
use crate::detector::DetectorParams;
use crate::error::ImageError;
use crate::kernels::{Kernels, Selected};
use crate::layers::{Layer, Signal};
use crate::layout::{ImageTarget, Target};
use bytes::Bytes;
#[cfg(not(target_pointer_width = "64"))]
use crc::NoTable;
#[cfg(target_pointer_width = "64")]
use crc::Table;
use crc::{CRC_32_ISO_HDLC, Crc};
use record::{HEADER_BYTES, Header, LayerRecord, MAGIC, MAX_LAYERS, OLDEST_VERSION, VERSION};
use zerocopy::FromBytes;

/// A table of a kilobyte on hosts; small cores have more time at load than
/// flash.
#[cfg(target_pointer_width = "64")]
type CrcTable = Table<1>;
#[cfg(not(target_pointer_width = "64"))]
type CrcTable = NoTable;

pub(crate) static CRC32: Crc<u32, CrcTable> = Crc::<u32, CrcTable>::new(&CRC_32_ISO_HDLC);

/// Byte offset of the checksum in the header.
const CRC_OFFSET: usize = 12;

/// What layer records refer to.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    bytes: Bytes<'a>,
    /// Feature maps, in the image of an image network.
    #[cfg(feature = "conv")]
    graph: Option<Graph<'a>>,
}

impl<'a> Source<'a> {
    fn read(bytes: Bytes<'a>, header: &Header) -> Result<Self, ImageError> {
        #[cfg(not(feature = "conv"))]
        if header.graph != 0 {
            return Err(ImageError::ImageNetwork);
        }
        Ok(Self {
            bytes,
            #[cfg(feature = "conv")]
            graph: Graph::read(bytes, header)?,
        })
    }

    /// Whether there are feature maps.
    const fn has_maps(&self) -> bool {
        #[cfg(feature = "conv")]
        return self.graph.is_some();
        #[cfg(not(feature = "conv"))]
        false
    }

    /// Words of arena of the feature maps; `None` without any.
    fn map_words(&self) -> Option<usize> {
        #[cfg(feature = "conv")]
        return self.graph.map(|graph| graph.words());
        #[cfg(not(feature = "conv"))]
        None
    }

    /// The layers that the records state, up to the first that is none.
    fn layers(self, records: &'a [LayerRecord]) -> impl Iterator<Item = Layer<'a>> + use<'a> {
        let layers = (0..).zip(records);
        layers.map_while(move |(index, record)| decode::layer(self, index, record).ok())
    }
}

/// A validated model image.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    source: Source<'a>,
    header: Header,
    records: &'a [LayerRecord],
    labels: &'a [u8],
    audio: Option<AudioParams<'a>>,
    detector: Option<DetectorParams>,
    test_vector: Option<TestVector<'a>>,
    input_width: usize,
    /// 0 without an embedding.
    tokens: usize,
    classes: usize,
}

/// Checksum of an image: CRC-32 (ISO-HDLC) over all bytes but those of the
/// checksum itself. `None` if there are fewer bytes than a header has.
#[must_use]
pub fn checksum(image: &[u8]) -> Option<u32> {
    let mut digest = CRC32.digest();
    digest.update(image.get(..CRC_OFFSET)?);
    digest.update(image.get(CRC_OFFSET + 4..)?);
    Some(digest.finalize())
}

impl<'a> Image<'a> {
    /// Validates an image that fills `bytes` exactly.
    ///
    /// `bytes` must start at a multiple of 4.
    ///
    /// # Errors
    ///
    /// An [`ImageError`] that names what is wrong; see there.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (header, bytes) = Self::exact(bytes)?;
        Self::of_this_target(header, bytes)
    }

    /// Validates an image at the start of a flash region, which may be larger.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], without [`ImageError::TrailingBytes`].
    // Not inlined: loading happens once, and its code is counted here.
    #[inline(never)]
    pub fn parse_region(region: &'a [u8]) -> Result<Self, ImageError> {
        let (header, bytes) = Self::intact(region)?;
        Self::of_this_target(header, bytes)
    }

    /// Header and bytes of an undamaged image that fills `bytes`.
    fn exact(bytes: &'a [u8]) -> Result<(Header, &'a [u8]), ImageError> {
        let header = Self::header_of(bytes)?;
        let (needed, given) = (header.total_bytes, bytes.len() as u32);
        if (needed as usize) < bytes.len() {
            return Err(ImageError::TrailingBytes { needed, given });
        }
        Self::intact(bytes)
    }

    /// Header and bytes of an undamaged image at the start of `region`.
    fn intact(region: &'a [u8]) -> Result<(Header, &'a [u8]), ImageError> {
        let header = Self::header_of(region)?;
        let bytes = region
            .get(..header.total_bytes as usize)
            .ok_or(ImageError::Truncated {
                needed: header.total_bytes,
                given: region.len() as u32,
            })?;
        let computed = checksum(bytes).ok_or(ImageError::Header)?;
        if computed != header.crc32 {
            return Err(ImageError::Checksum {
                stated: header.crc32,
                computed,
            });
        }
        Ok((header, bytes))
    }

    fn of_this_target(header: Header, bytes: &'a [u8]) -> Result<Self, ImageError> {
        // Refused by name before anything in the layout is looked at.
        if header.target != Selected::TARGET as u16 {
            return Err(ImageError::WrongTarget {
                found: header.target,
            });
        }
        Self::validate(Self::typed(bytes, &header)?, header)
    }

    /// Validates an image of any target that fills `bytes` exactly. It can be
    /// looked at, but only one of this build's target runs.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], with [`ImageError::WrongTarget`] for unknown
    /// targets only.
    #[cfg(feature = "tools")]
    pub fn parse_any(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let (header, bytes) = Self::exact(bytes)?;
        Self::validate(Self::typed(bytes, &header)?, header)
    }

    /// The bytes with the target that the header names.
    fn typed(bytes: &'a [u8], header: &Header) -> Result<Bytes<'a>, ImageError> {
        let target = Target::from_tag(header.target).and_then(ImageTarget::new);
        let error = ImageError::WrongTarget {
            found: header.target,
        };
        let target = target.ok_or(error)?;
        Ok(Bytes { bytes, target })
    }

    /// Reads and checks the header: all that can be said before the length is known.
    fn header_of(bytes: &[u8]) -> Result<Header, ImageError> {
        if !(bytes.as_ptr() as usize).is_multiple_of(4) {
            return Err(ImageError::Misaligned);
        }
        let given = bytes.len() as u32;
        if bytes.len() < usize::from(HEADER_BYTES) {
            return Err(ImageError::Truncated {
                needed: u32::from(HEADER_BYTES),
                given,
            });
        }
        let header = Header::read_from_prefix(bytes);
        let (header, _) = header.map_err(|_| ImageError::Header)?;
        if header.magic != MAGIC {
            return Err(ImageError::BadMagic);
        }
        if header.version > VERSION {
            return Err(ImageError::NewerVersion {
                found: header.version,
                supported: VERSION,
            });
        }
        if header.version < OLDEST_VERSION {
            return Err(ImageError::OlderVersion {
                found: header.version,
                supported: OLDEST_VERSION,
            });
        }
        // Only image networks need the newer version.
        if header.header_bytes != HEADER_BYTES
            || header.total_bytes < u32::from(HEADER_BYTES)
            || (header.graph != 0) != (header.version == VERSION)
            || header.reserved != [0; 2]
        {
            return Err(ImageError::Header);
        }
        Ok(header)
    }

    fn validate(bytes: Bytes<'a>, header: Header) -> Result<Self, ImageError> {
        let found = header.layer_count;
        if found == 0 || found > MAX_LAYERS {
            return Err(ImageError::LayerCount { found });
        }
        let records: &[LayerRecord] = bytes.slice(header.layer_table, usize::from(found))?;
        let source = Source::read(bytes, &header)?;

        let mut signal = None;
        let (mut input_width, mut tokens) = (0, 0);
        for (index, record) in (0..).zip(records) {
            let layer = decode::layer(source, index, record)?;
            decode::validate(index, record, &layer)?;
            let (reads, writes) = (layer.input(), layer.output());
            // Layers between maps name theirs; only the head reads what is before it.
            let between = source.has_maps() && index + 1 < found;
            let fits = match (signal, reads) {
                (None, Signal::Codes { width, .. }) => {
                    input_width = width;
                    true
                }
                (None, Signal::Token { tokens: found }) => {
                    tokens = found;
                    true
                }
                (Some(before), reads) => between || before == reads,
                _ => false,
            };
            let kind = !source.has_maps() || between == layer.is_map();
            if !(fits && kind) {
                return Err(ImageError::Chain { layer: index });
            }
            signal = Some(writes);
        }
        let Some(Signal::Logits { width: classes }) = signal else {
            return Err(ImageError::Chain { layer: found - 1 });
        };
        #[cfg(feature = "conv")]
        if let Some(graph) = &source.graph {
            graph.validate()?;
            input_width = graph.map(0).map_or(0, |map| map.shape.len());
        }

        let mut image = Self {
            source,
            header,
            records,
            labels: bytes.slice(header.labels, header.label_bytes as usize)?,
            audio: None,
            detector: None,
            test_vector: None,
            input_width,
            tokens,
            classes,
        };
        let plan = image.memory_plan();
        if (plan.arena_bytes(), plan.state_bytes()) != (header.arena_bytes, header.state_bytes) {
            return Err(ImageError::MemoryPlan {
                computed: plan.arena_bytes(),
                stated: header.arena_bytes,
            });
        }
        sections::check_labels(image.labels, classes)?;
        image.audio = sections::audio(bytes, header.audio, input_width)?;
        image.detector = sections::detector(bytes, header.detector, classes)?;
        image.test_vector = sections::test_vector(bytes, header.test_vector, &image)?;
        Ok(image)
    }

    /// The layers, in order.
    pub fn layers(&self) -> impl Iterator<Item = Layer<'a>> + use<'a> {
        // Validation decoded every record: this never stops early.
        self.source.layers(self.records)
    }

    /// Feature maps and pixels of an image network; `None` for other models.
    #[cfg(feature = "conv")]
    #[must_use]
    pub const fn graph(&self) -> Option<&Graph<'a>> {
        self.source.graph.as_ref()
    }

    /// The labels, one per class.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        sections::Labels::new(self.labels)
    }

    /// The label of a class, `""` if there is no such class.
    #[must_use]
    pub fn label(&self, class: usize) -> &'a str {
        self.labels().nth(class).unwrap_or("")
    }

    /// Codes of one input frame; 0 for a language model.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.input_width
    }

    /// Tokens of a language model, whose input is one of them; `None` for models
    /// that read frames of codes.
    #[must_use]
    pub const fn tokens(&self) -> Option<usize> {
        match self.tokens {
            0 => None,
            tokens => Some(tokens),
        }
    }

    /// Number of classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The target the weights are laid out for.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.source.bytes.target.get()
    }

    /// Bytes of arena the engine needs.
    #[must_use]
    pub const fn arena_bytes(&self) -> usize {
        self.header.arena_bytes as usize
    }

    /// Of the arena, bytes of state; a saved state is [`crate::engine::SAVE_HEADER`] longer.
    #[must_use]
    pub const fn state_bytes(&self) -> usize {
        self.header.state_bytes as usize
    }

    /// Length of the image in bytes.
    #[must_use]
    pub const fn total_bytes(&self) -> usize {
        self.header.total_bytes as usize
    }

    /// CRC-32 of the image: its identity.
    #[must_use]
    pub const fn crc32(&self) -> u32 {
        self.header.crc32
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Audio front-end parameters, if the input is audio.
    #[must_use]
    pub const fn audio(&self) -> Option<AudioParams<'a>> {
        self.audio
    }

    /// Detector settings, if the image has any.
    #[must_use]
    pub const fn detector(&self) -> Option<DetectorParams> {
        self.detector
    }

    /// The built-in test vector, if the image has one.
    #[must_use]
    pub const fn test_vector(&self) -> Option<TestVector<'a>> {
        self.test_vector
    }

    /// The memory plan of the layers in `bytes`, an image still being built
    /// whose header states neither plan nor checksum yet.
    ///
    /// # Errors
    ///
    /// If a layer record is invalid; the numbers inside layers are not looked at.
    pub fn plan_of(bytes: &'a [u8], header: &Header) -> Result<MemoryPlan, ImageError> {
        let bytes = Self::typed(bytes, header)?;
        let records: &[LayerRecord] =
            bytes.slice(header.layer_table, usize::from(header.layer_count))?;
        let source = Source::read(bytes, header)?;
        for (index, record) in (0..).zip(records) {
            decode::layer(source, index, record)?;
        }
        Ok(MemoryPlan::of(source.layers(records), source.map_words()))
    }

    /// The memory plan of the engine.
    #[must_use]
    pub fn memory_plan(&self) -> MemoryPlan {
        MemoryPlan::of(self.layers(), self.source.map_words())
    }
}
