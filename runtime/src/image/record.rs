//! The fixed-size records of the image, as written in `FORMAT.md`.
//!
//! The exporter writes these very structs. All fields are little-endian; the
//! crate refuses to build for big-endian targets, where reading in place
//! would be wrong.

use crate::quant::Requant;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[cfg(not(target_endian = "little"))]
compile_error!("model images are read in place and need a little-endian target");

/// First four bytes of an image.
pub const MAGIC: [u8; 4] = *b"PGIM";
/// Newest format version that is read: written for image networks.
pub const VERSION: u16 = 3;
/// Oldest format version that is read: written for models without maps.
pub const OLDEST_VERSION: u16 = 2;
/// Bytes of the header.
pub const HEADER_BYTES: u16 = 64;
/// Bytes of a layer record.
pub const LAYER_BYTES: usize = 48;
/// Most layers an image may have.
pub const MAX_LAYERS: u16 = 256;
/// Most feature maps of an image network.
pub const MAX_MAPS: u16 = 256;
/// Most tokens of an embedding.
pub const MAX_TOKENS: usize = 1 << 14;
/// Most columns of a weight matrix; see [`crate::kernels`] for the bound.
pub const MAX_COLUMNS: usize = 1 << 14;
/// Most outputs of a layer.
pub const MAX_OUTPUTS: usize = 1 << 14;
/// Largest magnitude of a bias.
pub const MAX_BIAS: i32 = 1 << 29;
/// Largest magnitude of a threshold.
pub const MAX_THRESHOLD: i32 = 1 << 30;
/// Most frames of a pooling window.
pub const MAX_WINDOW: u16 = 1024;

/// The header, 64 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`VERSION`].
    pub version: u16,
    /// [`HEADER_BYTES`].
    pub header_bytes: u16,
    /// Length of the image.
    pub total_bytes: u32,
    /// CRC-32 (ISO-HDLC) of the image with this field left out.
    pub crc32: u32,
    /// Target the weights are laid out for; a [`crate::layout::Target`].
    pub target: u16,
    /// Number of layer records.
    pub layer_count: u16,
    /// Offset of the layer table.
    pub layer_table: u32,
    /// Offset of the labels.
    pub labels: u32,
    /// Bytes of the labels.
    pub label_bytes: u32,
    /// Offset of the audio section, 0 if none.
    pub audio: u32,
    /// Offset of the detector section, 0 if none.
    pub detector: u32,
    /// Offset of the built-in test vector, 0 if none.
    pub test_vector: u32,
    /// Bytes of arena the engine needs.
    pub arena_bytes: u32,
    /// Of these, bytes of state at the front.
    pub state_bytes: u32,
    /// Offset of the [`GraphRecord`] of an image network (version 3), 0 if none.
    pub graph: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

/// Kind tags of [`LayerRecord::kind`].
pub mod kind {
    /// LSTM.
    pub const LSTM: u8 = 1;
    /// Dense.
    pub const DENSE: u8 = 2;
    /// Sliding mean of logits.
    pub const MEAN_POOL: u8 = 3;
    /// Sliding mean of logits weighted by a score.
    pub const ATTENTION_POOL: u8 = 4;
    /// Convolution.
    pub const CONV: u8 = 5;
    /// Depthwise convolution.
    pub const DEPTHWISE: u8 = 6;
    /// Channels copied, each moved by a displacement if there is a table.
    pub const SHIFT: u8 = 7;
    /// Largest code of a window.
    pub const MAX_POOL: u8 = 8;
    /// Mean of a window or of a map.
    pub const AVERAGE_POOL: u8 = 9;
    /// Codes of a token.
    pub const EMBEDDING: u8 = 10;
}

/// Tags of [`LayerRecord::layout`].
pub mod layout {
    /// Rows only.
    pub const ROWS: u8 = 0;
    /// Panels only (recurrent layers, one copy).
    pub const PANELS: u8 = 1;
    /// Panels and rows (recurrent layers, two copies).
    pub const PANELS_AND_ROWS: u8 = 2;
}

/// Tags of [`LayerRecord::output`].
pub mod output {
    /// The layer's own codes (LSTM), or logits (dense, pooling).
    pub const DEFAULT: u8 = 0;
    /// Dense: unsigned codes (ReLU).
    pub const UNSIGNED_CODES: u8 = 1;
    /// Dense: signed codes.
    pub const SIGNED_CODES: u8 = 2;
}

