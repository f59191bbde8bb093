//! Audio front-end: 16 kHz samples in, log-mel frames out.
//!
//! A frame is 640 samples (40 ms) under a periodic Hann window, and one starts
//! every 320 samples (20 ms). It is folded modulo 512, which samples its
//! spectrum at multiples of 31.25 Hz, transformed, squared, summed into
//! triangular mel bands and put through a logarithm:
//! `log2(energy + 2^FLOOR_LOG2)`, Q8, the energy being that of the windowed
//! samples as integers, `sum(share * |X[k]|^2)`.
//!
//! Integers only: training, host and device run this same code and get the
//! same bytes.
//!
//! # Cost and accuracy
//! For 32 bands on a Cortex-M0, counted in an emulator: 82,000 instructions a
//! frame, which take about 120,000 cycles where a load takes two, 9.4 % of a hop
//! at 64 MHz. Over 331 clips of speech the log-mel values differ from an `f64`
//! reference by 0.0019 in root mean square (of which rounding to Q8 is 0.0011),
//! and 99.9 % of those above the floor by less than 0.014.
//!
//! # Why a transform of our own
//! microfft is float only. fixed-fft 0.1.0 and fixed-dsp 0.2.1 work in `i16`
//! with fixed scaling: halved at every stage, a quiet word is lost. embedded-dsp
//! 0.5.1 has `i16` block floating point, but rounds down in every butterfly
//! and saturates where a rotation outgrows its one bit of headroom: on the
//! same clips, scaled to full range first, 0.44 in root mean square. An `i32`
//! transform that simply lets the values grow needs no scan before each stage,
//! and a core without a long multiply pays two products for one in it.

mod fft;
mod mel;
mod tables;
#[cfg(test)]
mod tests;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::quant::Requant;
use fft::{Complex, Points};
use tables::POINTS;

/// Samples per second.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples in a frame.
pub const WINDOW: usize = 640;
/// Samples from the start of a frame to the start of the next.
pub const HOP: usize = 320;
/// Bins of the spectrum, 0 to 8,000 Hz. Bins 0 and 256 never reach a band.
pub const BINS: usize = POINTS + 1;
/// Most mel bands.
pub const MAX_BANDS: usize = 40;
/// Base-2 logarithm of the energy added to every band: digital silence gives
/// `FLOOR_LOG2 << 8` in every band. White noise of variance v gives a bin an
/// energy of 240 v on average, so 16-bit dither (v about 1/4) raises the widest
/// of 40 bands by less than 2, and speech by 10 and more.
pub const FLOOR_LOG2: u32 = 10;

/// How one bin is shared between two neighbouring triangular filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct MelBin {
    /// The filter `b` whose rising side covers the bin, 0..=bands; the falling
    /// side of `b - 1` does too. Filters -1 and `bands` do not exist: their
    /// share is dropped.
    pub band: u8,
    /// Zero.
    pub reserved: u8,
    /// Share of the power that goes to `band`, Q15, 0..=32768; the rest goes
    /// to `band - 1`.
    pub weight: u16,
}

/// How a band becomes an input code:
/// `code = clamp(requant(logmel - offset), -code_limit, code_limit)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct BandNorm {
    /// Subtracted first, log2 units, Q8.
    pub offset: i16,
    /// Scale to codes.
    pub requant: Requant,
    /// Zero.
    pub reserved: u16,
}

/// Settings of the front-end, as they lie in a model image.
#[derive(Clone, Copy, Debug)]
pub struct AudioParams<'a> {
    /// Mel bands, 1..=[`MAX_BANDS`].
    pub bands: u8,
    /// Largest magnitude of an input code, 1..=127: `2^(B-1) - 1`.
    pub code_limit: u8,
    /// Bin of `filters[0]`, 1..256.
    pub first_bin: u16,
    /// Bins in order; `first_bin + filters.len()` is at most 256.
    pub filters: &'a [MelBin],
    /// One per band.
    pub norm: &'a [BandNorm],
}

/// Why settings of the front-end were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AudioError {
    /// `bands` is 0 or above [`MAX_BANDS`].
    Bands,
    /// No filters, or bins outside 1..256.
    Bins,
    /// A filter's band is above `bands` or below the one before, its weight is
    /// above 32768 or its reserved byte is not zero.
    Filter,
    /// Not one normalisation per band, or one whose [`Requant`] is not valid or
    /// whose reserved field is not zero.
    Norm,
    /// `code_limit` is 0 or above 127.
    CodeLimit,
}

impl core::fmt::Display for AudioError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Bands => "the number of mel bands is not 1 to 40",
            Self::Bins => "the mel filters do not lie within bins 1 to 255",
            Self::Filter => "a mel filter entry is out of range or out of order",
            Self::Norm => "the band normalisation is out of range or not one per band",
            Self::CodeLimit => "the limit of input codes is not 1 to 127",
        })
    }
}

impl core::error::Error for AudioError {}

