//! The application on the host, with a handmade model of one dense layer.

extern crate std;

use core::convert::Infallible;
use std::vec::Vec;

use embedded_hal::digital::{ErrorType, OutputPin};
use pg_runtime::audio::{BandNorm, HOP, MelBin, SAMPLE_RATE, WINDOW};
use pg_runtime::detector::{DetectorParams, Event};
use pg_runtime::error::EngineError;
use pg_runtime::image::record::{
    AudioRecord, HEADER_BYTES, Header, LAYER_BYTES, LayerRecord, MAGIC, OLDEST_VERSION, kind,
};
use pg_runtime::image::{Image, checksum};
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layout::WeightBits;
use pg_runtime::quant::Requant;
use zerocopy::IntoBytes;

use crate::{AudioSource, Clock, Devices, Error, Record, Report, Sink, Workspace, run};

/// Bytes at a multiple of 4, as the runtime wants them.
struct Bytes(Vec<u32>, usize);

impl Bytes {
    fn get(&self) -> &[u8] {
        &self.0.as_bytes()[..self.1]
    }
}

/// One band in; "quiet" falls and "loud" rises with its energy.
fn model(detector: bool) -> Bytes {
    let unit = Requant {
        mult: 1 << 14,
        pre: 0,
        post: 14,
    };
    let mut bytes = std::vec![0; usize::from(HEADER_BYTES) + LAYER_BYTES];
    let mut section = |data: &[u8]| {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let offset = bytes.len() as u32;
        bytes.extend_from_slice(data);
        offset
    };
    let labels = b"\x05quiet\x04loud";
    let audio = AudioRecord {
        sample_rate: SAMPLE_RATE,
        window: WINDOW as u16,
        hop: HOP as u16,
        first_bin: 1,
        bins: 2,
        bands: 1,
        code_limit: 127,
        ..AudioRecord::default()
    };
    let filters = [MelBin {
        band: 0,
        reserved: 0,
        weight: 1 << 15,
    }; 2];
    // Code 0 at 2^20, where a full octave is 16 codes.
    let norm = BandNorm {
        offset: 20 << 8,
        requant: Requant {
            mult: 1 << 14,
            pre: 0,
            post: 18,
        },
        reserved: 0,
    };
    let params = DetectorParams {
        threshold: 24_000,
        release: 12_000,
        background: 1,
        smooth: 2,
        refractory: 5,
        ..DetectorParams::default()
    };
    let mut header = Header {
        magic: MAGIC,
        version: OLDEST_VERSION,
        header_bytes: HEADER_BYTES,
        layer_count: 1,
        layer_table: u32::from(HEADER_BYTES),
        labels: section(labels),
        label_bytes: labels.len() as u32,
        audio: section(audio.as_bytes()),
        ..Header::default()
    };
    section(filters.as_bytes());
    section(norm.as_bytes());
    if detector {
        header.detector = section(params.as_bytes());
    }
    // Two rows of one weight.
    let target = Selected::TARGET;
    let mut rows = std::vec![0_u32; target.row_words(WeightBits::Eight, 2, 1)];
    target.encode_rows(WeightBits::Eight, &[-8, 8], 1, &mut rows);
    header.target = target as u16;
    let layer = LayerRecord {
        kind: kind::DENSE,
        bits: 8,
        msb_bits: 8,
        signed: 1,
        inputs: 1,
        outputs: 2,
        rows: section(rows.as_bytes()),
        row_sum: 8,
        bias: section([0_i32; 2].as_bytes()),
        requant: section([unit; 2].as_bytes()),
        ..LayerRecord::default()
    };
    let table = usize::from(HEADER_BYTES);
    bytes[table..table + LAYER_BYTES].copy_from_slice(layer.as_bytes());
    header.total_bytes = bytes.len() as u32;

    let length = bytes.len();
    let mut words = std::vec![0_u32; length.div_ceil(4)];
    words.as_mut_bytes()[..length].copy_from_slice(&bytes);
    let plan = Image::plan_of(&words.as_bytes()[..length], &header).unwrap();
    header.arena_bytes = plan.arena_bytes();
    header.state_bytes = plan.state_bytes();
    let head = usize::from(HEADER_BYTES);
    words.as_mut_bytes()[..head].copy_from_slice(header.as_bytes());
    header.crc32 = checksum(&words.as_bytes()[..length]).unwrap();
    words.as_mut_bytes()[..head].copy_from_slice(header.as_bytes());
    Bytes(words, length)
}

/// Records from memory, `chunk` samples at a time.
struct Memory {
    records: Vec<(Record, Vec<i16>)>,
    at: usize,
    chunk: usize,
}

impl AudioSource for Memory {
    type Error = Infallible;

    fn next_record(&mut self) -> Result<Option<Record>, Infallible> {
        if self.records.is_empty() {
            return Ok(None);
        }
        self.at = 0;
        Ok(Some(self.records[0].0))
    }

    fn read(&mut self, samples: &mut [i16]) -> Result<usize, Infallible> {
        let rest = &self.records[0].1[self.at..];
        let count = rest.len().min(self.chunk).min(samples.len());
        samples[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if count == 0 {
            self.records.remove(0);
        }
        Ok(count)
    }
}

#[derive(Default, Debug, PartialEq)]
struct Outputs {
    open: bool,
    frames: Vec<(Vec<i16>, Vec<u16>)>,
    events: Vec<Event>,
}

impl Sink for &mut Outputs {
    type Error = Infallible;

