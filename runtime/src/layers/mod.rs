//! The layers: views of their parameters in the image, and their step.
//!
//! A step reads the codes or logits of the layer before, updates the layer's
//! own state, and writes codes or logits for the next.

#[cfg(feature = "conv")]
mod conv;
mod dense;
mod lstm;
mod map;
mod operand;
mod pool;

#[cfg(feature = "conv")]
pub use conv::{Conv, ConvConfig, ConvError, ConvOutput, Residual, Visitor};
pub use dense::{Dense, DenseOutput};
pub use lstm::{Lstm, LstmGate, LstmState, Strategy};
pub use map::{Shape, View, Window};
pub use pool::{AttentionPool, MeanPool};

use crate::quant::Split;

/// What a layer takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
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
}

/// One layer of a model.
#[derive(Clone, Copy, Debug)]
pub enum Layer<'a> {
    /// Long short-term memory.
    Lstm(Lstm<'a>),
    /// Fully connected.
    Dense(Dense<'a>),
    /// Sliding mean of logits over time.
    MeanPool(MeanPool),
    /// Sliding mean of logits weighted by a score.
    AttentionPool(AttentionPool),
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
        }
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
        }
    }

    /// Words of scratch used within a step.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        match self {
            Self::Lstm(l) => l.scratch_words(),
            Self::Dense(l) => l.scratch_words(),
            Self::MeanPool(_) | Self::AttentionPool(_) => 0,
        }
    }
}
