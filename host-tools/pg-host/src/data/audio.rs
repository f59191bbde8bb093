//! Reading and writing clips: 16 kHz, one channel, 16-bit, WAV or FLAC.
//!
//! Nothing is resampled or mixed down behind the user's back: another format is
//! an error that says which command converts it, so that a figure always comes
//! from the samples in the file.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use flac_codec::encode::{FlacSampleWriter, Options};
use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::default::{codecs::FlacDecoder, formats::FlacReader};

/// Samples per second that every clip has.
pub const SAMPLE_RATE: u32 = 16_000;

/// Longest clip that is read: four hours. A few bytes of a damaged file can claim
/// any length; this bounds the memory that they can ask for.
pub const MAX_SAMPLES: usize = 4 * 3600 * SAMPLE_RATE as usize;

/// A clip that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// The file could not be read at all.
    #[error("cannot read clip {path}: check that the path is right and readable")]
    Read {
        /// The clip.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No bytes, or a header with no samples after it.
    #[error("clip {path} is empty: it holds no samples; record or fetch it again")]
    Empty {
        /// The clip.
        path: PathBuf,
    },
    /// Neither a WAV nor a FLAC file.
    #[error("clip {path} is neither WAV nor FLAC; convert it: {}", convert(path))]
    Unknown {
        /// The clip.
        path: PathBuf,
    },
    /// Damaged: what the decoder found, or fewer samples than the header promises.
    #[error("clip {path} is corrupt ({reason}); record or fetch it again")]
    Corrupt {
        /// The clip.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A WAV or FLAC file with another rate, channel count or sample size.
    #[error(
        "clip {path} has {rate} Hz, {channels} channel(s), {bits}-bit {kind}; \
         16000 Hz, 1 channel, 16-bit integer is needed; convert it: {}",
        convert(path)
    )]
    Format {
        /// The clip.
        path: PathBuf,
        /// Samples per second.
        rate: u32,
        /// Channels.
        channels: u16,
        /// Bits per sample.
        bits: u16,
        /// `integer` or `float`.
        kind: &'static str,
    },
    /// More than [`MAX_SAMPLES`].
    #[error("clip {path} is longer than {} hours; cut it into parts", MAX_SAMPLES / 3600 / SAMPLE_RATE as usize)]
    TooLong {
        /// The clip.
        path: PathBuf,
    },
}

fn convert(path: &Path) -> String {
    let out = path.with_extension("16k.wav");
    format!(
        "ffmpeg -i {} -ar 16000 -ac 1 -sample_fmt s16 {}",
        path.display(),
        out.display()
    )
}

