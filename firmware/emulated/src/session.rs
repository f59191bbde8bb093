//! One run of the application in the emulator.

use embedded_hal::digital::OutputPin;
use pg_app::{Devices, Report, Workspace};
use pg_runtime::image::Image;
use zerocopy::IntoBytes;

use crate::arch::Counter;
use crate::ending::{self, Failure, Trailer, instructions};
use crate::files::{Events, FileError, Outputs, Stream};
use crate::{Once, model, stack};

/// Why the application stopped.
type Stopped = pg_app::Error<FileError, FileError>;

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
    ending::end(session(memory, hertz, led))
}

fn session<const WORDS: usize>(
    memory: &'static Once<Memory<WORDS>>,
    hertz: u32,
    led: impl OutputPin,
) -> Result<(), Failure<Stopped>> {
    let Memory {
        arena,
        work,
        events,
    } = memory.take().ok_or(Failure::Taken)?;
    let mut clock = Counter::start(hertz).ok_or(Failure::Taken)?;
    let measured = ending::calibrate(&mut clock);
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
        frames,
        frontend: instructions(frontend, clock),
        engine: instructions(engine, clock),
        other: instructions(other, clock),
        arena_used: image.arena_bytes() as u32,
        arena_size: (WORDS * size_of::<u32>()) as u32,
        detections,
        image_crc32: image.crc32(),
        records,
        ..ending::trailer(clock, measured)
    };
    devices
        .sink
        .write(trailer.as_bytes())
        .map_err(Failure::File)
}
