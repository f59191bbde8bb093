//! What goes into an image, as integers.

mod maps;

pub use maps::{
    ConvSpec, DepthwiseSpec, GraphSpec, MapChannels, MapLayerSpec, MapOpSpec, ResidualSpec,
};

use pg_runtime::audio::{BandNorm, MelBin};
use pg_runtime::detector::DetectorParams;
use pg_runtime::gate::GateKind;
use pg_runtime::layers::DenseOutput;
use pg_runtime::layout::WeightBits;
use pg_runtime::quant::{Requant, Split};

/// How many copies of a recurrent layer's weights the image holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightCopies {
    /// One: panels where the prediction pass applies single columns, rows
    /// where every step is dense. Smallest.
    One,
    /// Panels for the prediction pass, rows for the update pass: fastest.
    #[default]
    Two,
}

/// The gate of a dense layer: kind, rows per threshold, thresholds in
/// accumulator units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSpec {
    /// Kind of test.
    pub kind: GateKind,
    /// Rows that share a threshold; ignored for open gates.
    pub block: usize,
    /// One threshold per block; empty for open gates.
    pub thresholds: Vec<i32>,
}

impl GateSpec {
    /// Every gate open.
    #[must_use]
    pub const fn open() -> Self {
        Self {
            kind: GateKind::Open,
            block: 1,
            thresholds: Vec::new(),
        }
    }
}

/// The gate of an LSTM over its 4H rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LstmGateSpec {
    /// Kind of test.
    pub kind: GateKind,
    /// Consecutive rows that open together: 1, 4, 8 or 16; ignored for open
    /// gates.
    pub group: usize,
    /// One threshold per row in units of the prediction, `2^pre` accumulator
    /// units; empty for open gates.
    pub thresholds: Vec<i16>,
}

impl LstmGateSpec {
    /// Every gate open.
    #[must_use]
    pub const fn open() -> Self {
        Self {
            kind: GateKind::Open,
            group: 1,
            thresholds: Vec::new(),
        }
    }
}

/// An LSTM layer. Rows in unit order: the gates i, f, g, o of unit 0, then
/// those of unit 1; columns inputs, then hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LstmSpec {
    /// Input width, I.
    pub inputs: usize,
    /// Hidden units, H.
    pub hidden: usize,
    /// Split of the activations; signed.
    pub split: Split,
    /// The gate over 4H rows.
    pub gate: LstmGateSpec,
    /// Weights, row-major, 4H x (I + H), -127 to 127.
    pub weights: Vec<i8>,
    /// Bias of every row in accumulator units.
    pub bias: Vec<i32>,
    /// Shift from accumulators to predictions; B - B_hb for narrow layers.
    pub pre: u8,
    /// Shift of predictions to the left once the gate has decided, which
    /// brings them to units below 1/32; 0 to 15.
    pub lift: u8,
    /// Multiplier of every row, below 2^15: `t = (a * mult) >> post`, Q20.
    pub mult: Vec<u16>,
    /// Shift after the multiplication.
    pub post: u8,
    /// Requantisation of `o * tanh(c)`, Q15, to codes; no shift before.
    pub hidden_requant: Requant,
    /// Copies of the weights.
    pub copies: WeightCopies,
    /// How the weights are stored.
    pub weight_bits: WeightBits,
}

impl LstmSpec {
    /// Whether the predictions fit 16 bits, so that they may be kept from
    /// step to step; the bound is [`pg_runtime::layers::Lstm`]'s.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        let shift = self.split.shift();
        let columns = self.inputs + self.hidden;
        let rows = self.weights.chunks(columns.max(1)).zip(&self.bias);
        self.pre == shift
            && rows.into_iter().all(|(row, &bias)| {
                let sum: u32 = row.iter().map(|w| u32::from(w.unsigned_abs())).sum();
                let kept = bias >> shift;
                let digits = u64::from(self.split.largest_digit()) * u64::from(sum);
                let prediction = (digits + u64::from(kept.unsigned_abs())) << self.lift;
                kept << shift == bias && prediction <= i16::MAX as u64
            })
    }
}

/// A dense layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenseSpec {
    /// Input width.
    pub inputs: usize,
    /// Output width.
    pub outputs: usize,
    /// Split of the activations.
    pub split: Split,
    /// The gate over the outputs.
    pub gate: GateSpec,
    /// Weights, row-major, outputs x inputs.
    pub weights: Vec<i8>,
    /// Bias of every output in accumulator units.
    pub bias: Vec<i32>,
    /// Requantisation of every output.
    pub requant: Vec<Requant>,
    /// What is written.
    pub output: DenseOutput,
    /// How the weights are stored.
    pub weight_bits: WeightBits,
}

/// A pooling of logits over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Classes.
    pub classes: usize,
    /// Frames, 1 to 1024.
    pub window: usize,
}

/// An embedding: the first layer of a language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingSpec {
    /// Number of tokens.
    pub tokens: usize,
    /// Codes of a token.
    pub width: usize,
    /// Bits of a code; signed.
    pub bits: u8,
    /// Codes, row-major, tokens x width.
    pub table: Vec<i8>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerSpec {
    /// LSTM.
    Lstm(LstmSpec),
    /// Dense.
    Dense(DenseSpec),
    /// Sliding mean.
    MeanPool(PoolSpec),
    /// Sliding mean weighted by a score, the input's last output.
    AttentionPool(PoolSpec),
    /// From a token to codes.
    Embedding(EmbeddingSpec),
    /// From one feature map to another.
    Map(MapLayerSpec),
}

impl LayerSpec {
    /// How the weights are stored; `None` for layers without any.
    pub fn weight_bits(&mut self) -> Option<&mut WeightBits> {
        match self {
            Self::Lstm(l) => Some(&mut l.weight_bits),
            Self::Dense(l) => Some(&mut l.weight_bits),
            Self::MeanPool(_) | Self::AttentionPool(_) | Self::Embedding(_) | Self::Map(_) => None,
        }
    }
}

/// The audio front-end.
#[derive(Clone, Debug)]
pub struct AudioSpec {
    /// First FFT bin of the filter bank.
    pub first_bin: u16,
    /// Largest magnitude of an input code, 1 to 127.
    pub code_limit: u8,
    /// The filter bank.
    pub filters: Vec<MelBin>,
    /// Normalisation of every band.
    pub norm: Vec<BandNorm>,
}

/// Inputs of the built-in test vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestSpec {
    /// Frames of codes; no test vector if there are none.
    Frames(Vec<Vec<i8>>),
    /// Tokens of a language model.
    Tokens(Vec<u16>),
}

impl TestSpec {
    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Frames(frames) => frames.len(),
            Self::Tokens(tokens) => tokens.len(),
        }
    }

    /// Whether there is no test vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A whole image.
#[derive(Clone, Debug)]
pub struct ImageSpec {
    /// The layers, in order.
    pub layers: Vec<LayerSpec>,
    /// Feature maps, of an image network: all layers but the head go from one
    /// to another.
    pub graph: Option<GraphSpec>,
    /// One label per class.
    pub labels: Vec<String>,
    /// The audio front-end, if the input is audio.
    pub audio: Option<AudioSpec>,
    /// Detector settings, if any.
    pub detector: Option<DetectorParams>,
    /// Inputs of the built-in test vector; none if empty.
    pub test: TestSpec,
}
