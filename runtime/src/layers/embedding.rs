//! Embedding: the first layer of a language model, whose input is a token.

use crate::quant::Split;

/// Parameters of an embedding, in place in the image: a row of codes for every
/// token.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    pub(crate) tokens: usize,
    pub(crate) width: usize,
    pub(crate) bits: u8,
    pub(crate) table: &'a [i8],
}

impl<'a> Embedding<'a> {
    /// Number of tokens, 1 to 2^14.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// Codes of a token.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Bits of a code, which is signed, 2 to 8.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The codes, tokens x width.
    #[must_use]
    pub const fn table(&self) -> &'a [i8] {
        self.table
    }

    /// The codes of a token; none if there is no such token.
    #[must_use]
    pub fn codes(&self, token: u16) -> &'a [i8] {
        let first = usize::from(token) * self.width;
        self.table.get(first..first + self.width).unwrap_or(&[])
    }

    /// Whether every code is in the range of its bits.
    pub(crate) fn is_valid(&self) -> bool {
        Split::new(self.bits, 1, true).is_some_and(|split| {
            let (low, high) = split.range();
            let range = low..=high;
            self.table.iter().all(|&q| range.contains(&i16::from(q)))
        })
    }
}
