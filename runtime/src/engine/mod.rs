//! The streaming engine: one feature frame in, posteriors out. The frame of an
//! image network is a whole picture, that of a language model a token.

#[cfg(feature = "conv")]
mod maps;
mod saved;
mod self_test;

use crate::activation::softmax;
use crate::arena::take;
use crate::error::EngineError;
#[cfg(feature = "conv")]
use crate::image::Graph;
use crate::image::{Image, Input, MemoryPlan};
use crate::kernels::{Kernels, Selected};
use crate::layers::{Dense, DenseOutput, Layer, Strategy};
use crate::probe::{LayerCounts, NoProbe, Probe};

/// Bytes of a saved state before the state itself: the image's CRC-32 and
/// the state's.
pub const SAVE_HEADER: usize = 8;

/// A model at work. It borrows the image and all the memory it uses.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// # let bytes: &[u8] = &[];
/// # let frame: &[i8] = &[];
/// use pg_runtime::{engine::Engine, image::Image};
///
/// let image = Image::parse(bytes)?;
/// let mut arena = [0u32; 2048];
/// let mut engine = Engine::new(&image, &mut arena)?;
/// let output = engine.push(frame)?;
/// # let _ = output.posteriors;
/// # Ok(())
/// # }
/// ```
pub struct Engine<'a, 'b> {
    image: Image<'a>,
    plan: MemoryPlan,
    state: &'b mut [u32],
    #[cfg(feature = "conv")]
    maps: &'b mut [u32],
    codes: [&'b mut [i8]; 2],
    logits: &'b mut [i16],
    posteriors: &'b mut [u16],
    scratch: &'b mut [u32],
    strategy: Strategy,
}

/// What the model says after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'e> {
    /// Logits, one per class, Q8.
    pub logits: &'e [i16],
    /// Posteriors, one per class, Q15; softmax of the logits.
    pub posteriors: &'e [u16],
}

impl Output<'_> {
    /// The class of the largest logit; the first of equals.
    #[must_use]
    pub fn class(&self) -> usize {
        let mut best = (0, i16::MIN);
        for (class, &logit) in self.logits.iter().enumerate() {
            if logit > best.1 {
                best = (class, logit);
            }
        }
        best.0
    }
}

/// Writes codes to the front of a buffer.
fn copy(buffer: &mut [i8], codes: &[i8]) {
    for (place, &code) in buffer.iter_mut().zip(codes) {
        *place = code;
    }
}

/// A step of a layer that writes logits.
fn write_logits<const COUNT: bool>(
    dense: &Dense<'_>,
    scratch: &mut [u32],
    input: &[i8],
    logits: &mut [i16],
) -> LayerCounts {
    dense.step::<COUNT>(scratch, input, |row, y| {
        if let Some(l) = logits.get_mut(row) {
            *l = y;
        }
    })
}

impl<'a, 'b> Engine<'a, 'b> {
    /// Prepares a model in `arena`, which must have
    /// [`Image::arena_bytes`] bytes; more are left alone. State is reset.
    ///
    /// # Errors
    ///
    /// [`EngineError::ArenaTooSmall`] says how many bytes are needed;
    /// [`EngineError::OtherTarget`] if the image was read for another target.
    #[inline(never)]
    pub fn new(image: &Image<'a>, arena: &'b mut [u32]) -> Result<Self, EngineError> {
        if image.target() != Selected::TARGET {
            return Err(EngineError::OtherTarget);
        }
        let plan = image.memory_plan();
        let given = (arena.len() * 4) as u32;
        let mut rest =
            arena
                .get_mut(..plan.arena_bytes() as usize / 4)
                .ok_or(EngineError::ArenaTooSmall {
                    needed: plan.arena_bytes(),
                    given,
                })?;
        let state = take::<u32>(&mut rest, plan.state);
        #[cfg(feature = "conv")]
        let maps = take::<u32>(&mut rest, plan.maps);
        let codes = [
            take::<i8>(&mut rest, plan.code_width),
            take::<i8>(&mut rest, plan.code_width),
        ];
        let logits = take::<i16>(&mut rest, plan.classes);
        let posteriors = take::<u16>(&mut rest, plan.classes);
        let mut engine = Self {
            image: *image,
            plan,
            state,
            #[cfg(feature = "conv")]
            maps,
            codes,
            logits,
            posteriors,
            scratch: rest,
            strategy: Strategy::Auto,
        };
        engine.reset();
        Ok(engine)
    }

