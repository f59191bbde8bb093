//! The sections beside the layers: labels, audio, detector, test vector.

use super::Image;
use super::bytes::Bytes;
use super::record::{AudioRecord, TestRecord};
use crate::audio::{AudioParams, HOP, SAMPLE_RATE, WINDOW};
use crate::detector::DetectorParams;
use crate::error::ImageError;

/// Iterates over labels, each a length byte and UTF-8.
pub(super) struct Labels<'a>(&'a [u8]);

impl<'a> Labels<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (&length, rest) = self.0.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        self.0 = rest;
        core::str::from_utf8(label).ok()
    }
}

/// One non-empty label per class, and nothing after the last.
pub(super) fn check_labels(bytes: &[u8], classes: usize) -> Result<(), ImageError> {
    let mut labels = Labels(bytes);
    let mut count = 0;
    for label in labels.by_ref() {
        if label.is_empty() {
            return Err(ImageError::Labels);
        }
        count += 1;
    }
    if count == classes && labels.0.is_empty() {
        Ok(())
    } else {
        Err(ImageError::Labels)
    }
}

/// The audio section: its bands must be the input of the model.
pub(super) fn audio<'a>(
    bytes: Bytes<'a>,
    offset: u32,
    input_width: usize,
) -> Result<Option<AudioParams<'a>>, ImageError> {
    if offset == 0 {
        return Ok(None);
    }
    let r: AudioRecord = bytes.one(offset)?;
    let expected = AudioRecord {
        sample_rate: SAMPLE_RATE,
        window: WINDOW as u16,
        hop: HOP as u16,
        first_bin: r.first_bin,
        bins: r.bins,
        bands: r.bands,
        code_limit: r.code_limit,
        reserved: [0; 2],
    };
    if r != expected || usize::from(r.bands) != input_width {
        return Err(ImageError::Audio);
    }
    let filters = offset.saturating_add(size_of::<AudioRecord>() as u32);
    let norm = filters.saturating_add(4 * u32::from(r.bins));
    let params = AudioParams {
        bands: r.bands,
        code_limit: r.code_limit,
        first_bin: r.first_bin,
        filters: bytes.slice(filters, usize::from(r.bins))?,
        norm: bytes.slice(norm, usize::from(r.bands))?,
    };
    params.validate().map_err(|_| ImageError::Audio)?;
    Ok(Some(params))
}

/// The detector section.
pub(super) fn detector(
    bytes: Bytes<'_>,
    offset: u32,
    classes: usize,
) -> Result<Option<DetectorParams>, ImageError> {
    if offset == 0 {
        return Ok(None);
    }
    let params: DetectorParams = bytes.one(offset)?;
    match params.validate(classes) {
        Ok(()) => Ok(Some(params)),
        Err(_) => Err(ImageError::Detector),
    }
}

/// What a model is given for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'f> {
    /// A frame of [`Image::input_len`] codes.
    Codes(&'f [i8]),
    /// A token, below [`Image::tokens`].
    #[cfg(feature = "embedding")]
    Token(u16),
}

impl<'f> Input<'f> {
    /// The codes, if it is a frame of codes.
    pub(crate) const fn codes(self) -> Option<&'f [i8]> {
        match self {
            Self::Codes(codes) => Some(codes),
            #[cfg(feature = "embedding")]
            Self::Token(_) => None,
        }
    }
}

/// The built-in test vector: input frames or tokens, and the checksum of what
/// the model must answer.
#[derive(Clone, Copy, Debug)]
pub struct TestVector<'a> {
    count: usize,
    codes: &'a [i8],
    #[cfg(feature = "embedding")]
    tokens: &'a [u16],
    crc32: u32,
}

impl<'a> TestVector<'a> {
    /// The inputs, in order.
    pub fn frames(&self) -> impl Iterator<Item = Input<'a>> + use<'a> {
        let codes = self.codes;
        let frames = codes.chunks_exact((codes.len() / self.count.max(1)).max(1));
        let frames = frames.map(Input::Codes);
        #[cfg(feature = "embedding")]
        let frames = frames.chain(self.tokens.iter().map(|&token| Input::Token(token)));
        frames
    }

    /// CRC-32 over the outputs of every frame: logits, then posteriors.
    #[must_use]
    pub const fn crc32(&self) -> u32 {
        self.crc32
    }
}

/// The test vector section of `image`, whose input is known.
pub(super) fn test_vector<'a>(
    bytes: Bytes<'a>,
    offset: u32,
    image: &Image<'a>,
) -> Result<Option<TestVector<'a>>, ImageError> {
    if offset == 0 {
        return Ok(None);
    }
    let r: TestRecord = bytes.one(offset)?;
    if r.frames == 0 || r.reserved != 0 {
        return Err(ImageError::TestVector);
    }
    let count = usize::from(r.frames);
    let inputs = offset.saturating_add(size_of::<TestRecord>() as u32);
    #[cfg(feature = "embedding")]
    let tokens = image.tokens().unwrap_or(0);
    let vector = TestVector {
        count,
        codes: bytes.slice(inputs, count * image.input_len())?,
        #[cfg(feature = "embedding")]
        tokens: bytes.slice(inputs, if tokens > 0 { count } else { 0 })?,
        crc32: r.crc32,
    };
    #[cfg(feature = "embedding")]
    if vector
        .tokens
        .iter()
        .any(|&token| usize::from(token) >= tokens)
    {
        return Err(ImageError::TestVector);
    }
    Ok(Some(vector))
}
