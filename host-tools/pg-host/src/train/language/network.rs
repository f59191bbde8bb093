//! The network on slices: embedding, LSTM, projection, loss, and back.
use super::head::{self, Head};
use super::values::Values;
use crate::train::lstm::{Grads, Inputs, LstmSpec, Stats, Tape, WeightView, backward, forward};
use crate::train::random::{Purpose, dropout, stream};

/// Words of one pass, `[B, T]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Streams, `B`.
    pub streams: usize,
    /// Words that the network reads.
    pub inputs: Vec<u32>,
    /// Words that it should say; [`head::NONE`] where none is asked for.
    pub targets: Vec<u32>,
}

/// Hidden and cell states, `[B, H]` each.
pub type State = (Vec<f32>, Vec<f32>);

/// What is dropped in one pass.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the pass.
    pub step: u64,
    /// Share of the embeddings' numbers.
    pub embedding: f32,
    /// Share of the hidden states.
    pub output: f32,
}

/// What a pass says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// Sum of the losses of the words, natural logarithm.
    pub loss: f64,
    /// Words that were asked for.
    pub words: usize,
    /// What the gates did.
    pub stats: Stats,
}

/// Gradients of the mean loss of a word.
#[derive(Default)]
pub struct Gradients {
    /// Words whose embeddings were read, each once.
    pub words: Vec<u32>,
    /// Their rows, `[words, E]`.
    pub embedding: Vec<f32>,
    /// Of the LSTM.
    pub lstm: Grads,
    /// Of the projection.
    pub head: head::Grads,
}

/// The network with the arithmetic of one part of the training, and the
/// buffers of its passes.
pub struct Network {
    /// The LSTM.
    pub spec: LstmSpec,
    head: Head,
    tape: Tape,
    /// `[B, T, E]` embeddings.
    x: Vec<f32>,
    /// `[B, T, E]` and `[B, T, H]` factors; empty without dropout.
    masks: [Vec<f32>; 2],
    /// `[B, T, H]` what the projection reads.
    hidden: Vec<f32>,
    /// Per word of the vocabulary, its place in [`Gradients::words`].
    places: Vec<u32>,
    /// Of the last backward pass.
    pub gradients: Gradients,
}

impl Network {
    /// A network without buffers yet.
    pub fn new(spec: LstmSpec) -> Self {
        Self {
            spec,
            head: Head::default(),
            tape: Tape::default(),
            x: Vec::new(),
            masks: [Vec::new(), Vec::new()],
            hidden: Vec::new(),
            places: Vec::new(),
            gradients: Gradients::default(),
        }
    }

    fn head_weights<'a>(&self, values: &'a Values) -> head::Weights<'a> {
        head::Weights {
            w: &values.head_w,
            bias: &values.head_b,
            max: self.spec.quantised().then(|| self.spec.weight_max()),
        }
    }

    /// Runs the network from `state`, zero when absent. `dropout` is for a pass
    /// that a backward pass follows.
    pub fn forward(
        &mut self,
        values: &Values,
        batch: &Batch,
        state: Option<&State>,
        drop: Option<&Dropout>,
    ) -> Said {
        self.run(values, batch, state, drop);
        let head = self.head_weights(values);
        let (loss, words) = self.head.forward(&head, &self.hidden, &batch.targets);
        Said {
            loss,
            words,
            stats: self.tape.stats,
        }
    }

    /// Hidden states `[B, T, H]` without dropout, from a state of zero.
    pub fn hidden_states(&mut self, values: &Values, batch: &Batch) -> &[f32] {
        self.run(values, batch, None, None);
        &self.hidden
    }

    /// Embedding and LSTM.
    fn run(
        &mut self,
        values: &Values,
        batch: &Batch,
        state: Option<&State>,
        drop: Option<&Dropout>,
    ) {
        let (e, h) = (self.spec.inputs, self.spec.hidden);
        self.x.clear();
        for &word in &batch.inputs {
            let row = word as usize * e;
            self.x.extend_from_slice(&values.embedding[row..row + e]);
        }
        let words = batch.inputs.len();
        let [of_inputs, of_outputs] = &mut self.masks;
        for (mask, width, rate, purpose) in [
            (of_inputs, e, drop.map(|d| d.embedding), Purpose::Masks),
            (of_outputs, h, drop.map(|d| d.output), Purpose::Dropout),
        ] {
            mask.clear();
            if let Some((d, rate)) = drop.zip(rate.filter(|rate| *rate > 0.0)) {
                mask.resize(words * width, 0.0);
                dropout(&mut stream(d.seed, purpose, d.step), rate, mask);
            }
        }
        let [scale_x, scale_h] = values.scales();
        let threshold = values.thresholds(&self.spec);
        let weights = WeightView {
            w_x: &values.w_x,
            w_h: &values.w_h,
            bias: &values.bias,
            threshold: &threshold,
            scale_x,
            scale_h,
        };
        let inputs = Inputs {
            batch: batch.streams,
            frames: words / batch.streams,
            x: &self.x,
            mask: present(&self.masks[0]),
            hidden: state.map(|s| s.0.as_slice()),
            cell: state.map(|s| s.1.as_slice()),
        };
        self.hidden.resize(words * h, 0.0);
        let (tape, out) = (&mut self.tape, &mut self.hidden);
        forward(&self.spec, &weights, &inputs, drop.is_some(), tape, out);
        multiply(&mut self.hidden, &self.masks[1]);
    }

    /// State after the last pass.
    pub fn state(&self) -> State {
        self.tape.final_state(&self.spec)
    }

    /// Gradients of the mean loss of the last forward pass, over `batch`, into
    /// [`Self::gradients`].
    pub fn backward(&mut self, values: &Values, batch: &Batch) {
        let head = self.head_weights(values);
        let g = &mut self.gradients;
        self.head.backward(&head, &self.hidden, &mut g.head);
        multiply(&mut g.head.hidden, &self.masks[1]);
        let mask = present(&self.masks[0]);
        g.lstm = backward(&self.spec, &mut self.tape, &self.x, mask, &g.head.hidden);
        let e = self.spec.inputs;
        self.places.resize(values.embedding.len() / e, u32::MAX);
        g.words.clear();
        g.embedding.clear();
        for (&word, d) in batch.inputs.iter().zip(g.lstm.x.chunks_exact(e)) {
            let place = &mut self.places[word as usize];
            if *place == u32::MAX {
                *place = g.words.len() as u32;
                g.words.push(word);
                g.embedding.extend_from_slice(d);
                continue;
            }
            let row = &mut g.embedding[*place as usize * e..][..e];
            row.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
        }
        for word in &g.words {
            self.places[*word as usize] = u32::MAX;
        }
    }
}

/// A mask, if there is one.
fn present(mask: &[f32]) -> Option<&[f32]> {
    (!mask.is_empty()).then_some(mask)
}

/// Multiplies values by factors, if there are any.
fn multiply(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
}
