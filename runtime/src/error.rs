//! What can go wrong, by name.

#[cfg(feature = "conv")]
use crate::layers::{ConvError, MapError};
use core::fmt;

/// Why bytes are not a model image this runtime can run.
///
/// The variants are small and `Copy`, for logging on a device; `Display`
/// says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ImageError {
    /// Fewer bytes than the header or the stated length needs.
    Truncated {
        /// Bytes needed.
        needed: u32,
        /// Bytes given.
        given: u32,
    },
    /// More bytes than the header states.
    TrailingBytes {
        /// Bytes stated.
        needed: u32,
        /// Bytes given.
        given: u32,
    },
    /// The first four bytes are not those of a model image.
    BadMagic,
    /// Written in a newer format than this runtime knows.
    NewerVersion {
        /// Version of the image.
        found: u16,
        /// Newest version known.
        supported: u16,
    },
    /// Written in an older format than this runtime reads.
    OlderVersion {
        /// Version of the image.
        found: u16,
        /// Oldest version read.
        supported: u16,
    },
    /// The checksum does not match: the image is damaged.
    Checksum {
        /// CRC-32 stated in the header.
        stated: u32,
        /// CRC-32 of the bytes.
        computed: u32,
    },
    /// The image does not start at a multiple of 4 bytes.
    Misaligned,
    /// A header field has a value the format does not allow.
    Header,
    /// The weights are laid out for a target this runtime was not built for.
    WrongTarget {
        /// Target tag of the image.
        found: u16,
    },
    /// A section lies outside the image or is misaligned.
    Section {
        /// Byte offset stated.
        offset: u32,
    },
    /// No layers, or more than the format allows.
    LayerCount {
        /// Layers stated.
        found: u16,
    },
    /// A layer kind this runtime does not know.
    UnknownLayer {
        /// Index of the layer.
        layer: u16,
        /// Tag found.
        tag: u8,
    },
    /// The layer's weights have 4 bits, for which this runtime was not built.
    PackedWeights {
        /// Index of the layer.
        layer: u16,
    },
    /// The layer looks tokens up, for which this runtime was not built.
    Embedding {
        /// Index of the layer.
        layer: u16,
    },
    /// The image is of an image network, for which this runtime was not built.
    ImageNetwork,
    /// A feature map's size, codes, place in the arena, or what writes and reads it.
    Map {
        /// Number of the map.
        map: u16,
    },
    /// A layer between feature maps whose parameters do not fit each other.
    #[cfg(feature = "conv")]
    MapLayer {
        /// Index of the layer.
        layer: u16,
        /// What does not fit.
        error: MapError,
    },
    /// A convolution whose parameters do not fit each other.
    #[cfg(feature = "conv")]
    Convolution {
        /// Index of the layer.
        layer: u16,
        /// What does not fit.
        error: ConvError,
    },
    /// The normalisation of pixels is invalid.
    Pixels,
    /// A gate kind this runtime does not know.
    UnknownGate {
        /// Tag found.
        tag: u8,
    },
    /// A field of a layer record is out of range.
    Layer {
        /// Index of the layer.
        layer: u16,
        /// Which field.
        field: LayerField,
    },
    /// A layer does not accept what the layer before it produces.
    Chain {
        /// Index of the layer that does not fit.
        layer: u16,
    },
    /// The memory plan in the header is not the one of these layers.
    MemoryPlan {
        /// Arena bytes computed from the layers.
        computed: u32,
        /// Arena bytes stated.
        stated: u32,
    },
    /// The labels are not UTF-8, or not one per class.
    Labels,
    /// The audio section is invalid.
    Audio,
    /// The detector section is invalid.
    Detector,
    /// The built-in test vector is invalid.
    TestVector,
}

