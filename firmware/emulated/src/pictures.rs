//! Image networks: pictures from a file, answers to a file.

use pg_app::Clock;
use pg_runtime::engine::Engine;
use pg_runtime::error::EngineError;
use pg_runtime::image::Image;
use zerocopy::IntoBytes;

use crate::arch::Counter;
use crate::ending::{self, Failure, Trailer, instructions};
use crate::files::{Events, Outputs, Pictures};
use crate::{Once, model, stack};
use pg_app::Sink;

/// Words of the arena: 176 KB.
const ARENA: usize = 44 * 1024;
/// Codes of the largest picture, 96 x 96 in colour.
const INPUT: usize = 96 * 96 * 3;
/// Bytes of a picture that are read at a time.
const CHUNK: usize = 192;

/// Memory of the application.
pub struct Memory {
    arena: [u32; ARENA],
    codes: [i8; INPUT],
    events: Events,
}

impl Memory {
    /// Zeroed memory, for a static.
    #[must_use]
    #[allow(clippy::new_ret_no_self)] // A static holds it once.
    pub const fn new() -> Once<Self> {
        Once::new(Self {
            arena: [0; ARENA],
            codes: [0; INPUT],
            events: Events::new(),
        })
    }
}

/// Why the application stopped.
#[derive(Clone, Copy, defmt::Format)]
enum Stopped {
    /// The image is not of an image network, or does not say what pixels mean.
    NotPictures,
    /// A picture has more codes than this firmware has memory for.
    TooLarge {
        /// Codes of a picture.
        codes: u32,
    },
    /// The engine refused.
    Engine(EngineError),
}

/// Runs the image network on the pictures of `pictures.bin` and ends the
/// emulator: exit code 0, or 1 after an error, which is logged by name.
///
/// `hertz` is the frequency of the core's counter in the emulator.
pub fn run(memory: &'static Once<Memory>, hertz: u32) -> ! {
    stack::paint();
    ending::end(session(memory, hertz))
}

fn session(memory: &'static Once<Memory>, hertz: u32) -> Result<(), Failure<Stopped>> {
    let Memory {
        arena,
        codes,
        events,
    } = memory.take().ok_or(Failure::Taken)?;
    let mut clock = Counter::start(hertz).ok_or(Failure::Taken)?;
    let measured = ending::calibrate(&mut clock);
    let image = Image::parse_region(model::region()).map_err(Failure::Image)?;
    let pixels = image.graph().and_then(|graph| graph.pixels());
    let pixels = pixels.ok_or(Failure::App(Stopped::NotPictures))?;
    let length = image.input_len();
    let too_large = Failure::App(Stopped::TooLarge {
        codes: length as u32,
    });
    let codes = codes.get_mut(..length).ok_or(too_large)?;
    let mut pictures = Pictures::open().map_err(Failure::File)?;
    let mut outputs = Outputs::create(events).map_err(Failure::File)?;
    let stopped = |error| Failure::App(Stopped::Engine(error));
    let mut engine = Engine::new(&image, arena).map_err(stopped)?;

    // Whole pixels at a time.
    let chunk = CHUNK / pixels.norm().len().max(1) * pixels.norm().len();
    let mut trailer = Trailer::default();
    'pictures: loop {
        let mut front = 0;
        for codes in codes.chunks_mut(chunk.max(1)) {
            let mut bytes = [0; CHUNK];
            let bytes = bytes.get_mut(..codes.len()).unwrap_or(&mut []);
            if !pictures.read(bytes).map_err(Failure::File)? {
                break 'pictures;
            }
            let start = clock.now();
            pixels.encode(bytes, codes);
            front += clock.now() - start;
        }
        let start = clock.now();
        let output = engine.push(codes).map_err(stopped)?;
        let end = clock.now();
        trailer.frontend += instructions(front, &clock);
        trailer.engine += instructions(end - start, &clock);
        trailer.frames += 1;
        let class = output.class();
        defmt::info!(
            "picture {=u32}: {=str}, {=u32} of 1000",
            trailer.records,
            image.label(class),
            u32::from(output.posteriors.get(class).copied().unwrap_or(0)) * 1000 / 32768,
        );
        trailer.records += 1;
        outputs.begin().map_err(Failure::File)?;
        outputs
            .frame(output.logits, output.posteriors)
            .map_err(Failure::File)?;
        outputs.end().map_err(Failure::File)?;
    }
    let trailer = Trailer {
        frames: trailer.frames,
        records: trailer.records,
        frontend: trailer.frontend,
        engine: trailer.engine,
        arena_used: image.arena_bytes() as u32,
        arena_size: (ARENA * size_of::<u32>()) as u32,
        image_crc32: image.crc32(),
        ..ending::trailer(&clock, measured)
    };
    outputs.write(trailer.as_bytes()).map_err(Failure::File)
}
