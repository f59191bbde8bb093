//! How a run begins, is counted and ends, whatever the application.

use defmt::Format;
use pg_app::Clock;
use pg_runtime::error::ImageError;
use semihosting::process;
use zerocopy::{Immutable, IntoBytes};

use crate::arch::{self, Counter};
use crate::files::FileError;
use crate::stack;

/// Exit codes beside those of [`crate::fault`].
const SUCCESS: i32 = 0;
const FAILURE: i32 = 1;

/// Iterations of the loop of known length; two instructions each.
const CALIBRATION: u32 = 100_000;

/// What ends a run.
#[derive(Clone, Copy, Format)]
pub(crate) enum Failure<E> {
    /// No usable model image at the board's model address.
    Image(ImageError),
    /// `stream.bin` or `outputs.bin` cannot be opened, or not be written.
    File(FileError),
    /// The application stopped.
    App(E),
    /// The stack came to its end: enlarge STACK in the board's memory.x.
    StackExhausted {
        /// Bytes of stack.
        size: u32,
    },
    /// A static or the counter was taken twice.
    Taken,
}

/// Trailer of `outputs.bin`, see PROTOCOL.md.
#[derive(Default, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Trailer {
    pub magic: [u8; 4],
    pub frames: u32,
    pub frontend: u64,
    pub engine: u64,
    pub other: u64,
    pub peak_stack: u32,
    pub stack_size: u32,
    pub arena_used: u32,
    pub arena_size: u32,
    pub counter_hertz: u32,
    pub calibration_expected: u32,
    pub calibration_measured: u32,
    pub detections: u32,
    pub image_crc32: u32,
    pub records: u32,
}

const _: () = assert!(size_of::<Trailer>() == 72, "PROTOCOL.md says 72 bytes");

/// Ends the emulator: exit code 0, or 1 after an error, which is logged by name.
pub(crate) fn end<E: Format>(mut result: Result<(), Failure<E>>) -> ! {
    // Whatever the session says then, it cannot be believed.
    if stack::exhausted() {
        result = Err(Failure::StackExhausted {
            size: stack::size() as u32,
        });
    }
    process::exit(match result {
        Ok(()) => SUCCESS,
        Err(failure) => {
            defmt::error!("{}", failure);
            FAILURE
        }
    })
}

/// Counts the loop of known length; says so if the count is wrong.
pub(crate) fn calibrate(clock: &mut Counter) -> u64 {
    let start = clock.now();
    arch::known_loop(CALIBRATION);
    let measured = instructions(clock.now() - start, clock);
    let expected = u64::from(2 * CALIBRATION);
    if measured.abs_diff(expected) > expected / 100 {
        defmt::warn!(
            "{=u64} instructions counted as {=u64}: start QEMU with -icount shift=0",
            expected,
            measured,
        );
    }
    measured
}

/// What is known of the board when a run ends.
pub(crate) fn trailer(clock: &Counter, measured: u64) -> Trailer {
    Trailer {
        magic: *b"STAT",
        peak_stack: stack::peak() as u32,
        stack_size: stack::size() as u32,
        counter_hertz: clock.hertz(),
        calibration_expected: 2 * CALIBRATION,
        calibration_measured: measured as u32,
        ..Trailer::default()
    }
}

/// Instructions in `ticks`: the virtual clock makes 10^9 of them a second.
pub(crate) fn instructions(ticks: u64, clock: &Counter) -> u64 {
    let hertz = u64::from(clock.hertz());
    // In two steps: the product of the first factor alone could overflow.
    ticks / hertz * 1_000_000_000 + ticks % hertz * 1_000_000_000 / hertz
}
