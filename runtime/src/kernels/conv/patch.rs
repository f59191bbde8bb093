//! The entries under a window.
#![allow(unsafe_code)]

use super::Form;
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A list of one row of the map, as a row of a window.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(super) struct Start {
    /// Byte offset of the list's index in the store. An index has a word for
    /// each pixel and one more: the byte offset in the store of the pixel's first
    /// entry.
    pub index: u32,
    /// Bytes of the panel before this row of the window.
    pub base: u32,
}

/// The entries of neighbouring pixels in one row of a window.
#[derive(Clone, Copy, Debug)]
pub struct Run<'p> {
    /// See [`super::Form`].
    pub entries: &'p [u32],
    /// What to add to the offset of an entry, modulo 2^32.
    pub base: u32,
}

/// The lists under a window, for one pass.
///
/// Whatever the lists hold, an entry's offset plus its run's base is the offset
/// of a whole column of a panel of [`Self::columns`] columns, and all runs lie in
/// the store: kernels rely on it. Only [`super::RowLists`] makes patches.
/// Assembly reads the fields before `form`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Patch<'p> {
    pub(super) store: *const u32,
    /// The lists of each plane in turn, that of the highest bit first, and of
    /// each the rows from top to bottom.
    pub(super) starts: *const Start,
    pub(super) starts_end: *const Start,
    /// Bytes of the starts of a plane.
    pub(super) plane: usize,
    /// Byte offsets in an index: the first pixel, and the one after the last.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Bytes of the panel left of the window.
    pub(super) left: u32,
    /// See [`Self::folds`].
    pub(super) folds: u32,
    pub(super) form: Form,
    pub(super) columns: usize,
    pub(super) limit: usize,
    pub(super) lists: PhantomData<&'p [u32]>,
}

impl<'p> Patch<'p> {
    /// The patch's planes, that of the highest bit first.
    pub fn split(&self) -> impl Iterator<Item = Self> {
        self.parts(1)
    }

    /// So many of the highest planes together, then one by one.
    pub fn parts(&self, mut planes: usize) -> impl Iterator<Item = Self> {
        let mut starts = self.starts;
        let whole = *self;
        core::iter::from_fn(move || {
            let first = starts;
            (first != whole.starts_end).then(|| {
                starts = first.wrapping_byte_add(whole.plane * planes);
                planes = 1;
                Self {
                    starts: first,
                    starts_end: starts,
                    ..whole
                }
            })
        })
    }

    /// All runs, plane by plane.
    pub fn runs(&self) -> impl Iterator<Item = Run<'p>> {
        let mut start = self.starts;
        core::iter::from_fn(move || {
            let now = start;
            (now != self.starts_end).then(|| {
                start = now.wrapping_add(1);
                self.run(now)
            })
        })
    }

    /// The run of one of the starts.
    #[inline(always)]
    fn run(&self, start: *const Start) -> Run<'p> {
        // SAFETY: it is one of this patch's starts; its index lies in the store,
        // and so do the entries between any two words of it, in order.
        unsafe {
            let start = start.read();
            let index = self.store.byte_add(start.index as usize);
            let from = index.byte_add(self.from).read();
            let to = index.byte_add(self.to).read();
            let first = self.store.byte_add(from as usize);
            Run {
                entries: core::slice::from_raw_parts(first, (to - from) as usize / 4),
                base: start.base.wrapping_sub(self.left),
            }
        }
    }

    /// The form of the lists.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Columns of a panel that the offsets may reach.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// How many of the highest planes lanes of 16 bits sum together before they are
    /// folded, one or two; all others are folded one by one. 0 if none must be
    /// folded before the end.
    #[must_use]
    pub const fn folds(&self) -> u32 {
        self.folds
    }

    /// Weighted entries that 16-bit lanes may sum.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Entries of all runs.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.runs().map(|run| run.entries.len() as u32).sum()
    }
}
