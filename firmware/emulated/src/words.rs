//! Language models: tokens from a file, answers to a file.

use pg_app::{AudioSource, Clock, Sink};
use pg_runtime::engine::Engine;
use pg_runtime::error::EngineError;
use pg_runtime::image::Image;
use zerocopy::IntoBytes;

use crate::arch::Counter;
use crate::ending::{self, Failure, Trailer, instructions};
use crate::files::{Events, Outputs, Stream};
use crate::{Once, model, stack};

/// Words of the arena: 48 KB, for 300 units and some 8,000 tokens.
const ARENA: usize = 12 * 1024;
/// Tokens that are read at a time.
const CHUNK: usize = 32;

/// Memory of the application.
pub struct Memory {
    arena: [u32; ARENA],
    events: Events,
}

impl Memory {
    /// Zeroed memory, for a static.
    #[must_use]
    #[allow(clippy::new_ret_no_self)] // A static holds it once.
    pub const fn new() -> Once<Self> {
        Once::new(Self {
            arena: [0; ARENA],
            events: Events::new(),
        })
    }
}

/// Why the application stopped.
#[derive(Clone, Copy, defmt::Format)]
enum Stopped {
    /// A record asks for detections: language models have no detector.
    NoDetector,
    /// The engine refused.
    Engine(EngineError),
}

/// Runs the language model on the tokens of `stream.bin` and ends the emulator:
/// exit code 0, or 1 after an error, which is logged by name.
///
/// `hertz` is the frequency of the core's counter in the emulator.
pub fn run(memory: &'static Once<Memory>, hertz: u32) -> ! {
    stack::paint();
    ending::end(session(memory, hertz))
}

fn session(memory: &'static Once<Memory>, hertz: u32) -> Result<(), Failure<Stopped>> {
    let Memory { arena, events } = memory.take().ok_or(Failure::Taken)?;
    let mut clock = Counter::start(hertz).ok_or(Failure::Taken)?;
    let measured = ending::calibrate(&mut clock);
    let image = Image::parse_region(model::region()).map_err(Failure::Image)?;
    let mut stream = Stream::open().map_err(Failure::File)?;
    let mut outputs = Outputs::create(events).map_err(Failure::File)?;
    let stopped = |error| Failure::App(Stopped::Engine(error));
    let mut engine = Engine::new(&image, arena).map_err(stopped)?;
    if image.test_vector().is_some() {
        engine.self_test().map_err(stopped)?;
    }

    let mut trailer = Trailer::default();
    while let Some(record) = stream.next_record().map_err(Failure::File)? {
        if record.detect {
            return Err(Failure::App(Stopped::NoDetector));
        }
        if record.reset {
            engine.reset();
        }
        outputs.begin().map_err(Failure::File)?;
        let mut numbers = [0; CHUNK];
        loop {
            let count = stream.read(&mut numbers).map_err(Failure::File)?;
            let Some(tokens) = numbers.get(..count).filter(|t| !t.is_empty()) else {
                break;
            };
            for token in tokens {
                let start = clock.now();
                let output = engine.push_token(token.cast_unsigned()).map_err(stopped)?;
                trailer.engine += instructions(clock.now() - start, &clock);
                trailer.frames += 1;
                outputs
                    .frame(output.logits, output.posteriors)
                    .map_err(Failure::File)?;
            }
        }
        outputs.end().map_err(Failure::File)?;
        defmt::info!(
            "record {=u32}: the next word is {=str}",
            trailer.records,
            image.label(engine.output().class()),
        );
        trailer.records += 1;
    }
    let trailer = Trailer {
        frames: trailer.frames,
        records: trailer.records,
        engine: trailer.engine,
        arena_used: image.arena_bytes() as u32,
        arena_size: (ARENA * size_of::<u32>()) as u32,
        image_crc32: image.crc32(),
        ..ending::trailer(&clock, measured)
    };
    outputs.write(trailer.as_bytes()).map_err(Failure::File)
}
