//! The loop: samples, features, network, detector, LED.

use embedded_hal::digital::OutputPin;
use pg_runtime::audio::{self, AudioParams, Frontend, HOP, MAX_BANDS, SAMPLE_RATE, WINDOW};
use pg_runtime::detector::{Detector, DetectorError, Event};
use pg_runtime::engine::Engine;
use pg_runtime::image::Image;

use crate::{AudioSource, Clock, Devices, Error, Record, Sink};

/// Frames that the LED stays lit after a detection: half a second.
const LED_FRAMES: u8 = 25;

/// Buffers of the application, in a static where the stack is small; about
/// 4.7 KB.
pub struct Workspace {
    frontend: Frontend,
    detector: Detector,
    /// Whether the image has settings for the detector.
    detects: bool,
    samples: [i16; HOP],
    codes: [i8; MAX_BANDS],
}

impl Workspace {
    /// Empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frontend: Frontend::new(),
            detector: Detector::idle(),
            detects: false,
            samples: [0; HOP],
            codes: [0; MAX_BANDS],
        }
    }
}

impl Workspace {
    /// Sets the image's detector up, if it has one.
    fn set_detector(&mut self, image: &Image<'_>) -> Result<(), DetectorError> {
        self.detects = image.detector().is_some();
        match image.detector() {
            Some(params) => self.detector.configure(params),
            None => Ok(()),
        }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

/// What happened until the source ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, defmt::Format)]
pub struct Report {
    /// Records read.
    pub records: u32,
    /// Frames computed.
    pub frames: u32,
    /// Words detected.
    pub events: u32,
    /// Ticks in the front-end, quantisation to input codes included.
    pub frontend: u64,
    /// Ticks in the engine.
    pub engine: u64,
    /// Ticks in everything else: source, sink, detector, LED, log.
    pub other: u64,
}

type Failure<S, O> = Error<<S as AudioSource>::Error, <O as Sink>::Error>;

/// Spots keywords until the source ends.
///
/// `arena` holds the network's state and must have `image.arena_bytes()`
/// bytes.
///
/// # Errors
/// [`Error`] names what stopped it; what was computed before is in the sink.
pub fn run<S: AudioSource, O: Sink, L: OutputPin, C: Clock>(
    image: &Image<'_>,
    arena: &mut [u32],
    work: &mut Workspace,
    devices: &mut Devices<S, O, L, C>,
) -> Result<Report, Failure<S, O>> {
    let audio = image.audio().ok_or(Error::NoAudio)?;
    let given = size_of_val(arena);
    let mut engine = Engine::new(image, arena).map_err(Error::Engine)?;
    if image.test_vector().is_some() {
        engine.self_test().map_err(Error::Engine)?;
    }
    work.set_detector(image).map_err(Error::Detector)?;
    defmt::info!(
        "model {=u32:08x}: {=usize} inputs, {=usize} classes, {=usize} of {=usize} arena bytes",
        image.crc32(),
        image.input_len(),
        image.classes(),
        image.arena_bytes(),
        given,
    );
    for (index, label) in image.labels().enumerate() {
        defmt::info!("label {=usize}: {=str}", index, label);
    }

    let start = devices.clock.now();
    let mut spotter = Spotter {
        image,
        audio,
        engine,
        devices,
        lit: 0,
        report: Report::default(),
    };
    spotter.led(false)?;
    while let Some(record) = spotter
        .devices
        .source
        .next_record()
        .map_err(Error::Source)?
    {
        spotter.record(record, work)?;
    }
    spotter.led(false)?;

    let mut report = spotter.report;
    let total = devices.clock.now().wrapping_sub(start);
    report.other = total.saturating_sub(report.frontend + report.engine);
    defmt::info!(
        "{=u32} records, {=u32} frames, {=u32} detections",
        report.records,
        report.frames,
        report.events,
    );
    Ok(report)
}

/// State of the loop.
struct Spotter<'r, 'm, 'a, S, O, L, C> {
    image: &'r Image<'m>,
    audio: AudioParams<'m>,
    engine: Engine<'m, 'a>,
    devices: &'r mut Devices<S, O, L, C>,
    /// Frames until the LED goes out.
    lit: u8,
    report: Report,
}

impl<S: AudioSource, O: Sink, L: OutputPin, C: Clock> Spotter<'_, '_, '_, S, O, L, C> {
    fn record(&mut self, record: Record, work: &mut Workspace) -> Result<(), Failure<S, O>> {
        if record.detect && !work.detects {
            return Err(Error::NoDetector);
        }
        if record.reset {
            work.frontend.reset();
            self.engine.reset();
            work.detector.reset();
        }
        self.report.records = self.report.records.wrapping_add(1);
        self.devices.sink.begin().map_err(Error::Sink)?;
        loop {
            let count = self
                .devices
                .source
                .read(&mut work.samples)
                .map_err(Error::Source)?;
            let Some(mut samples) = work.samples.get(..count).filter(|s| !s.is_empty()) else {
                break;
            };
            loop {
                let start = self.devices.clock.now();
                let logmel = work.frontend.push(&self.audio, &mut samples);
                let codes = logmel.and_then(|logmel| {
                    let codes = work.codes.get_mut(..logmel.len())?;
                    audio::quantise(&self.audio, logmel, codes);
                    Some(codes)
                });
                let middle = self.devices.clock.now();
                self.report.frontend += middle.wrapping_sub(start);
                let Some(codes) = codes else { break };
                let detector = record.detect.then_some(&mut work.detector);
                self.frame(codes, detector, middle)?;
            }
        }
        self.devices.sink.end().map_err(Error::Sink)
    }

    /// One frame of input codes; the engine is counted from `start`.
    fn frame(
        &mut self,
        codes: &[i8],
        detector: Option<&mut Detector>,
        start: u64,
    ) -> Result<(), Failure<S, O>> {
        let output = self.engine.push(codes).map_err(Error::Engine)?;
        let end = self.devices.clock.now();
        self.report.engine += end.wrapping_sub(start);
        self.report.frames = self.report.frames.wrapping_add(1);
        self.devices
            .sink
            .frame(output.logits, output.posteriors)
            .map_err(Error::Sink)?;

        if let Some(event) = detector.and_then(|detector| detector.push(output.posteriors)) {
            self.event(event)
        } else if self.lit == 1 {
            self.led(false)
        } else {
            self.lit = self.lit.saturating_sub(1);
            Ok(())
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Failure<S, O>> {
        self.report.events = self.report.events.wrapping_add(1);
        defmt::info!(
            "{=u64:ms} s: {=str}, score {=u16} / 32768",
            frame_end_ms(event.frame),
            self.image.label(usize::from(event.label)),
            event.score,
        );
        self.devices.sink.event(event).map_err(Error::Sink)?;
        self.led(true)
    }

    fn led(&mut self, on: bool) -> Result<(), Failure<S, O>> {
        let pin = &mut self.devices.led;
        self.lit = if on { LED_FRAMES } else { 0 };
        if on { pin.set_high() } else { pin.set_low() }.map_err(|_| Error::Led)
    }
}

/// Milliseconds from the last reset to the end of a frame.
fn frame_end_ms(frame: u32) -> u64 {
    let samples = WINDOW as u64 + u64::from(frame) * HOP as u64;
    samples * 1000 / u64::from(SAMPLE_RATE)
}