    fn begin(&mut self) -> Result<(), Infallible> {
        assert!(!self.open);
        self.open = true;
        Ok(())
    }

    fn frame(&mut self, logits: &[i16], posteriors: &[u16]) -> Result<(), Infallible> {
        assert!(self.open);
        self.frames.push((logits.to_vec(), posteriors.to_vec()));
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), Infallible> {
        self.events.push(event);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Infallible> {
        assert!(self.open);
        self.open = false;
        Ok(())
    }
}

/// Remembers every switch.
#[derive(Default)]
struct Led(Vec<bool>);

impl ErrorType for &mut Led {
    type Error = Infallible;
}

impl OutputPin for &mut Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.push(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.push(true);
        Ok(())
    }
}

/// One tick per reading.
struct Ticks(u64);

impl Clock for Ticks {
    fn now(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

type Outcome = Result<Report, Error<Infallible, Infallible>>;

fn spot(model: &Bytes, records: &[(Record, Vec<i16>)], chunk: usize) -> (Outcome, Outputs, Led) {
    let image = Image::parse(model.get()).unwrap();
    let mut arena = std::vec![0; image.arena_bytes() / 4];
    let (mut sink, mut led) = (Outputs::default(), Led::default());
    let mut devices = Devices {
        source: Memory {
            records: records.to_vec(),
            at: 0,
            chunk,
        },
        sink: &mut sink,
        led: &mut led,
        clock: Ticks(0),
    };
    let outcome = run(&image, &mut arena, &mut Workspace::new(), &mut devices);
    (outcome, sink, led)
}

/// A 40 Hz tone from 0.5 to 0.8 s in two seconds of silence.
fn knock() -> Vec<i16> {
    let samples = 2 * SAMPLE_RATE as usize;
    let tone = |i: usize| {
        if (i / 200).is_multiple_of(2) {
            8000
        } else {
            -8000
        }
    };
    let loud = samples / 4..samples * 2 / 5;
    (0..samples)
        .map(|i| if loud.contains(&i) { tone(i) } else { 0 })
        .collect()
}

const DETECT: Record = Record {
    reset: true,
    detect: true,
};

#[test]
fn a_word_is_one_event_and_lights_the_led_for_half_a_second() {
    let (outcome, outputs, led) = spot(&model(true), &[(DETECT, knock())], 320);
    let report = outcome.unwrap();
    assert_eq!(report.frames, 99);
    assert_eq!(outputs.frames.len(), 99);
    assert_eq!(outputs.events.len(), 1);
    assert_eq!(outputs.events[0].label, 1);
    assert!((23..30).contains(&outputs.events[0].frame));
    assert_eq!(led.0, [false, true, false, false]);
    assert!(report.frontend > 0 && report.engine > 0 && report.other > 0);
}

#[test]
fn outputs_do_not_depend_on_the_chunks_nor_on_where_records_are_cut() {
    let model = model(true);
    let (_, expected, _) = spot(&model, &[(DETECT, knock())], 320);
    for chunk in [1, 77, 319, 5000] {
        let (_, outputs, _) = spot(&model, &[(DETECT, knock())], chunk);
        assert_eq!(outputs, expected);
    }
    let samples = knock();
    let (head, tail) = samples.split_at(9_001);
    let carried = Record {
        reset: false,
        detect: true,
    };
    let records = [(DETECT, head.to_vec()), (carried, tail.to_vec())];
    assert_eq!(spot(&model, &records, 320).1, expected);
}

#[test]
fn a_reset_forgets_everything() {
    let model = model(true);
    let (_, once, _) = spot(&model, &[(DETECT, knock())], 320);
    let (outcome, twice, _) = spot(&model, &[(DETECT, knock()), (DETECT, knock())], 320);
    assert_eq!(outcome.unwrap().records, 2);
    assert_eq!(twice.frames[..99], once.frames);
    assert_eq!(twice.frames[99..], once.frames);
    assert_eq!(twice.events[1], once.events[0]);
}

#[test]
fn no_detections_unless_asked_for() {
    let record = Record {
        reset: true,
        detect: false,
    };
    let (outcome, outputs, _) = spot(&model(true), &[(record, knock())], 320);
    assert_eq!(outcome.unwrap().events, 0);
    assert_eq!(outputs.frames.len(), 99);
}

#[test]
fn errors_have_names() {
    let (outcome, _, _) = spot(&model(false), &[(DETECT, knock())], 320);
    assert_eq!(outcome, Err(Error::NoDetector));

    let model = model(true);
    let image = Image::parse(model.get()).unwrap();
    let mut devices = Devices {
        source: Memory {
            records: Vec::new(),
            at: 0,
            chunk: 1,
        },
        sink: (),
        led: &mut Led::default(),
        clock: Ticks(0),
    };
    let needed = image.arena_bytes() as u32;
    let mut arena = std::vec![0; image.arena_bytes() / 4 - 1];
    let outcome = run(&image, &mut arena, &mut Workspace::new(), &mut devices);
    let given = needed - 4;
    assert_eq!(
        outcome,
        Err(Error::Engine(EngineError::ArenaTooSmall { needed, given }))
    );
}