/// Reads a WAV or FLAC clip: 16 kHz, one channel, 16-bit.
///
/// The format is taken from the file's first bytes, not from its name. The number of
/// samples is checked against the header, and in FLAC the samples against their MD5.
///
/// # Errors
/// [`ClipError`].
pub fn read_clip(path: &Path) -> Result<Vec<i16>, ClipError> {
    let bytes = std::fs::read(path).map_err(|source| ClipError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    decode_clip(path, &bytes)
}

/// [`read_clip`] of a file that is already in memory; `path` is for messages.
///
/// # Errors
/// [`ClipError`], except `Read`.
pub fn decode_clip(path: &Path, bytes: &[u8]) -> Result<Vec<i16>, ClipError> {
    let owned = || path.to_path_buf();
    let samples = match bytes.get(..4) {
        Some(b"fLaC") => decode_flac(path, bytes)?,
        Some(b"RIFF") => decode_wav(path, bytes)?,
        _ if bytes.is_empty() => return Err(ClipError::Empty { path: owned() }),
        _ => return Err(ClipError::Unknown { path: owned() }),
    };
    if samples.is_empty() {
        return Err(ClipError::Empty { path: owned() });
    }
    Ok(samples)
}

fn check_format(
    path: &Path,
    rate: u32,
    channels: u16,
    bits: u16,
    kind: &'static str,
) -> Result<(), ClipError> {
    if (rate, channels, bits, kind) == (SAMPLE_RATE, 1, 16, "integer") {
        return Ok(());
    }
    Err(ClipError::Format {
        path: path.to_path_buf(),
        rate,
        channels,
        bits,
        kind,
    })
}

fn corrupt(path: &Path, reason: impl std::fmt::Display) -> ClipError {
    ClipError::Corrupt {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}

fn decode_flac(path: &Path, bytes: &[u8]) -> Result<Vec<i16>, ClipError> {
    let damaged = |e: symphonia::core::errors::Error| corrupt(path, e);
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut reader = FlacReader::try_new(source, FormatOptions::default()).map_err(damaged)?;
    let track = reader.default_track(TrackType::Audio);
    let Some(Some(CodecParameters::Audio(params))) = track.map(|t| &t.codec_params) else {
        return Err(corrupt(path, "no sound in the file"));
    };
    let promised = track.and_then(|t| t.num_frames);
    let channels = params.channels.as_ref().map_or(0, Channels::count);
    check_format(
        path,
        params.sample_rate.unwrap_or(0),
        // The format allows at most 8 channels and 32 bits.
        channels as u16,
        params.bits_per_sample.unwrap_or(0) as u16,
        "integer",
    )?;
    let options = AudioDecoderOptions::default().verify(true);
    let mut decoder = FlacDecoder::try_new(params, &options).map_err(damaged)?;
    let mut samples = Vec::new();
    let mut block: Vec<i32> = Vec::new();
    while let Some(packet) = reader.next_packet().map_err(damaged)? {
        let decoded = decoder.decode(&packet).map_err(damaged)?;
        if samples.len() + decoded.frames() > MAX_SAMPLES {
            return Err(ClipError::TooLong {
                path: path.to_path_buf(),
            });
        }
        decoded.copy_to_vec_interleaved(&mut block);
        // Samples of any width arrive in the high bits of 32.
        samples.extend(block.iter().map(|&s| (s >> 16) as i16));
    }
    // The decoder passes over what is not a frame: only the count and the checksum
    // of all samples show that something is gone.
    if let Some(n) = promised
        && n != samples.len() as u64
    {
        let found = samples.len();
        return Err(corrupt(
            path,
            format_args!("{found} of {n} samples present"),
        ));
    }
    match decoder.finalize().verify_ok {
        Some(false) => Err(corrupt(path, "the checksum of the samples differs")),
        _ => Ok(samples),
    }
}

fn decode_wav(path: &Path, bytes: &[u8]) -> Result<Vec<i16>, ClipError> {
    let reader = hound::WavReader::new(bytes).map_err(|e| corrupt(path, e))?;
    let spec = reader.spec();
    let kind = match spec.sample_format {
        hound::SampleFormat::Int => "integer",
        hound::SampleFormat::Float => "float",
    };
    check_format(
        path,
        spec.sample_rate,
        spec.channels,
        spec.bits_per_sample,
        kind,
    )?;
    // The length is the header's claim; the bytes in hand bound it.
    if reader.len() as usize > bytes.len() / 2 {
        let reason = format!(
            "{} of {} samples present",
            bytes.len().saturating_sub(44) / 2,
            reader.len()
        );
        return Err(corrupt(path, reason));
    }
    if reader.len() as usize > MAX_SAMPLES {
        return Err(ClipError::TooLong {
            path: path.to_path_buf(),
        });
    }
    reader
        .into_samples::<i16>()
        .collect::<Result<_, _>>()
        .map_err(|e| corrupt(path, e))
}

/// Encodes 16 kHz mono samples as FLAC, as small as the encoder can.
///
/// `block` is the frame length in samples, 16 to 4608. Low bits that are zero in a
/// whole frame cost nothing (FLAC's "wasted bits").
///
/// # Errors
/// An empty clip, or a block length out of range.
pub fn encode_flac(samples: &[i16], block: u16) -> anyhow::Result<Vec<u8>> {
    use anyhow::{Context, ensure};
    ensure!(
        !samples.is_empty(),
        "a clip of no samples cannot be encoded"
    );
    let options = Options::best()
        .block_size(block)
        .context("block length out of range")?
        .no_padding()
        .no_seektable();
    let wide: Vec<i32> = samples.iter().map(|&s| i32::from(s)).collect();
    let mut out = Cursor::new(Vec::new());
    let total = Some(wide.len() as u64);
    let mut writer = FlacSampleWriter::new(&mut out, options, SAMPLE_RATE, 16, 1, total)?;
    writer.write(&wide)?;
    writer.finalize()?;
    Ok(out.into_inner())
}
