//! Channels that move: as they are, or each by a displacement (Wu et al.,
//! "Shift: A Zero FLOP, Zero Parameter Alternative", CVPR 2018). Splitting,
//! concatenating and shuffling channels are copies between views.

use super::{Ends, MapError, ensure};

/// Rows and columns that a channel moves by: output `(y, x)` is input
/// `(y + dy, x + dx)`.
pub type Displacement = [i8; 2];

/// Copies channels, moved by a displacement each; what comes from outside the
/// map is code 0.
#[derive(Clone, Copy, Debug)]
pub struct Shift<'a> {
    pub(crate) ends: Ends,
    /// None: every channel stays where it is.
    pub(crate) displacement: Option<&'a [Displacement]>,
}

impl<'a> Shift<'a> {
    /// Checks the parameters against each other: a displacement for each
    /// channel, or `None` for a plain copy.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn new(ends: Ends, displacement: Option<&'a [Displacement]>) -> Result<Self, MapError> {
        let (from, to) = (ends.input, ends.output);
        ends.check_maps()?;
        ensure(
            from.channels == to.channels && ends.same_codes(),
            MapError::Channels,
        )?;
        let edges = (from.shape.height, from.shape.width) == (to.shape.height, to.shape.width);
        ensure(edges, MapError::Map)?;
        ensure(
            displacement.is_none_or(|d| d.len() == from.channels),
            MapError::Parameters,
        )?;
        Ok(Self { ends, displacement })
    }

    /// The channels that are read and written.
    #[must_use]
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Displacement of every channel; `None` if all stay.
    #[must_use]
    pub const fn displacement(&self) -> Option<&'a [Displacement]> {
        self.displacement
    }

    /// Computes the layer over whole maps.
    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        let channels = self.ends.input.channels;
        let Some(displacement) = self.displacement else {
            self.channels(0, channels, [0, 0], input, output);
            return;
        };
        // Neighbours that move alike move together.
        let mut first = 0;
        for run in displacement.chunk_by(|a, b| a == b) {
            let by = run.first().copied().unwrap_or_default();
            self.channels(first, run.len(), by, input, output);
            first += run.len();
        }
    }

    /// Computes the layer where it lies: the output map is the input map, and the
    /// views are the same.
    pub(crate) fn run_in_place(&self, map: &mut [i8]) {
        let view = self.ends.input;
        let shape = view.shape;
        let pixels = shape.height * shape.width;
        let mut first = 0;
        for run in self.displacement.unwrap_or(&[]).chunk_by(|a, b| a == b) {
            let [dy, dx] = run.first().copied().unwrap_or_default();
            let channels = first..first + run.len();
            first += run.len();
            let ahead = (dy, dx) > (0, 0);
            if (dy, dx) == (0, 0) {
                continue;
            }
            // A code is read before its place is written: pixels that come from
            // further on in order, the others in reverse.
            for k in 0..pixels {
                let pixel = if ahead { k } else { pixels - 1 - k };
                let (y, x) = (pixel / shape.width, pixel % shape.width);
                let source = inside(y, dy, shape.height).zip(inside(x, dx, shape.width));
                for channel in channels.clone() {
                    let code = source.and_then(|(y, x)| map.get(view.index(y, x, channel)));
                    let code = code.copied().unwrap_or(0);
                    if let Some(place) = map.get_mut(view.index(y, x, channel)) {
                        *place = code;
                    }
                }
            }
        }
    }

    /// Moves `count` channels from `first` on.
    fn channels(
        &self,
        first: usize,
        count: usize,
        [dy, dx]: Displacement,
        input: &[i8],
        output: &mut [i8],
    ) {
        let (from, to) = (self.ends.input, self.ends.output);
        let shape = to.shape;
        let dense = from.step == 1 && to.step == 1;
        for y in 0..shape.height {
            let row = inside(y, dy, shape.height);
            for x in 0..shape.width {
                let source = row.zip(inside(x, dx, shape.width));
                let source = source.and_then(|(iy, ix)| input.get(from.index(iy, ix, first)..));
                let places = output.get_mut(to.index(y, x, first)..).unwrap_or(&mut []);
                match source {
                    Some(codes) if dense => {
                        if let (Some(places), Some(codes)) =
                            (places.get_mut(..count), codes.get(..count))
                        {
                            places.copy_from_slice(codes);
                        }
                    }
                    Some(codes) => {
                        let places = places.iter_mut().step_by(to.step).take(count);
                        let codes = codes.iter().step_by(from.step);
                        places.zip(codes).for_each(|(place, &code)| *place = code);
                    }
                    None => {
                        let places = places.iter_mut().step_by(to.step).take(count);
                        places.for_each(|place| *place = 0);
                    }
                }
            }
        }
    }
}

/// A row or column moved, if it stays in the map.
fn inside(at: usize, by: i8, edge: usize) -> Option<usize> {
    at.checked_add_signed(by.into())
        .filter(|&place| place < edge)
}
