//! Operands as a well-made caller lays them out.

use std::ops::{Deref, DerefMut};

/// Numbers that start at a line of the cache.
pub struct Aligned<T> {
    numbers: Vec<T>,
    skip: usize,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    pub fn new(numbers: &[T]) -> Self {
        let mut all = vec![T::default(); numbers.len() + 64 / size_of::<T>()];
        let skip = all.as_ptr().align_offset(64);
        all[skip..][..numbers.len()].copy_from_slice(numbers);
        Self {
            numbers: all,
            skip,
            length: numbers.len(),
        }
    }

    pub fn zeros(count: usize) -> Self {
        Self::new(&vec![T::default(); count])
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[self.skip..][..self.length]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.numbers[self.skip..][..self.length]
    }
}
