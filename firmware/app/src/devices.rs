//! What the application needs of a board.

use core::convert::Infallible;

use pg_runtime::detector::Event;

/// How the samples that follow are to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, defmt::Format)]
pub struct Record {
    /// Forget all state first: front-end, engine and detector.
    pub reset: bool,
    /// Run the detector and report events.
    pub detect: bool,
}

/// Where the samples come from: 16 kHz, mono, signed 16 bit.
pub trait AudioSource {
    /// Why samples could not be had.
    type Error: defmt::Format;

    /// Begins the next record; `None` when there is no more audio. A
    /// microphone has one record that never ends.
    ///
    /// # Errors
    /// Whatever the source reports; the application stops.
    fn next_record(&mut self) -> Result<Option<Record>, Self::Error>;

    /// Fills the front of `samples`, waiting as long as need be, and returns
    /// how many were written; 0 ends the record.
    ///
    /// # Errors
    /// Whatever the source reports; the application stops.
    fn read(&mut self, samples: &mut [i16]) -> Result<usize, Self::Error>;
}

/// Where every output goes for verification. A product needs none: `()`.
pub trait Sink {
    /// Why an output could not be written.
    type Error: defmt::Format;

    /// A record begins.
    ///
    /// # Errors
    /// Whatever the sink reports; the application stops.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Outputs of one frame, one value per class: pooled logits in Q8,
    /// posteriors in Q15.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn frame(&mut self, logits: &[i16], posteriors: &[u16]) -> Result<(), Self::Error>;

    /// A detection, after the frame that completed it.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn event(&mut self, event: Event) -> Result<(), Self::Error>;

    /// The record is over.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn end(&mut self) -> Result<(), Self::Error>;
}

impl Sink for () {
    type Error = Infallible;

    fn begin(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn frame(&mut self, _: &[i16], _: &[u16]) -> Result<(), Infallible> {
        Ok(())
    }

    fn event(&mut self, _: Event) -> Result<(), Infallible> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A counter that only goes up, in ticks of the board's choice: processor
/// cycles where there is a cycle counter.
pub trait Clock {
    /// Ticks so far.
    fn now(&mut self) -> u64;
}

/// The devices of a board.
pub struct Devices<S, O, L, C> {
    /// Samples.
    pub source: S,
    /// Outputs, for verification.
    pub sink: O,
    /// Lit for half a second after a detection.
    pub led: L,
    /// Counter for the statistics.
    pub clock: C,
}
