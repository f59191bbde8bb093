//! What ends the application, by name.

use pg_runtime::detector::DetectorError;
use pg_runtime::error::EngineError;

/// Why the application stopped; `S` and `O` are the errors of the audio source
/// and of the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, defmt::Format)]
pub enum Error<S, O> {
    /// The image has no audio parameters: it is not a keyword spotter. Flash
    /// one that `pg-host export` made from an audio recipe.
    NoAudio,
    /// The image has no detector parameters and a record asks for detections.
    NoDetector,
    /// The engine refused. With `ArenaTooSmall`, give the board a larger arena;
    /// with `SelfTest`, this build computes other bytes than the host: it must
    /// not be used.
    Engine(EngineError),
    /// The detector refused its parameters.
    Detector(DetectorError),
    /// The audio source failed.
    Source(S),
    /// The sink failed.
    Sink(O),
    /// The LED's pin failed.
    Led,
}
