//! Lists of the non-zero digits of the rows of a feature map.

use super::{Form, LANE};
use crate::arena::{take, words_of};
use crate::layers::{View, Window};
use crate::quant::Split;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What the lists of a convolution depend on.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// The channels that are read.
    pub input: View,
    /// The window.
    pub window: Window,
    /// The split of the codes.
    pub split: Split,
    /// Largest `sum |w|` of a row of the matrix.
    pub row_sum: u32,
    /// Bytes of a column in a panel.
    pub height: usize,
}

impl Geometry {
    /// The form of the prediction lists.
    #[must_use]
    pub const fn form(&self) -> Form {
        Form::of(self.split, self.row_sum)
    }

    /// Columns of the matrix: `k k C`.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.window.kernel * self.window.kernel * self.input.channels
    }

    /// Most entries that a list of one row may have.
    const fn capacity(&self) -> usize {
        self.input.shape.width * self.input.channels
    }

    /// Lists of one row: the prediction's, then the update's.
    const fn lists(&self) -> usize {
        self.form().lists() + 1
    }

    const fn indices(&self) -> usize {
        self.input.shape.width + 1
    }

    const fn all_lists(&self) -> usize {
        self.window.kernel * self.lists()
    }

    /// Whether offsets and numbers of entries fit their types: rows of at most
    /// 65535 codes, and panels below 2^23 bytes, so that an offset and a digit
    /// share a word.
    #[must_use]
    pub fn fits(&self) -> bool {
        let kernel = self.window.kernel;
        let columns = (kernel.checked_mul(kernel)).and_then(|n| n.checked_mul(self.input.channels));
        let codes = self.input.shape.width.checked_mul(self.input.channels);
        let small = |n: Option<usize>, limit: usize| n.is_some_and(|n| n <= limit);
        small(codes, usize::from(u16::MAX))
            && small(columns, usize::from(u16::MAX))
            && self.height <= 64
            && self.window.stride > 0
            && kernel > 0
    }

    /// Words of scratch that [`RowLists::take`] takes.
    #[must_use]
    pub const fn words(&self) -> usize {
        let lists = self.all_lists();
        lists * self.capacity()
            + words_of::<u16>(lists * self.indices())
            + words_of::<Run>(self.window.kernel * (self.form().lists() + 1))
    }
}

/// A stretch of a list: the entries of neighbouring pixels in one row of a
/// window.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Run {
    /// First entry, as an index into [`Patch::entries`].
    pub(super) first: u32,
    /// Number of entries.
    pub(super) count: u32,
    /// What to add to the offset of an entry, modulo 2^32.
    pub(super) base: u32,
}

/// The runs under a window, for one pass.
///
/// Whatever the lists hold, an entry's offset plus its run's base is the offset
/// of a whole column of a panel of [`Self::columns`] columns, and runs lie in
/// the entries: kernels rely on it. Only [`RowLists`] makes patches.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'p> {
    entries: &'p [u32],
    runs: &'p [Run],
    form: Form,
    columns: usize,
    folds: bool,
    limit: usize,
}

impl<'p> Patch<'p> {
    /// Where the runs' entries are.
    #[must_use]
    pub const fn entries(&self) -> &'p [u32] {
        self.entries
    }

    /// The runs of each list in turn, the plane of the highest bit first.
    pub fn planes(&self) -> impl Iterator<Item = &'p [Run]> {
        self.runs.chunks(self.runs_of_plane())
    }

    /// All runs, plane by plane.
    #[must_use]
    pub const fn runs(&self) -> &'p [Run] {
        self.runs
    }

    /// Runs of a plane: rows of the window.
    #[must_use]
    pub fn runs_of_plane(&self) -> usize {
        (self.runs.len() / self.form.lists()).max(1)
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

    /// Whether every plane must be folded by itself.
    #[must_use]
    pub const fn folds(&self) -> bool {
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
        self.runs.iter().map(|run| run.count).sum()
    }

    /// The entries of a run.
    #[inline(always)]
    #[must_use]
    pub fn of(&self, run: &Run) -> &'p [u32] {
        let first = run.first as usize;
        let end = first + run.count as usize;
        self.entries.get(first..end).unwrap_or(&[])
    }
}

/// Which lists a patch is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The prediction digits.
    Prediction,
    /// The remaining bits.
    Update,
}

/// The lists of the rows under a window, in a ring: row y of the map has place
/// `y mod k`.
#[derive(Debug)]
pub struct RowLists<'s> {
    geometry: Geometry,
    /// For every place and list, [`Geometry::capacity`] entries.
    entries: &'s mut [u32],
    /// For every place and list, where each pixel's entries begin, and the end
    /// of the last.
    indices: &'s mut [u16],
    prediction: &'s mut [Run],
    update: &'s mut [Run],
}

