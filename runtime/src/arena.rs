//! Carving typed slices out of one block of words, without `unsafe`.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Words that `count` elements of `T` occupy, each slice starting on a word.
pub(crate) const fn words_of<T>(count: usize) -> usize {
    (count * size_of::<T>()).div_ceil(4)
}

/// Takes `count` elements from the front of `rest`.
///
/// An empty slice where `rest` is too short or `T` is not word-aligned: the
/// memory plan rules both out, and a total function cannot panic.
pub(crate) fn take<'a, T>(rest: &mut &'a mut [u32], count: usize) -> &'a mut [T]
where
    T: FromBytes + IntoBytes + Immutable,
{
    let all = core::mem::take(rest);
    let Some((head, tail)) = all.split_at_mut_checked(words_of::<T>(count)) else {
        return &mut [];
    };
    *rest = tail;
    let bytes = head.as_mut_bytes();
    let bytes = bytes.get_mut(..count * size_of::<T>()).unwrap_or(&mut []);
    <[T]>::mut_from_bytes(bytes).unwrap_or(&mut [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_disjoint_and_sized() {
        let mut words = [0u32; 8];
        let mut rest = &mut words[..];
        let a = take::<i8>(&mut rest, 5);
        let b = take::<i16>(&mut rest, 3);
        let c = take::<i32>(&mut rest, 4);
        assert_eq!((a.len(), b.len(), c.len(), rest.len()), (5, 3, 4, 0));
        a.fill(-1);
        b.fill(2);
        assert_eq!(c, [0; 4]);
        assert!(take::<i8>(&mut rest, 1).is_empty());
    }
}
