//! Lays an image out. The result is parsed by the runtime before it is given
//! out, so what this writes and what `FORMAT.md` says cannot drift apart.

mod layers;
mod maps;

use super::ImageBytes;
use super::spec::{AudioSpec, ImageSpec, LayerSpec, TestSpec};
use anyhow::{Context, Result, ensure};
use pg_runtime::audio::{HOP, SAMPLE_RATE, WINDOW};
use pg_runtime::engine::Engine;
use pg_runtime::image::record::{
    AudioRecord, HEADER_BYTES, Header, LAYER_BYTES, MAGIC, OLDEST_VERSION, TestRecord, VERSION,
    kind,
};
use pg_runtime::image::{Image, checksum};
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layout::{Target, WeightBits};
use zerocopy::{Immutable, IntoBytes};

/// The bytes written so far, and whom they are for.
struct Writer {
    bytes: Vec<u8>,
    target: Target,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// Appends a section and returns its offset.
    fn section<T: IntoBytes + Immutable + ?Sized>(&mut self, align: usize, items: &T) -> u32 {
        self.align(align);
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(items.as_bytes());
        offset
    }

    /// Appends a row-major matrix as rows.
    fn rows(&mut self, bits: WeightBits, weights: &[i8], rows: usize, columns: usize) -> u32 {
        let mut words = vec![0; self.target.row_words(bits, rows, columns)];
        self.target.encode_rows(bits, weights, columns, &mut words);
        self.section(self.target.alignment(), words.as_slice())
    }

    /// Appends a row-major matrix as panels.
    fn panels(&mut self, bits: WeightBits, weights: &[i8], rows: usize, columns: usize) -> u32 {
        let mut bytes = vec![0; 4 * self.target.panel_words(bits, rows, columns)];
        self.target
            .encode_panels(bits, weights, columns, &mut bytes);
        self.section(self.target.alignment(), bytes.as_slice())
    }

    fn put(&mut self, offset: usize, record: &(impl IntoBytes + Immutable)) {
        let bytes = record.as_bytes();
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

/// Builds an image for a target, computes its memory plan and the answer to
/// its test vector, and validates the result.
///
/// # Errors
///
/// If a length does not match the widths, or the runtime refuses the result.
pub fn build(spec: &ImageSpec, target: Target) -> Result<ImageBytes> {
    let answer = if spec.test.is_empty() {
        0
    } else {
        // The answer does not depend on the layout: this build's can be run.
        let native = lay_out(spec, Selected::TARGET, 0)?;
        let image = native.image().context("the built image is refused")?;
        let mut arena = vec![0; image.arena_bytes() / 4];
        let vector = image.test_vector().context("no test vector")?;
        Engine::new(&image, &mut arena)?.output_checksum(vector.frames())
    };
    lay_out(spec, target, answer)
}

fn lay_out(spec: &ImageSpec, target: Target, answer: u32) -> Result<ImageBytes> {
    let mut w = Writer {
        bytes: vec![0; usize::from(HEADER_BYTES)],
        target,
    };
    let table = w.bytes.len();
    w.bytes.resize(table + spec.layers.len() * LAYER_BYTES, 0);
    let mut header = Header {
        magic: MAGIC,
        version: if spec.graph.is_some() {
            VERSION
        } else {
            OLDEST_VERSION
        },
        header_bytes: HEADER_BYTES,
        target: target as u16,
        layer_count: u16::try_from(spec.layers.len()).context("too many layers")?,
        layer_table: table as u32,
        ..Header::default()
    };

    let labels = encode_labels(&spec.labels)?;
    header.labels = w.section(4, labels.as_slice());
    header.label_bytes = labels.len() as u32;
    if let Some(audio) = &spec.audio {
        header.audio = write_audio(&mut w, audio)?;
    }
    if let Some(detector) = &spec.detector {
        header.detector = w.section(4, detector);
    }
    if !spec.test.is_empty() {
        let record = TestRecord {
            frames: u16::try_from(spec.test.len()).context("too many test frames")?,
            reserved: 0,
            crc32: answer,
        };
        header.test_vector = w.section(4, &record);
        match &spec.test {
            TestSpec::Frames(frames) => {
                for frame in frames {
                    w.section(1, frame.as_slice());
                }
            }
            TestSpec::Tokens(tokens) => {
                w.section(1, tokens.as_slice());
            }
        }
    }
    let mut places = Vec::new();
    for (i, layer) in spec.layers.iter().enumerate() {
        let record = match layer {
            LayerSpec::Map(l) => maps::write_layer(&mut w, l).map(|(record, place)| {
                places.push(place);
                record
            }),
            LayerSpec::Lstm(l) => layers::write_lstm(&mut w, l),
            LayerSpec::Dense(l) => layers::write_dense(&mut w, l),
            LayerSpec::Embedding(l) => layers::write_embedding(&mut w, l),
            LayerSpec::MeanPool(p) => layers::pool_record(kind::MEAN_POOL, *p, 0),
            LayerSpec::AttentionPool(p) => layers::pool_record(kind::ATTENTION_POOL, *p, 1),
        }
        .with_context(|| format!("layer {i}"))?;
        w.put(table + i * LAYER_BYTES, &record);
    }
    if let Some(graph) = &spec.graph {
        header.graph = maps::write_graph(&mut w, graph, &places)?;
    }
    w.align(4);
    finish(w, header)
}

/// Fills in the numbers that depend on the layers: memory plan and checksum.
fn finish(mut w: Writer, mut header: Header) -> Result<ImageBytes> {
    header.total_bytes = u32::try_from(w.bytes.len()).context("the image is over 4 GiB")?;
    let draft = ImageBytes::new(&w.bytes);
    let plan = Image::plan_of(draft.as_bytes(), &header).context("a layer is invalid")?;
    header.arena_bytes = plan.arena_bytes();
    header.state_bytes = plan.state_bytes();
    w.put(0, &header);
    header.crc32 = checksum(&w.bytes).context("shorter than a header")?;
    w.put(0, &header);
    let bytes = ImageBytes::new(&w.bytes);
    bytes
        .image_of_any_target()
        .context("the built image is refused")?;
    Ok(bytes)
}

fn width(n: usize) -> Result<u16> {
    u16::try_from(n).with_context(|| format!("{n} is beyond the format's 65,535"))
}

fn expect(what: &str, found: usize, expected: usize) -> Result<()> {
    ensure!(
        found == expected,
        "{what}: {found} given, {expected} expected"
    );
    Ok(())
}

fn encode_labels(labels: &[String]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for label in labels {
        let length = u8::try_from(label.len()).ok().filter(|&n| n > 0);
        out.push(length.with_context(|| format!("label {label:?} is empty or over 255 bytes"))?);
        out.extend_from_slice(label.as_bytes());
    }
    Ok(out)
}

fn write_audio(w: &mut Writer, audio: &AudioSpec) -> Result<u32> {
    let record = AudioRecord {
        sample_rate: SAMPLE_RATE,
        window: WINDOW as u16,
        hop: HOP as u16,
        first_bin: audio.first_bin,
        bins: width(audio.filters.len())?,
        bands: u8::try_from(audio.norm.len()).context("over 255 mel bands")?,
        code_limit: audio.code_limit,
        reserved: [0; 2],
    };
    let offset = w.section(4, &record);
    w.section(4, audio.filters.as_slice());
    w.section(4, audio.norm.as_slice());
    Ok(offset)
}