/// One entry of the layer table, 48 bytes. Fields a kind does not use are zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct LayerRecord {
    /// One of [`kind`].
    pub kind: u8,
    /// Tag of the gate kind.
    pub gate: u8,
    /// Activation bits B of the input codes.
    pub bits: u8,
    /// Bits of the prediction digit.
    pub msb_bits: u8,
    /// 1 if input codes are signed.
    pub signed: u8,
    /// One of [`layout`].
    pub layout: u8,
    /// One of [`output`].
    pub output: u8,
    /// Bits of output codes, 0 where the output has none of its own.
    pub output_bits: u8,
    /// Input width; tokens of an embedding.
    pub inputs: u16,
    /// Output width; hidden units of an LSTM; classes of a pooling layer,
    /// whose input is one wider if it has a score.
    pub outputs: u16,
    /// Dense, convolution: rows that share a threshold. LSTM: rows that open
    /// together.
    pub gate_block: u16,
    /// Frames of a pooling window.
    pub window: u16,
    /// Offset of the weights as panels, 0 if there are none.
    pub panels: u32,
    /// Offset of the weights as rows, 0 if there are none. Depthwise
    /// convolution: of its weights, i8 each, `[k][k][C]`. Embedding: of its
    /// codes, i8 each, token after token.
    pub rows: u32,
    /// Offset of the biases, i32 each.
    pub bias: u32,
    /// Offset of the thresholds; LSTM: i16 each, others: i32.
    pub thresholds: u32,
    /// Offset of the requantisations, one per row. LSTM: offset of the
    /// multipliers, u16 each.
    pub requant: u32,
    /// LSTM: requantisation of `o * tanh(c)` to codes. Average pooling: of a sum
    /// of codes.
    pub hidden_requant: Requant,
    /// Largest sum of the magnitudes of a row's weights.
    pub row_sum: u32,
    /// LSTM: shift from accumulators to predictions.
    pub pre: u8,
    /// LSTM: shift after the multiplication by a row's multiplier.
    pub post: u8,
    /// Bits of a weight: 4, or 0 for 8.
    pub weight_bits: u8,
    /// LSTM: shift of predictions to the left, once the gate has decided.
    pub lift: u8,
}

/// What an image network has beside its layers, 16 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct GraphRecord {
    /// Offset of the maps, a [`MapRecord`] each.
    pub maps: u32,
    /// Offset of the places, a [`PlaceRecord`] for each layer but the head.
    pub places: u32,
    /// Offset of the normalisation of pixels, a [`crate::pixels::PixelNorm`]
    /// for each channel of map 0; 0 if there is none.
    pub pixels: u32,
    /// Number of maps.
    pub map_count: u16,
    /// Zero.
    pub reserved: u16,
}

/// A feature map, 16 bytes. Map 0 is the input.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MapRecord {
    /// Byte of the arena that it starts at, a multiple of 4; 0 for map 0, which
    /// lies where the caller has it.
    pub offset: u32,
    /// Rows of pixels.
    pub height: u16,
    /// Pixels of a row.
    pub width: u16,
    /// Codes of a pixel.
    pub channels: u16,
    /// First layer that writes it.
    pub first: u16,
    /// Last layer that reads it.
    pub last: u16,
    /// Bits of a code.
    pub bits: u8,
    /// 1 if codes are signed.
    pub signed: u8,
}

/// Channels of a map, 8 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ViewRecord {
    /// Number of the map.
    pub map: u16,
    /// First channel.
    pub first: u16,
    /// Distance from one channel to the next.
    pub step: u16,
    /// Number of channels.
    pub channels: u16,
}

/// Where a layer of an image network reads and writes, 40 bytes. Fields that a
/// kind does not use are zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PlaceRecord {
    /// The channels that are read.
    pub input: ViewRecord,
    /// The channels that are written.
    pub output: ViewRecord,
    /// Convolution: the channels that are added; none if there are 0.
    pub residual: ViewRecord,
    /// Shift: offset of the displacements, `[i8; 2]` each; 0 if channels stay.
    pub displacements: u32,
    /// Output channel that the residual's first channel is added to.
    pub residual_offset: u16,
    /// Factor of a residual code.
    pub residual_mult: u16,
    /// Shift of the product.
    pub residual_shift: u8,
    /// Distance of the residual pixels that are read.
    pub residual_stride: u8,
    /// Edge of the window. Average pooling: 0 for the whole map.
    pub kernel: u8,
    /// Distance of neighbouring windows.
    pub stride: u8,
    /// Pixels of code 0 around the input.
    pub padding: u8,
    /// Convolution: outputs that open together.
    pub group: u8,
    /// Zero.
    pub reserved: u16,
}

/// Start of the audio section, 16 bytes; filters and band norms follow.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AudioRecord {
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples per window.
    pub window: u16,
    /// Samples per hop.
    pub hop: u16,
    /// First FFT bin of the filter bank.
    pub first_bin: u16,
    /// FFT bins of the filter bank.
    pub bins: u16,
    /// Mel bands.
    pub bands: u8,
    /// Largest magnitude of an input code, 1 to 127.
    pub code_limit: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Start of the test vector, 8 bytes; `frames` x input width codes follow, or
/// as many tokens, u16 each.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct TestRecord {
    /// Frames of input codes, or tokens.
    pub frames: u16,
    /// Zero.
    pub reserved: u16,
    /// CRC-32 over the outputs of every frame: logits, then posteriors, little-endian.
    pub crc32: u32,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES as usize);
const _: () = assert!(size_of::<LayerRecord>() == LAYER_BYTES);
const _: () = assert!(size_of::<GraphRecord>() == 16 && size_of::<MapRecord>() == 16);
const _: () = assert!(size_of::<ViewRecord>() == 8 && size_of::<PlaceRecord>() == 40);