impl<'s> RowLists<'s> {
    /// Lays empty lists out in [`Geometry::words`] words; `None` where there are
    /// fewer, or where [`Geometry::fits`] does not hold.
    #[must_use]
    pub fn take(words: &mut &'s mut [u32], geometry: Geometry) -> Option<Self> {
        if !geometry.fits() || words.len() < geometry.words() {
            return None;
        }
        let (lists, kernel) = (geometry.all_lists(), geometry.window.kernel);
        let entries: &mut [u32] = take(words, lists * geometry.capacity());
        let indices: &mut [u16] = take(words, lists * geometry.indices());
        // Runs over what was never listed are empty.
        indices.fill(0);
        Some(Self {
            geometry,
            entries,
            indices,
            prediction: take(words, kernel * geometry.form().lists()),
            update: take(words, kernel),
        })
    }

    /// Lists the digits of row `y` of the map whose codes are `input`.
    pub fn list(&mut self, y: usize, input: &[i8]) {
        let geometry = self.geometry;
        let view = geometry.input;
        let place = y % geometry.window.kernel;
        let (first, end) = (view.shape.pixel(y, 0), view.shape.pixel(y + 1, 0));
        let codes = input.get(first..end).unwrap_or(&[]);
        let lists = geometry.lists();
        let (capacity, indices) = (geometry.capacity(), geometry.indices());
        let entries = self.entries.get_mut(place * lists * capacity..);
        let entries = entries.and_then(|e| e.get_mut(..lists * capacity));
        let index = self.indices.get_mut(place * lists * indices..);
        let index = index.and_then(|i| i.get_mut(..lists * indices));
        if let (Some(entries), Some(index)) = (entries, index) {
            let row = super::scan::Row {
                view,
                split: geometry.split,
                height: geometry.height as u32,
                codes,
            };
            super::scan::scan(geometry.form(), &row, entries, index);
        }
    }

    /// The runs under the window whose upper left pixel is `(y, x)`, which may
    /// lie outside the map.
    pub fn patch(&mut self, pass: Pass, y: i32, x: i32) -> Patch<'_> {
        let geometry = self.geometry;
        let Geometry {
            input,
            window,
            height,
            ..
        } = geometry;
        let kernel = window.kernel;
        let (form, first_list, largest) = match pass {
            Pass::Prediction => (geometry.form(), 0, geometry.split.largest_digit()),
            Pass::Update => (
                Form::Weighted,
                geometry.form().lists(),
                geometry.split.largest_rest(),
            ),
        };
        let runs = match pass {
            Pass::Prediction => &mut *self.prediction,
            Pass::Update => &mut *self.update,
        };
        let clip = |at: i32, edge: usize| at.clamp(0, edge as i32) as usize;
        let end = x.saturating_add(kernel as i32);
        let pixels = [clip(x, input.shape.width), clip(end, input.shape.width)];
        // One row of the window in a panel, and what the window is to the right.
        let row = (kernel * input.channels * height) as u32;
        let left = (x as u32).wrapping_mul((input.channels * height) as u32);
        let top = y.rem_euclid(kernel as i32) as usize;
        let plane_lists = geometry.lists();
        let (capacity, indices) = (geometry.capacity(), geometry.indices());
        for (plane, runs) in runs.chunks_exact_mut(kernel).enumerate() {
            // The highest bit comes first.
            let list = first_list + (form.lists() - 1).saturating_sub(plane);
            let mut place = top;
            let mut base = left.wrapping_neg();
            for (ky, run) in runs.iter_mut().enumerate() {
                let inside = y.wrapping_add(ky as i32) as u32;
                let nth = place * plane_lists + list;
                let index = |pixel: usize| self.indices.get(nth * indices + pixel);
                *run = match (index(pixels[0]), index(pixels[1])) {
                    (Some(&from), Some(&to)) if (inside as usize) < input.shape.height => Run {
                        first: (nth * capacity) as u32 + u32::from(from),
                        count: u32::from(to.saturating_sub(from)),
                        base,
                    },
                    _ => Run::default(),
                };
                base = base.wrapping_add(row);
                place = if place + 1 == kernel { 0 } else { place + 1 };
            }
        }
        let narrow = largest.saturating_mul(geometry.row_sum) <= LANE;
        Patch {
            entries: self.entries,
            runs,
            form,
            columns: geometry.columns(),
            folds: !narrow,
            limit: if narrow {
                usize::MAX
            } else {
                (LANE / (127 * largest.max(1))) as usize
            },
        }
    }
}