impl AudioParams<'_> {
    /// Checks every field; afterwards the front-end can neither panic nor
    /// overflow, whatever the samples.
    ///
    /// # Errors
    /// [`AudioError`] names the first field out of its range.
    pub fn validate(&self) -> Result<(), AudioError> {
        let bands = usize::from(self.bands);
        if !(1..=MAX_BANDS).contains(&bands) {
            return Err(AudioError::Bands);
        }
        let first = usize::from(self.first_bin);
        if first == 0
            || self.filters.is_empty()
            || self.filters.len() > POINTS.saturating_sub(first)
        {
            return Err(AudioError::Bins);
        }
        let in_range = self.filters.iter().all(|filter| {
            usize::from(filter.band) <= bands && filter.weight <= 1 << 15 && filter.reserved == 0
        });
        if !in_range || !self.filters.is_sorted_by_key(|filter| filter.band) {
            return Err(AudioError::Filter);
        }
        let mut norms = self.norm.iter();
        if self.norm.len() != bands
            || !norms.all(|norm| norm.requant.is_valid() && norm.reserved == 0)
        {
            return Err(AudioError::Norm);
        }
        if self.code_limit == 0 || self.code_limit > 127 {
            return Err(AudioError::CodeLimit);
        }
        Ok(())
    }
}

/// Turns a stream of samples, in chunks of any size, into log-mel frames.
///
/// About 3.4 KB: the last 640 samples and the workspace of the transform.
#[derive(Clone)]
pub struct Frontend {
    /// The samples of the frame, one hop each, written alternately.
    hops: [[i16; HOP]; 2],
    points: Points,
    logmel: [i16; MAX_BANDS],
    /// Samples in the hop that is being filled, below `HOP`.
    filled: usize,
    /// The hop being filled is the second.
    second: bool,
    /// The other hop is complete.
    primed: bool,
}

impl Default for Frontend {
    fn default() -> Self {
        Self::new()
    }
}

impl Frontend {
    /// An empty front-end: the first frame comes after 640 samples.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            hops: [[0; HOP]; 2],
            points: [Complex { re: 0, im: 0 }; POINTS],
            logmel: [0; MAX_BANDS],
            filled: 0,
            second: false,
            primed: false,
        }
    }

    /// Forgets all samples, as if newly made.
    pub fn reset(&mut self) {
        self.filled = 0;
        self.second = false;
        self.primed = false;
    }

    /// Takes samples from the front of `samples` until a frame is complete,
    /// and returns its `bands` log-mel values (log2 units, Q8,
    /// 2,560 to 12,288), or until none are left, and returns
    /// `None`. Call it until then:
    ///
    /// ```
    /// # use pg_runtime::audio::{AudioParams, Frontend};
    /// # fn use_frame(_: &[i16]) {}
    /// fn feed(frontend: &mut Frontend, params: &AudioParams<'_>, mut samples: &[i16]) {
    ///     while let Some(logmel) = frontend.push(params, &mut samples) {
    ///         use_frame(logmel);
    ///     }
    /// }
    /// ```
    ///
    /// The first frame comes after [`WINDOW`] samples, then one each [`HOP`].
    /// `params` must have passed [`AudioParams::validate`]; otherwise the
    /// values mean nothing.
    pub fn push<'f>(
        &'f mut self,
        params: &AudioParams<'_>,
        samples: &mut &[i16],
    ) -> Option<&'f [i16]> {
        while !samples.is_empty() {
            let hop = &mut self.hops[usize::from(self.second)];
            let room = hop.get_mut(self.filled..).unwrap_or_default();
            let count = room.len().min(samples.len());
            let (taken, rest) = samples.split_at(count);
            room[..count].copy_from_slice(taken);
            *samples = rest;
            self.filled += count;
            if self.filled >= HOP {
                self.filled = 0;
                self.second = !self.second;
                if self.primed {
                    return Some(self.frame(params));
                }
                self.primed = true;
            }
        }
        None
    }

    /// Log-mel values of the frame in `hops`; `second` tells the older hop,
    /// the one to be filled next.
    fn frame(&mut self, params: &AudioParams<'_>) -> &[i16] {
        let [first, second] = &self.hops;
        let (older, newer) = if self.second {
            (second, first)
        } else {
            (first, second)
        };
        fft::spectrum(&mut self.points, older, newer);
        let bins = self
            .points
            .get(usize::from(params.first_bin)..)
            .unwrap_or_default();
        let energies = mel::band_energies(bins, params.filters);
        let bands = usize::from(params.bands).min(MAX_BANDS);
        let logmel = &mut self.logmel[..bands];
        for (value, energy) in logmel.iter_mut().zip(energies) {
            *value = mel::log_energy(energy);
        }
        logmel
    }
}

/// Turns log-mel values into input codes, `-code_limit..=code_limit`. Lengths
/// are `bands` each; surplus elements of the longer ones are left alone.
pub fn quantise(params: &AudioParams<'_>, logmel: &[i16], codes: &mut [i8]) {
    let limit = i16::from(params.code_limit.min(127));
    for ((&value, norm), code) in logmel.iter().zip(params.norm).zip(codes) {
        let centred = i32::from(value) - i32::from(norm.offset);
        *code = norm.requant.apply(centred).clamp(-limit, limit) as i8;
    }
}
