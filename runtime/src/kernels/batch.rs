//! Columns of four-bit weights, applied in batches: what every family shares.
//!
//! Byte lanes hold the sum of up to [`COLUMNS`] columns, `|sum of w| <= 7 * 18 =
//! 126`. With an offset of 128 such a sum looks like one column of weights of
//! eight bits, which is added to the 16-bit predictions as any other. So a
//! column costs half as much a row, and a batch one column more.

#[cfg(any(pg_isa = "dsp", pg_isa = "thumb1"))]
use super::changes::END;
#[cfg(any(pg_isa = "dsp", pg_isa = "thumb1"))]
use core::mem::MaybeUninit;

/// Columns whose sum a byte lane holds.
pub const COLUMNS: usize = 18;
const _: () = assert!(7 * COLUMNS <= 127 && 7 * (COLUMNS + 1) > 127);

/// The lower halves of four bytes.
#[cfg(not(pg_isa = "thumb1"))]
pub const NIBBLES: u32 = 0x0f0f_0f0f;

/// Columns to add and to subtract, [`COLUMNS`] together or fewer.
#[derive(Clone, Copy)]
pub struct Batch<'l> {
    pub plus: &'l [u32],
    pub minus: &'l [u32],
}

impl<'l> Batch<'l> {
    /// The front of two lists, of which the rest stays there; `None` where
    /// nothing is left.
    #[inline(always)]
    pub fn take([plus, minus]: &mut [&'l [u32]; 2]) -> Option<Self> {
        let plus = front(plus, COLUMNS);
        let minus = front(minus, COLUMNS - plus.len());
        (plus.len() + minus.len() > 0).then_some(Self { plus, minus })
    }

    /// What the byte lanes start at, so that they end at `128 + sum of w`:
    /// sums of whole bytes, and of their upper halves.
    #[inline(always)]
    pub const fn start(self) -> [u32; 2] {
        let net = (self.plus.len() as u32).wrapping_sub(self.minus.len() as u32);
        let upper = 128u32.wrapping_sub(net << 3).wrapping_mul(0x0101_0101);
        [upper.wrapping_mul(17), upper]
    }
}

/// Takes up to `most` entries off a list.
#[inline(always)]
fn front<'l>(list: &mut &'l [u32], most: usize) -> &'l [u32] {
    let (now, later) = list.split_at_checked(most).unwrap_or((*list, &[]));
    *list = later;
    now
}

/// A batch for loops that have no register for the end of a list: first the
/// columns to subtract, then those to add, each closed with [`END`].
#[cfg(any(pg_isa = "dsp", pg_isa = "thumb1"))]
pub struct Closed {
    list: [MaybeUninit<u32>; COLUMNS + 2],
    length: usize,
}

#[cfg(any(pg_isa = "dsp", pg_isa = "thumb1"))]
impl Closed {
    /// Without entries and marks.
    pub const EMPTY: Self = Self {
        list: [const { MaybeUninit::uninit() }; COLUMNS + 2],
        length: 0,
    };

    /// Takes a batch. In place: at a size like this a return value is copied.
    #[inline(always)]
    pub fn fill(&mut self, batch: Batch<'_>) {
        self.length = 0;
        for list in [batch.minus, batch.plus] {
            for &entry in list {
                self.push(entry);
            }
            self.push(END);
        }
    }

    #[inline(always)]
    fn push(&mut self, entry: u32) {
        if let Some(place) = self.list.get_mut(self.length) {
            place.write(entry);
            self.length += 1;
        }
    }

    /// The first entry.
    pub const fn start(&self) -> *const u32 {
        self.list.as_ptr().cast()
    }

    /// Behind the last mark.
    #[cfg(pg_isa = "thumb1")]
    pub const fn end(&self) -> *const u32 {
        self.start().wrapping_add(self.length)
    }
}