    /// The image.
    #[must_use]
    pub const fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// Chooses how recurrent layers compute; for measurements, the bytes are
    /// the same.
    pub const fn set_strategy(&mut self, strategy: Strategy) {
        self.strategy = strategy;
    }

    /// Forgets the past: the next frame is the first.
    pub fn reset(&mut self) {
        self.state.fill(0);
        let mut rest = &mut *self.state;
        for layer in self.image.layers() {
            let state = take::<u32>(&mut rest, layer.state_words());
            if let Layer::Lstm(lstm) = &layer {
                lstm.reset(&mut lstm.state(state), self.scratch);
            }
        }
        self.logits.fill(0);
        self.posteriors.fill(0);
    }

    /// Advances by one frame of [`Image::input_len`] codes.
    ///
    /// # Errors
    ///
    /// [`EngineError::InputLength`], or [`EngineError::TakesTokens`] in a language
    /// model; the state is then unchanged.
    #[inline(never)]
    pub fn push(&mut self, codes: &[i8]) -> Result<Output<'_>, EngineError> {
        self.push_probed(codes, &mut NoProbe)
    }

    /// As [`Self::push`], reporting to `probe` what every layer did.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn push_probed<P: Probe>(
        &mut self,
        codes: &[i8],
        probe: &mut P,
    ) -> Result<Output<'_>, EngineError> {
        #[cfg(feature = "embedding")]
        if self.image.tokens().is_some() {
            return Err(EngineError::TakesTokens);
        }
        let needed = self.image.input_len();
        if codes.len() != needed {
            return Err(EngineError::InputLength {
                needed: needed as u32,
                given: codes.len() as u32,
            });
        }
        Ok(self.advance(Input::Codes(codes), probe))
    }

    /// Advances a language model by one token, below [`Image::tokens`].
    ///
    /// # Errors
    ///
    /// [`EngineError::TokenRange`], or [`EngineError::TakesCodes`] in a model of
    /// sound or pictures; the state is then unchanged.
    #[cfg(feature = "embedding")]
    #[inline(never)]
    pub fn push_token(&mut self, token: u16) -> Result<Output<'_>, EngineError> {
        self.push_token_probed(token, &mut NoProbe)
    }

    /// As [`Self::push_token`], reporting to `probe` what every layer did.
    ///
    /// # Errors
    ///
    /// As [`Self::push_token`].
    #[cfg(feature = "embedding")]
    pub fn push_token_probed<P: Probe>(
        &mut self,
        token: u16,
        probe: &mut P,
    ) -> Result<Output<'_>, EngineError> {
        let tokens = self.image.tokens().ok_or(EngineError::TakesCodes)?;
        if usize::from(token) >= tokens {
            return Err(EngineError::TokenRange {
                token,
                tokens: tokens as u16,
            });
        }
        Ok(self.advance(Input::Token(token), probe))
    }

    /// Advances by an input that is the model's.
    fn advance<P: Probe>(&mut self, input: Input<'_>, probe: &mut P) -> Output<'_> {
        #[cfg(feature = "conv")]
        if let Some((graph, codes)) = self.image.graph().copied().zip(input.codes()) {
            self.picture(&graph, codes, |layer, counts| {
                if P::ENABLED {
                    probe.layer(layer, counts);
                }
            });
            softmax(self.logits, self.posteriors);
            return self.output();
        }
        if P::ENABLED {
            self.step::<true>(input, |layer, counts| probe.layer(layer, counts));
        } else {
            self.step::<false>(input, |_, _| ());
        }
        // A read-out may have been wider than the classes.
        let logits = self.logits.get(..self.image.classes()).unwrap_or(&[]);
        softmax(logits, self.posteriors);
        self.output()
    }

    /// The output after the last frame; zeros after a reset.
    #[must_use]
    pub fn output(&self) -> Output<'_> {
        let classes = self.image.classes();
        Output {
            logits: self.logits.get(..classes).unwrap_or(&[]),
            posteriors: self.posteriors.get(..classes).unwrap_or(&[]),
        }
    }

    fn step<const COUNT: bool>(
        &mut self,
        input: Input<'_>,
        mut report: impl FnMut(usize, LayerCounts),
    ) {
        let [front, back] = &mut self.codes;
        copy(front, input.codes().unwrap_or(&[]));
        let mut rest = &mut *self.state;
        for (index, layer) in self.image.layers().enumerate() {
            let state = take::<u32>(&mut rest, layer.state_words());
            let counts = match &layer {
                Layer::Lstm(lstm) => {
                    let input = front.get(..lstm.inputs()).unwrap_or(&[]);
                    let mut state = lstm.state(state);
                    lstm.step::<COUNT>(&mut state, self.scratch, self.strategy, input, back)
                }
                Layer::Dense(dense) => {
                    let input = front.get(..dense.inputs()).unwrap_or(&[]);
                    match dense.output {
                        DenseOutput::Logits => {
                            write_logits::<COUNT>(dense, self.scratch, input, self.logits)
                        }
                        DenseOutput::Codes { bits, signed } => {
                            let (low, high) = Dense::code_range(bits, signed);
                            dense.step::<COUNT>(self.scratch, input, |row, y| {
                                if let Some(c) = back.get_mut(row) {
                                    *c = y.clamp(low, high) as i8;
                                }
                            })
                        }
                    }
                }
                Layer::MeanPool(pool) => {
                    pool.step(state, self.logits);
                    LayerCounts::default()
                }
                Layer::AttentionPool(pool) => {
                    pool.step(state, self.logits);
                    LayerCounts::default()
                }
                #[cfg(feature = "embedding")]
                Layer::Embedding(embedding) => {
                    if let Input::Token(token) = input {
                        copy(back, embedding.codes(token));
                    }
                    LayerCounts::default()
                }
                // Never beside layers that pass codes.
                #[cfg(feature = "conv")]
                Layer::Map(_) => LayerCounts::default(),
            };
            core::mem::swap(front, back);
            if COUNT {
                report(index, counts);
            }
        }
    }

    /// The layers between feature maps, then the head.
    #[cfg(feature = "conv")]
    fn picture(
        &mut self,
        graph: &Graph<'_>,
        input: &[i8],
        mut report: impl FnMut(usize, LayerCounts),
    ) {
        let mut last = 0;
        for (index, layer) in self.image.layers().enumerate() {
            let counts = match &layer {
                Layer::Map(layer) => {
                    last = layer.output();
                    maps::run(layer, graph, input, self.maps, self.scratch)
                }
                Layer::Dense(head) => {
                    let codes = maps::map(last, graph, input, self.maps);
                    write_logits::<true>(head, self.scratch, codes, self.logits)
                }
                // Validation refuses others.
                _ => continue,
            };
            report(index, counts);
        }
    }

    /// Recomputes the prediction accumulators of recurrent layers from the
    /// digits they stand for.
    ///
    /// The result is the same bytes. Call it now and then where radiation or
    /// brown-outs may flip bits in RAM: an error in an accumulator would
    /// otherwise stay until the next reset.
    pub fn rebuild(&mut self) {
        let mut rest = &mut *self.state;
        for layer in self.image.layers() {
            let state = take::<u32>(&mut rest, layer.state_words());
            if let Layer::Lstm(lstm) = &layer {
                lstm.rebuild(&mut lstm.state(state), self.scratch);
            }
        }
    }
}
