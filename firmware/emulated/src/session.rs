//! One run of the application in the emulator.

use embedded_hal::digital::OutputPin;
use pg_app::{Clock, Devices, Report, Workspace};
use pg_runtime::error::ImageError;
use pg_runtime::image::Image;
use semihosting::process;
use zerocopy::{Immutable, IntoBytes};

use crate::arch::{self, Counter};
use crate::files::{Events, FileError, Outputs, Stream};
use crate::{Once, model, stack};

/// Exit codes beside those of [`crate::fault`].
const SUCCESS: i32 = 0;
const FAILURE: i32 = 1;

/// Iterations of the loop of known length; two instructions each.
const CALIBRATION: u32 = 100_000;

/// Memory of the application: an arena of `WORDS` words and the buffers.
pub struct Memory<const WORDS: usize> {
    arena: [u32; WORDS],
    work: Workspace,
    events: Events,
}

impl<const WORDS: usize> Memory<WORDS> {
    /// Zeroed memory, for a static.
    #[must_use]
    pub const fn new() -> Once<Self> {
        Once::new(Self {
            arena: [0; WORDS],
            work: Workspace::new(),
            events: Events::new(),
        })
    }
}

/// What ends a run.
#[derive(Clone, Copy, defmt::Format)]
enum Failure {
    /// No usable model image at the board's model address.
    Image(ImageError),
    /// `stream.bin` or `outputs.bin` cannot be opened, or not be written.
    File(FileError),
    /// The application stopped.
    App(pg_app::Error<FileError, FileError>),
    /// The stack came to its end: enlarge STACK in the board's memory.x.
    StackExhausted {
        /// Bytes of stack.
        size: u32,
    },
    /// A static or the counter was taken twice.
    Taken,
}

/// Trailer of `outputs.bin`, see PROTOCOL.md.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Trailer {
    magic: [u8; 4],
    frames: u32,
    frontend: u64,
    engine: u64,
    other: u64,
    peak_stack: u32,
    stack_size: u32,
    arena_used: u32,
    arena_size: u32,
    counter_hertz: u32,
    calibration_expected: u32,
    calibration_measured: u32,
    detections: u32,
    image_crc32: u32,
    records: u32,
}

const _: () = assert!(size_of::<Trailer>() == 72, "PROTOCOL.md says 72 bytes");

/// Runs the application on `stream.bin` and ends the emulator: exit code 0,
/// or 1 after an error, which is logged by name.
///
/// `hertz` is the frequency of the core's counter in the emulator.
pub fn run<const WORDS: usize>(
    memory: &'static Once<Memory<WORDS>>,
    hertz: u32,
    led: impl OutputPin,
) -> ! {
    stack::paint();
    let mut result = session(memory, hertz, led);
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

fn session<const WORDS: usize>(
    memory: &'static Once<Memory<WORDS>>,
    hertz: u32,
    led: impl OutputPin,
) -> Result<(), Failure> {
    let Memory {
        arena,
        work,
        events,
    } = memory.take().ok_or(Failure::Taken)?;
    let mut clock = Counter::start(hertz).ok_or(Failure::Taken)?;
    let calibration = calibrate(&mut clock);
    let measured = instructions(calibration, &clock);
    let expected = u64::from(2 * CALIBRATION);
    if measured.abs_diff(expected) > expected / 100 {
        defmt::warn!(
            "{=u64} instructions counted as {=u64}: start QEMU with -icount shift=0",
            expected,
            measured,
        );
    }

    let image = Image::parse_region(model::region()).map_err(Failure::Image)?;
    let mut devices = Devices {
        source: Stream::open().map_err(Failure::File)?,
        sink: Outputs::create(events).map_err(Failure::File)?,
        led,
        clock,
    };
    let report = pg_app::run(&image, arena, work, &mut devices).map_err(Failure::App)?;
    let Report {
        records,
        frames,
        events: detections,
        frontend,
        engine,
        other,
    } = report;
    let clock = &devices.clock;
    let trailer = Trailer {
        magic: *b"STAT",
        frames,
        frontend: instructions(frontend, clock),
        engine: instructions(engine, clock),
        other: instructions(other, clock),
        peak_stack: stack::peak() as u32,
        stack_size: stack::size() as u32,
        arena_used: image.arena_bytes() as u32,
        arena_size: (WORDS * size_of::<u32>()) as u32,
        counter_hertz: clock.hertz(),
        calibration_expected: 2 * CALIBRATION,
        calibration_measured: measured as u32,
        detections,
        image_crc32: image.crc32(),
        records,
    };
    devices
        .sink
        .write(trailer.as_bytes())
        .map_err(Failure::File)
}

/// Ticks of the loop of known length.
fn calibrate(clock: &mut Counter) -> u64 {
    let start = clock.now();
    arch::known_loop(CALIBRATION);
    clock.now() - start
}

/// Instructions in `ticks`: the virtual clock makes 10^9 of them a second.
fn instructions(ticks: u64, clock: &Counter) -> u64 {
    let hertz = u64::from(clock.hertz());
    // In two steps: the product of the first factor alone could overflow.
    ticks / hertz * 1_000_000_000 + ticks % hertz * 1_000_000_000 / hertz
}
