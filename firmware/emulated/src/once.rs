//! A static that is borrowed mutably, once.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A static buffer, initialised at build time and handed out once.
///
/// Unlike `cortex_m::singleton!` the value never lies on the stack, which on
/// the smallest board would not hold it.
pub struct Once<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` hands out one reference in the life of the program, so the
// value is never shared; it may move to another context when T may.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    /// A value that nobody has taken yet.
    pub const fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value the first time, `None` after that.
    #[expect(clippy::mut_from_ref, reason = "handed out once")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        // Load and store instead of a swap, which Armv6-M does not have.
        let first = critical_section::with(|_| {
            let first = !self.taken.load(Ordering::Relaxed);
            self.taken.store(true, Ordering::Relaxed);
            first
        });
        // SAFETY: `first` is true for one caller only, and nothing else
        // reaches into the cell.
        first.then(|| unsafe { &mut *self.value.get() })
    }
}
