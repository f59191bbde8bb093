//! The word that makes a slot count.

/// Bytes of the word.
pub const BYTES: u32 = 4;

/// The word of a sequence number: the number, and its complement above.
#[must_use]
pub const fn word(sequence: u16) -> u32 {
    (!sequence as u32) << 16 | sequence as u32
}

/// The number of a word; `None` for erased flash and for a word whose
/// programming or erasing was cut off.
///
/// A pair of bits, one of the number and its partner in the complement, starts
/// as `11`, is programmed to `01` or `10`, and erased to `11` again. No pair of
/// a valid word can be reached from another valid pair in one direction.
#[must_use]
pub const fn sequence(word: u32) -> Option<u16> {
    let (number, complement) = (word as u16, (word >> 16) as u16);
    if number == !complement {
        Some(number)
    } else {
        None
    }
}

/// Whether `a` was given after `b`. Of two slots one is always the successor
/// of the other, so the numbers may wrap around.
#[must_use]
pub const fn newer(a: u16, b: u16) -> bool {
    (a.wrapping_sub(b) as i16) > 0
}

#[cfg(test)]
mod tests {
    use super::{newer, sequence, word};

    #[test]
    fn numbers_come_back_and_wrap_around() {
        for number in 0..=u16::MAX {
            let next = number.wrapping_add(1);
            assert_eq!(sequence(word(number)), Some(number));
            assert!(newer(next, number) && !newer(number, next));
        }
    }

    #[test]
    fn no_part_of_programming_or_erasing_counts() {
        assert_eq!(sequence(u32::MAX), None);
        for number in [0, 1, 0x00FF, 0x5555, 0x8001, u16::MAX] {
            let word = word(number);
            // Every set of the word's zeros that may still, or again, be ones.
            let (zeros, mut ones) = (!word, !word);
            while ones != 0 {
                assert_eq!(sequence(word | ones), None, "{number:#x}, {ones:#x}");
                ones = (ones - 1) & zeros;
            }
            assert_eq!(sequence(word), Some(number));
        }
    }
}