/// The field of a layer record that [`ImageError::Layer`] complains about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LayerField {
    /// Input or output width.
    Width,
    /// Activation bits, digit bits or sign.
    Split,
    /// Weight layout.
    Layout,
    /// A weight is -128, or padding is not zero.
    Weight,
    /// A code of an embedding beyond its bits.
    Code,
    /// A bias beyond 2^29.
    Bias,
    /// A threshold out of range, or a wrong number of them.
    Threshold,
    /// A requantisation out of range.
    Requant,
    /// Weights and biases whose sum a lane of the kernels cannot hold.
    Bound,
    /// A pooling window out of range.
    Window,
    /// A reserved field that is not zero.
    Reserved,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, given } => write!(
                f,
                "the image is truncated: {needed} bytes needed, {given} given; copy it again"
            ),
            Self::TrailingBytes { needed, given } => write!(
                f,
                "{given} bytes given where the image states {needed}; two files joined?"
            ),
            Self::BadMagic => write!(f, "not a model image; export one with `pg-host export`"),
            Self::NewerVersion { found, supported } => write!(
                f,
                "image format version {found}, this runtime knows up to {supported}; \
                 update the firmware or export with an older pg-host"
            ),
            Self::OlderVersion { found, supported } => write!(
                f,
                "image format version {found}, this runtime reads {supported}; \
                 export the trained model again"
            ),
            Self::Checksum { stated, computed } => write!(
                f,
                "checksum {computed:08x} where the header states {stated:08x}: \
                 the image is damaged; copy or flash it again"
            ),
            Self::Misaligned => write!(f, "the image must start at a multiple of 4 bytes"),
            Self::Header => write!(f, "a header field is out of range; export the image again"),
            Self::WrongTarget { found } => write!(
                f,
                "the weights are laid out for target {found}; `pg-host repack` lays them out \
                 for this one"
            ),
            Self::Section { offset } => {
                write!(f, "the section at byte {offset} lies outside the image")
            }
            Self::LayerCount { found } => write!(f, "{found} layers; 1 to 256 are supported"),
            Self::UnknownLayer { layer, tag } => write!(
                f,
                "layer {layer} is of unknown kind {tag}; update the firmware"
            ),
            Self::PackedWeights { layer } => write!(
                f,
                "layer {layer} has weights of 4 bits: build the runtime with its feature \
                 `weights4`, or export with `--weights unpacked`"
            ),
            Self::Embedding { layer } => write!(
                f,
                "layer {layer} looks tokens up: build the runtime with its feature `embedding`"
            ),
            Self::ImageNetwork => write!(
                f,
                "a network of feature maps: build the runtime with its feature `conv`"
            ),
            Self::Map { map } => write!(
                f,
                "feature map {map}: its size, its place in the arena, or the layers that write \
                 and read it do not fit"
            ),
            #[cfg(feature = "conv")]
            Self::MapLayer { layer, error } => write!(f, "layer {layer}: {error}"),
            #[cfg(feature = "conv")]
            Self::Convolution { layer, error } => write!(f, "layer {layer}: {error}"),
            Self::Pixels => write!(f, "the normalisation of pixels is invalid"),
            Self::UnknownGate { tag } => {
                write!(f, "unknown gate kind {tag}; update the firmware")
            }
            Self::Layer { layer, field } => write!(f, "layer {layer}: {field:?} out of range"),
            Self::Chain { layer } => {
                write!(f, "layer {layer} does not fit the output of the one before")
            }
            Self::MemoryPlan { computed, stated } => write!(
                f,
                "memory plan states {stated} arena bytes where the layers need {computed}"
            ),
            Self::Labels => write!(f, "the labels are not UTF-8 or not one per class"),
            Self::Audio => write!(f, "the audio section is invalid"),
            Self::Detector => write!(f, "the detector section is invalid"),
            Self::TestVector => write!(f, "the built-in test vector is invalid"),
        }
    }
}

impl core::error::Error for ImageError {}

/// Why the engine refused a call. Its state is then unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EngineError {
    /// The arena is too small.
    ArenaTooSmall {
        /// Bytes needed.
        needed: u32,
        /// Bytes given.
        given: u32,
    },
    /// The image is laid out for another target.
    OtherTarget,
    /// An input frame has the wrong number of codes.
    InputLength {
        /// Codes needed.
        needed: u32,
        /// Codes given.
        given: u32,
    },
    /// The model reads tokens: codes are not its input.
    TakesTokens,
    /// The model reads codes, of sound or of pictures: a token is not its input.
    TakesCodes,
    /// The model has no such token.
    TokenRange {
        /// Token given.
        token: u16,
        /// Tokens of the model.
        tokens: u16,
    },
    /// A buffer for a saved state is too small, or a saved state truncated.
    StateLength {
        /// Bytes needed.
        needed: u32,
        /// Bytes given.
        given: u32,
    },
    /// A saved state belongs to another image.
    StateOfOtherImage,
    /// A saved state is damaged.
    StateChecksum,
    /// The image has no built-in test vector.
    NoTestVector,
    /// The built-in test vector gave other bytes than at export.
    SelfTest {
        /// CRC-32 of the outputs expected.
        expected: u32,
        /// CRC-32 of the outputs computed.
        computed: u32,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ArenaTooSmall { needed, given } => write!(
                f,
                "the arena has {given} bytes and the model needs {needed}: {} are missing",
                needed.saturating_sub(given)
            ),
            Self::OtherTarget => write!(
                f,
                "the image is laid out for another target; `pg-host repack` lays it out for this one"
            ),
            Self::InputLength { needed, given } => {
                write!(f, "a frame has {needed} codes, {given} were given")
            }
            Self::TakesTokens => write!(f, "a language model reads tokens, not frames of codes"),
            Self::TakesCodes => write!(f, "the model reads frames of codes, not tokens"),
            Self::TokenRange { token, tokens } => write!(
                f,
                "token {token} of a model that has {tokens}, counted from 0"
            ),
            Self::StateLength { needed, given } => {
                write!(f, "a saved state has {needed} bytes, {given} were given")
            }
            Self::StateOfOtherImage => write!(f, "the saved state belongs to another image"),
            Self::StateChecksum => write!(f, "the saved state is damaged"),
            Self::NoTestVector => write!(f, "the image has no built-in test vector"),
            Self::SelfTest { expected, computed } => write!(
                f,
                "self-test failed: outputs have checksum {computed:08x}, expected {expected:08x}"
            ),
        }
    }
}

impl core::error::Error for EngineError {}
