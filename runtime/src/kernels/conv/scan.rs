//! Listing the digits of a row: both digits in one look at the codes, four
//! codes that are all zero in one test.

use super::Form;
use crate::layers::View;
use crate::quant::Split;
use zerocopy::FromBytes;

/// A row of a feature map.
pub(super) struct Row<'r> {
    /// The channels that are listed.
    pub view: View,
    pub split: Split,
    /// Bytes of a column in a panel.
    pub height: u32,
    /// All codes of the row, pixel by pixel.
    pub codes: &'r [i8],
}

/// One list as it grows. What does not fit is left out; nothing can be, since
/// a list has room for every code of a row.
struct List<'l> {
    entries: &'l mut [u32],
    index: &'l mut [u16],
    count: usize,
}

impl List<'_> {
    /// Appends an entry if `keep` is 1 rather than 0, without a branch.
    #[inline(always)]
    fn push(&mut self, entry: u32, keep: u32) {
        if let Some(place) = self.entries.get_mut(self.count) {
            *place = entry;
        }
        self.count += keep as usize;
    }

    /// Notes where the entries of a pixel begin.
    #[inline(always)]
    fn mark(&mut self, pixel: usize) {
        if let Some(place) = self.index.get_mut(pixel) {
            *place = self.count as u16;
        }
    }
}

/// `N` lists of equal room.
fn cut<'l, const N: usize>(mut entries: &'l mut [u32], mut index: &'l mut [u16]) -> [List<'l>; N] {
    let (room, pixels) = (entries.len() / N, index.len() / N);
    core::array::from_fn(|_| List {
        entries: entries.split_off_mut(..room).unwrap_or(&mut []),
        index: index.split_off_mut(..pixels).unwrap_or(&mut []),
        count: 0,
    })
}

/// Lists the digits of a row. `entries` and `index` are divided evenly among
/// the lists: the prediction's, then the update's.
pub(super) fn scan(form: Form, row: &Row<'_>, entries: &mut [u32], index: &mut [u16]) {
    let shift = row.split.shift();
    let rest = (1 << shift) - 1;
    match form {
        Form::Planes(1) => {
            let [a, lb] = &mut cut(entries, index);
            walk(row, [a, lb], |code, offset, [a, lb]| {
                a.push(offset, code >> shift);
                lb.push((offset << 8) | (code & rest), u32::from(code & rest != 0));
            });
        }
        Form::Planes(2) => {
            let [a, b, lb] = &mut cut(entries, index);
            walk(row, [a, b, lb], |code, offset, [a, b, lb]| {
                let hb = code >> shift;
                a.push(offset, hb & 1);
                b.push(offset, (hb >> 1) & 1);
                lb.push((offset << 8) | (code & rest), u32::from(code & rest != 0));
            });
        }
        Form::Planes(_) => {
            let [a, b, c, lb] = &mut cut(entries, index);
            walk(row, [a, b, c, lb], |code, offset, [a, b, c, lb]| {
                let hb = code >> shift;
                a.push(offset, hb & 1);
                b.push(offset, (hb >> 1) & 1);
                c.push(offset, (hb >> 2) & 1);
                lb.push((offset << 8) | (code & rest), u32::from(code & rest != 0));
            });
        }
        Form::Weighted => {
            let [hb, lb] = &mut cut(entries, index);
            let split = row.split;
            walk(row, [hb, lb], |code, offset, lists| {
                let (hb, lb) = split.digits(code as i8);
                for (list, digit) in lists.iter_mut().zip([hb, lb]) {
                    let digit = u32::from(digit as u8);
                    list.push((offset << 8) | digit, u32::from(digit != 0));
                }
            });
        }
    }
}

/// Calls `add` with every code that is not zero, as an unsigned byte, and the
/// offset of its column from the row's left edge.
#[inline(always)]
fn walk<const N: usize>(
    row: &Row<'_>,
    mut lists: [&mut List<'_>; N],
    mut add: impl FnMut(u32, u32, &mut [&mut List<'_>; N]),
) {
    let View {
        shape,
        first,
        step,
        channels,
    } = row.view;
    let codes = <[u8]>::ref_from_bytes(zerocopy::IntoBytes::as_bytes(row.codes)).unwrap_or(&[]);
    let mut offset = 0;
    let mut pixels = codes.chunks_exact(shape.channels.max(1));
    let fours = step == 1 && (first | channels | shape.channels).is_multiple_of(4);
    for x in 0..shape.width {
        for list in &mut lists {
            list.mark(x);
        }
        let pixel = pixels.next().unwrap_or(&[]);
        let pixel = pixel.get(first..).unwrap_or(&[]);
        // Whole words, if the map starts on one.
        let words = pixel.get(..channels).filter(|_| fours);
        if let Some(words) = words.and_then(|bytes| <[u32]>::ref_from_bytes(bytes).ok()) {
            for &word in words {
                let mut word = u32::from_le(word);
                let mut at = offset;
                while word != 0 {
                    if word & 0xff != 0 {
                        add(word & 0xff, at, &mut lists);
                    }
                    word >>= 8;
                    at = at.wrapping_add(row.height);
                }
                offset = offset.wrapping_add(4 * row.height);
            }
        } else {
            for &code in pixel.iter().step_by(step.max(1)).take(channels) {
                if code != 0 {
                    add(u32::from(code), offset, &mut lists);
                }
                offset = offset.wrapping_add(row.height);
            }
        }
    }
    for list in &mut lists {
        list.mark(shape.width);
    }
}
