//! Samples to posteriors and events on the host, by the runtime crate.

use anyhow::{Context, Result};
use pg_runtime::audio::{AudioParams, Frontend, HOP, MAX_BANDS, SAMPLE_RATE, WINDOW, quantise};
use pg_runtime::detector::{Detector, Event};
use pg_runtime::engine::{Engine, Output};
use pg_runtime::image::Image;
use pg_runtime::probe::Probe;

/// Front-end, engine and detector of one image.
pub struct Spotter<'i, 'b> {
    audio: AudioParams<'i>,
    frontend: Frontend,
    engine: Engine<'i, 'b>,
    detector: Option<Detector>,
}

/// An arena for [`Spotter::new`].
#[must_use]
pub fn arena(image: &Image<'_>) -> Vec<u32> {
    vec![0; image.arena_bytes().div_ceil(4)]
}

impl<'i, 'b> Spotter<'i, 'b> {
    /// Sets up the image's pipeline in an arena of [`Image::arena_bytes`] bytes.
    ///
    /// # Errors
    ///
    /// If the image has no audio input.
    pub fn new(image: &Image<'i>, arena: &'b mut [u32]) -> Result<Self> {
        Ok(Self {
            audio: image
                .audio()
                .context("the image has no audio input: it cannot be run on clips")?,
            frontend: Frontend::new(),
            engine: Engine::new(image, arena)?,
            detector: (image.detector().map(Detector::new).transpose())
                .map_err(|e| anyhow::anyhow!("the image's detector settings: {e}"))?,
        })
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.frontend.reset();
        self.engine.reset();
        if let Some(detector) = &mut self.detector {
            detector.reset();
        }
    }

    /// Feeds samples; `each` sees the output of every frame completed, and
    /// the event it completed if `detect`.
    ///
    /// # Errors
    ///
    /// None from samples; [`Engine::push`]'s if the image were inconsistent.
    pub fn push<P: Probe>(
        &mut self,
        mut samples: &[i16],
        detect: bool,
        probe: &mut P,
        mut each: impl FnMut(Output<'_>, Option<Event>),
    ) -> Result<()> {
        let mut codes = [0; MAX_BANDS];
        while let Some(logmel) = self.frontend.push(&self.audio, &mut samples) {
            let codes = &mut codes[..logmel.len()];
            quantise(&self.audio, logmel, codes);
            let output = self.engine.push_probed(codes, probe)?;
            let event = match &mut self.detector {
                Some(detector) if detect => detector.push(output.posteriors),
                _ => None,
            };
            each(output, event);
        }
        Ok(())
    }

    /// The output after the last frame.
    #[must_use]
    pub fn output(&self) -> Output<'_> {
        self.engine.output()
    }
}

/// Seconds from the reset to the end of a frame.
#[must_use]
pub fn frame_end(frame: u32) -> f64 {
    (WINDOW as f64 + f64::from(frame) * HOP as f64) / f64::from(SAMPLE_RATE)
}
