//! Lists of the non-zero digits of the rows of a feature map.

use super::patch::{Patch, Start};
use super::scan::{Row, scan};
use super::{Form, Geometry, LANE};
use crate::arena::take;
use core::marker::PhantomData;
use zerocopy::IntoBytes;

/// The planes that lanes of 16 bits sum together before they are folded, 0 if that
/// is all of them, and the most weighted entries of one.
const fn lanes(largest: u32, reach: u32) -> (u32, usize) {
    if largest.saturating_mul(reach) <= LANE {
        return (0, usize::MAX);
    }
    let two_of_three = largest == 7 && reach.saturating_mul(3) <= LANE;
    let planes = if two_of_three { 2 } else { 1 };
    (planes, (LANE / (127 * largest)) as usize)
}

/// The lists of the rows under a window, in a ring: row y of the map has place
/// `y mod k`.
#[derive(Debug)]
pub struct RowLists<'s> {
    geometry: Geometry,
    /// For every place and list, [`Geometry::capacity`] entries; then their
    /// indices, and one of no entries.
    store: &'s mut [u32],
    /// Of the prediction, then of the update.
    starts: &'s mut [Start],
    /// For every place, prediction entries of all windows over the row.
    applied: &'s mut [u32],
}

impl<'s> RowLists<'s> {
    /// Lays empty lists out in [`Geometry::words`] words; `None` where there are
    /// fewer, or where [`Geometry::fits`] does not hold.
    #[must_use]
    pub fn take(words: &mut &'s mut [u32], geometry: Geometry) -> Option<Self> {
        if !geometry.fits() || words.len() < geometry.words() {
            return None;
        }
        let store: &mut [u32] = take(words, geometry.store());
        // Runs over what was never listed are empty.
        store.get_mut(geometry.entries()..)?.fill(0);
        let starts = take(words, geometry.all_lists());
        let applied = take(words, geometry.window.kernel);
        Some(Self {
            geometry,
            store,
            starts,
            applied,
        })
    }

    /// Lists the digits of row `y` of the map whose codes are `input`.
    pub fn list(&mut self, y: usize, input: &[i8]) {
        let geometry = self.geometry;
        let view = geometry.input;
        let place = y % geometry.window.kernel;
        let (first, end) = (view.shape.pixel(y, 0), view.shape.pixel(y + 1, 0));
        let Some(codes) = input.get(first..end) else {
            return;
        };
        scan(
            &geometry,
            place,
            Row {
                view,
                codes: codes.as_bytes(),
            },
            self.store,
        );
        if let Some(applied) = self.applied.get_mut(place) {
            *applied = 0;
        }
        for list in 0..geometry.form().lists() {
            let first = geometry.entries() + (place * geometry.lists() + list) * geometry.index();
            let index = self.store.get(first..).unwrap_or(&[]);
            let mut bytes = 0u32;
            for x in 0..geometry.window.outputs(view.shape.width) {
                let (from, to) = geometry.span(geometry.edge(x));
                if let (Some(from), Some(to)) = (index.get(from), index.get(to)) {
                    bytes = bytes.wrapping_add(to.wrapping_sub(*from));
                }
            }
            if let Some(applied) = self.applied.get_mut(place) {
                *applied = applied.wrapping_add(bytes / 4);
            }
        }
    }

    /// Moves the window's upper edge to row `y`, which may lie outside the map.
    pub fn row(&mut self, y: i32) -> Windows<'_> {
        let geometry = self.geometry;
        let kernel = geometry.window.kernel;
        let (lists, height) = (geometry.lists(), geometry.input.shape.height);
        let word = |word: usize| (word * size_of::<u32>()) as u32;
        let index = |nth: usize| word(geometry.entries() + nth * geometry.index());
        let outside = index(geometry.all_lists());
        // Above the map y is a large number.
        let inside = |y: i32| (y as u32 as usize) < height;
        let top = y.rem_euclid(kernel as i32) as usize;
        let places = || (top..kernel).chain(0..top).zip(y..);
        let mut starts = self.starts.iter_mut();
        // The highest bit comes first; the update's list is the last of a row.
        for list in (0..lists - 1).rev().chain([lists - 1]) {
            let mut base = 0u32;
            for (start, (place, y)) in starts.by_ref().zip(places()).take(kernel) {
                let listed = index(place * lists + list);
                *start = Start {
                    index: if inside(y) { listed } else { outside },
                    base,
                };
                base = base.wrapping_add(geometry.row_bytes() as u32);
            }
        }
        let rows = places().filter(|&(_, y)| inside(y));
        let applied = rows.filter_map(|(place, _)| self.applied.get(place)).sum();
        let (form, split) = (geometry.form(), geometry.split);
        let patch = |first: usize, form: Form, largest: u32| {
            let (folds, limit) = lanes(largest, geometry.reach);
            let starts = self.starts.get(first..first + form.lists() * kernel);
            let starts = starts.unwrap_or(&[]).as_ptr_range();
            Patch {
                store: self.store.as_ptr(),
                starts: starts.start,
                starts_end: starts.end,
                plane: kernel * size_of::<Start>(),
                from: 0,
                to: 0,
                left: 0,
                folds,
                form,
                columns: geometry.columns(),
                limit,
                lists: PhantomData,
            }
        };
        Windows {
            prediction: patch(0, form, split.largest_digit()),
            update: patch((lists - 1) * kernel, Form::Weighted, split.largest_rest()),
            applied,
            geometry,
        }
    }
}

/// The windows of a row.
#[derive(Debug)]
pub struct Windows<'p> {
    prediction: Patch<'p>,
    update: Patch<'p>,
    applied: u32,
    geometry: Geometry,
}

impl<'p> Windows<'p> {
    /// Moves the window's left edge to pixel `x`, which may lie outside the map.
    #[inline(always)]
    pub fn aim(&mut self, x: i32) {
        let geometry = &self.geometry;
        let (from, to) = geometry.span(x);
        let left = (x as u32).wrapping_mul((geometry.input.channels * geometry.height) as u32);
        for patch in [&mut self.prediction, &mut self.update] {
            patch.from = from * size_of::<u32>();
            patch.to = to * size_of::<u32>();
            patch.left = left;
        }
    }

    /// The prediction digits under the window.
    #[must_use]
    pub const fn prediction(&self) -> &Patch<'p> {
        &self.prediction
    }

    /// The remaining bits under the window.
    #[must_use]
    pub const fn update(&self) -> &Patch<'p> {
        &self.update
    }

    /// Prediction entries of all windows of the row.
    #[must_use]
    pub const fn applied(&self) -> u32 {
        self.applied
    }
}

impl Geometry {
    /// Left edge of the window of output pixel `x` of a row.
    #[inline(always)]
    #[must_use]
    pub const fn edge(&self, x: usize) -> i32 {
        (x * self.window.stride) as i32 - self.window.padding as i32
    }

    /// The pixels of a row that a window covers whose left edge is at `x`: the
    /// first, and the one after the last.
    #[inline(always)]
    fn span(&self, x: i32) -> (usize, usize) {
        let width = self.input.shape.width as i32;
        let end = x.saturating_add(self.window.kernel as i32);
        // Most windows lie inside.
        if x >= 0 && end <= width {
            return (x as usize, end as usize);
        }
        (x.clamp(0, width) as usize, end.clamp(0, width) as usize)
    }
}
