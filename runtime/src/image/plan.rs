//! The memory plan: which words of the arena hold what.
//!
//! ```text
//! [ state of layer 0 | state of layer 1 | ... ]  kept from step to step
//! [ codes A | codes B | logits | posteriors | scratch of the widest layer ]
//! ```
//!
//! In an image network the feature maps come in place of the codes; where each
//! lies was computed at export, so that maps whose lives do not meet share
//! memory.

use crate::arena::words_of;
use crate::layers::{Layer, Signal};

/// Sizes of the parts of an arena, in words of 4 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// State of all layers.
    pub state: usize,
    /// Feature maps.
    pub maps: usize,
    /// One of the two buffers of codes that pass between layers.
    pub codes: usize,
    /// Codes that the buffer must hold.
    pub code_width: usize,
    /// Logits, and of the same size the posteriors.
    pub logits: usize,
    /// Classes.
    pub classes: usize,
    /// Scratch of the layer that needs most.
    pub scratch: usize,
}

impl MemoryPlan {
    /// Plans the arena of a model, whose feature maps have so many words, if it
    /// has any: its codes pass in them.
    #[must_use]
    pub fn of<'a>(layers: impl Iterator<Item = Layer<'a>>, maps: Option<usize>) -> Self {
        let mut plan = Self::default();
        for layer in layers {
            plan.state += layer.state_words();
            plan.scratch = plan.scratch.max(layer.scratch_words());
            for signal in [layer.input(), layer.output()] {
                match signal {
                    // Handed to the step itself.
                    Signal::Token { .. } => {}
                    Signal::Codes { .. } if maps.is_some() => {}
                    Signal::Codes { width, .. } => plan.code_width = plan.code_width.max(width),
                    Signal::Logits { width } => plan.classes = plan.classes.max(width),
                }
            }
        }
        plan.maps = maps.unwrap_or(0);
        plan.codes = words_of::<i8>(plan.code_width);
        plan.logits = words_of::<i16>(plan.classes);
        plan
    }

    /// Bytes of state.
    #[must_use]
    pub const fn state_bytes(&self) -> u32 {
        (self.state * 4) as u32
    }

    /// Bytes of the whole arena.
    #[must_use]
    pub const fn arena_bytes(&self) -> u32 {
        ((self.state + self.maps + 2 * self.codes + 2 * self.logits + self.scratch) * 4) as u32
    }
}
