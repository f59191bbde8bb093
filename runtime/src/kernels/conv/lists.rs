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
            + 2 * words_of::<Run>(self.all_lists())
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

/// Index of a row outside the map: no list has so many.
const OUTSIDE: u32 = u32::MAX;

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
    /// Of the prediction's runs, then the update's: the first entry of the row's
    /// list, where its indices begin, and the base at the left edge of the map.
    starts: &'s mut [Run],
    /// Of the prediction's lists and of the update's.
    kinds: [Kind; 2],
}

/// What the lists of a pass have in common.
#[derive(Clone, Copy, Debug)]
struct Kind {
    form: Form,
    /// Place of the pass's first list among those of a row.
    first: usize,
    folds: bool,
    limit: usize,
}

impl Kind {
    const fn new(form: Form, first: usize, largest: u32, row_sum: u32) -> Self {
        let narrow = largest.saturating_mul(row_sum) <= LANE;
        let largest = if largest == 0 { 1 } else { largest };
        Self {
            form,
            first,
            folds: !narrow,
            limit: if narrow {
                usize::MAX
            } else {
                (LANE / (127 * largest)) as usize
            },
        }
    }
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
        let (form, split) = (geometry.form(), geometry.split);
        let prediction: &mut [Run] = take(words, kernel * form.lists());
        let update: &mut [Run] = take(words, kernel);
        let starts: &mut [Run] = take(words, lists);
        for runs in [&mut *prediction, &mut *update, &mut *starts] {
            runs.fill(Run::default());
        }
        // Before the first row of a window, all are outside the map.
        starts.iter_mut().for_each(|start| start.count = OUTSIDE);
        let kind = |form, first, largest| Kind::new(form, first, largest, geometry.row_sum);
        Some(Self {
            geometry,
            entries,
            indices,
            prediction,
            update,
            starts,
            kinds: [
                kind(form, 0, split.largest_digit()),
                kind(Form::Weighted, form.lists(), split.largest_rest()),
            ],
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

    /// The runs that [`Self::aim`] found last for a pass.
    #[must_use]
    pub fn patch(&self, pass: Pass) -> Patch<'_> {
        let (runs, kind) = match pass {
            Pass::Prediction => (&*self.prediction, &self.kinds[0]),
            Pass::Update => (&*self.update, &self.kinds[1]),
        };
        Patch {
            entries: self.entries,
            runs,
            form: kind.form,
            columns: self.geometry.columns(),
            folds: kind.folds,
            limit: kind.limit,
        }
    }

    /// Moves the window's upper edge to row `y`, which may lie outside the map.
    pub fn row(&mut self, y: i32) {
        let geometry = &self.geometry;
        let kernel = geometry.window.kernel;
        let (lists, height) = (geometry.lists(), geometry.input.shape.height);
        let row = (kernel * geometry.input.channels * geometry.height) as u32;
        let top = y.rem_euclid(kernel as i32) as usize;
        let mut starts = self.starts.iter_mut();
        for kind in &self.kinds {
            // The highest bit comes first.
            for list in (kind.first..kind.first + kind.form.lists()).rev() {
                let (mut place, mut base) = (top, 0u32);
                for (start, y) in starts.by_ref().take(kernel).zip(y..) {
                    let nth = place * lists + list;
                    // Above the map y is a large number.
                    let inside = (y as u32 as usize) < height;
                    *start = Run {
                        first: (nth * geometry.capacity()) as u32,
                        count: if inside {
                            (nth * geometry.indices()) as u32
                        } else {
                            OUTSIDE
                        },
                        base,
                    };
                    base = base.wrapping_add(row);
                    place = if place + 1 == kernel { 0 } else { place + 1 };
                }
            }
        }
    }

    /// Finds the runs of a pass under the window at the row of [`Self::row`] whose
    /// left edge is at pixel `x`, which may lie outside the map.
    pub fn aim(&mut self, pass: Pass, x: i32) {
        let geometry = &self.geometry;
        let (kernel, width) = (geometry.window.kernel, geometry.input.shape.width);
        let before = self.prediction.len();
        let (runs, starts) = match pass {
            Pass::Prediction => (&mut *self.prediction, self.starts.get(..before)),
            Pass::Update => (&mut *self.update, self.starts.get(before..)),
        };
        let clip = |at: i32| at.clamp(0, width as i32) as usize;
        let (from, to) = (clip(x), clip(x.saturating_add(kernel as i32)));
        // Bytes of a pixel in a panel.
        let pixel = (geometry.input.channels * geometry.height) as u32;
        let left = (x as u32).wrapping_mul(pixel);
        for (run, start) in runs.iter_mut().zip(starts.unwrap_or(&[])) {
            let Some(index) = self.indices.get(start.count as usize..) else {
                *run = Run::default();
                continue;
            };
            let (Some(&from), Some(&to)) = (index.get(from), index.get(to)) else {
                *run = Run::default();
                continue;
            };
            run.first = start.first + u32::from(from);
            run.count = u32::from(to.saturating_sub(from));
            run.base = start.base.wrapping_sub(left);
        }
    }
}
