//! The layers: views of their parameters in the image, and their step.
//!
//! A step reads the codes or logits of the layer before, updates the layer's
//! own state, and writes codes or logits for the next.

#[cfg(feature = "conv")]
mod conv;
mod dense;
#[cfg(feature = "embedding")]
mod embedding;
mod lstm;
mod map;
#[cfg(feature = "conv")]
mod maps;
#[cfg(all(test, feature = "conv"))]
mod numbers;
mod operand;
mod pool;

#[cfg(feature = "conv")]
pub use conv::{Conv, ConvConfig, ConvError, ConvOutput, Residual, Visitor};
pub use dense::{Dense, DenseOutput};
#[cfg(feature = "embedding")]
pub use embedding::Embedding;
pub use lstm::{Lstm, LstmGate, LstmState, Strategy};
pub use map::{Format, Shape, View, Window};
#[cfg(feature = "conv")]
pub use maps::{
    AveragePool, Depthwise, Displacement, Ends, MapError, MapLayer, MapOp, MaxPool, Shift,
};
pub use pool::{AttentionPool, MeanPool};

use crate::quant::Split;

/// What a layer takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A token: the input of a language model.
    Token {
        /// Number of tokens.
        tokens: usize,
    },
    /// Activation codes of this split's bits and sign.
    Codes {
        /// Number of codes.
        width: usize,
        /// Bits of a code.
        bits: u8,
        /// Whether codes are signed.
        signed: bool,
    },
    /// Logits, i16 in Q8.
    Logits {
        /// Number of classes.
        width: usize,
    },
}

impl Signal {
    /// Codes as a split reads them.
    pub(crate) const fn codes(width: usize, split: Split) -> Self {
        Self::Codes {
            width,
            bits: split.bits(),
            signed: split.signed(),
        }
    }

    /// The whole map that a view is of.
    #[cfg(feature = "conv")]
    const fn map(view: View, format: Format) -> Self {
        Self::Codes {
            width: view.shape.len(),
            bits: format.bits(),
            signed: format.signed(),
        }
    }
}

/// One layer of a model.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant)] // There is no heap to put the largest in.
pub enum Layer<'a> {
    /// Long short-term memory.
    Lstm(Lstm<'a>),
    /// Fully connected.
    Dense(Dense<'a>),
    /// Sliding mean of logits over time.
    MeanPool(MeanPool),
    /// Sliding mean of logits weighted by a score.
    AttentionPool(AttentionPool),
    /// From a token to codes: language models.
    #[cfg(feature = "embedding")]
    Embedding(Embedding<'a>),
    /// From one feature map to another: image networks.
    #[cfg(feature = "conv")]
    Map(MapLayer<'a>),
}

impl Layer<'_> {
    /// The field's usual name of the layer kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Lstm(_) => "lstm",
            Self::Dense(_) => "dense",
            Self::MeanPool(_) => "mean-pool",
            Self::AttentionPool(_) => "attention-pool",
            #[cfg(feature = "embedding")]
            Self::Embedding(_) => "embedding",
            #[cfg(feature = "conv")]
            Self::Map(l) => l.name(),
        }
    }

    /// Whether it goes from one feature map to another.
    pub(crate) const fn is_map(&self) -> bool {
        #[cfg(feature = "conv")]
        return matches!(self, Self::Map(_));
        #[cfg(not(feature = "conv"))]
        false
    }

    /// What the layer reads.
    #[must_use]
    pub const fn input(&self) -> Signal {
        match self {
            Self::Lstm(l) => Signal::codes(l.inputs, l.split),
            Self::Dense(l) => Signal::codes(l.inputs, l.split),
            Self::MeanPool(l) => Signal::Logits { width: l.width },
            Self::AttentionPool(l) => Signal::Logits {
                width: l.classes + 1,
            },
            #[cfg(feature = "embedding")]
            Self::Embedding(l) => Signal::Token { tokens: l.tokens },
            #[cfg(feature = "conv")]
            Self::Map(l) => Signal::map(l.ends.input, l.ends.input_format),
        }
    }

    /// What the layer writes.
    #[must_use]
    pub const fn output(&self) -> Signal {
        match self {
            Self::Lstm(l) => Signal::codes(l.hidden, l.split),
            Self::Dense(l) => match l.output {
                DenseOutput::Logits => Signal::Logits { width: l.outputs },
                DenseOutput::Codes { bits, signed } => Signal::Codes {
                    width: l.outputs,
                    bits,
                    signed,
                },
            },
            Self::MeanPool(l) => Signal::Logits { width: l.width },
            Self::AttentionPool(l) => Signal::Logits { width: l.classes },
            #[cfg(feature = "embedding")]
            Self::Embedding(l) => Signal::Codes {
                width: l.width,
                bits: l.bits,
                signed: true,
            },
            #[cfg(feature = "conv")]
            Self::Map(l) => Signal::map(l.ends.output, l.ends.output_format),
        }
    }

    /// Words of state kept from step to step.
    #[must_use]
    pub fn state_words(&self) -> usize {
        match self {
            Self::Lstm(l) => l.state_words(),
            Self::Dense(_) => 0,
            Self::MeanPool(l) => l.state_words(),
            Self::AttentionPool(l) => l.state_words(),
            #[cfg(feature = "embedding")]
            Self::Embedding(_) => 0,
            #[cfg(feature = "conv")]
            Self::Map(_) => 0,
        }
    }

    /// Words of scratch used within a step.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        match self {
            Self::Lstm(l) => l.scratch_words(),
            Self::Dense(l) => l.scratch_words(),
            Self::MeanPool(_) | Self::AttentionPool(_) => 0,
            #[cfg(feature = "embedding")]
            Self::Embedding(_) => 0,
            #[cfg(feature = "conv")]
            Self::Map(l) => l.scratch_words(),
        }
    }
}
