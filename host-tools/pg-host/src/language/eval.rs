//! Evaluation of a language model by the runtime's layers: perplexity, sparsity,
//! executed work.

use super::image::{LanguageImage, layers};
use super::vocabulary::Text;
use crate::data::Split;
use crate::eval::LayerWork;
use anyhow::{Context, Result, ensure};
use pg_runtime::layers::{Dense, Layer, Strategy};
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;

/// Words between two turns of the LSTM, whose hidden states are kept meanwhile.
const TURN: usize = 4096;
/// Words that a thread projects at a time.
const SHARE: usize = 64;
/// Units of a logit of one.
const Q8: f64 = 256.0;

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LanguageEvaluation {
    /// CRC-32 of the image, laid out for this host.
    pub image: String,
    /// Words of its vocabulary.
    pub vocabulary: usize,
    /// Name of the text.
    pub split: &'static str,
    /// Words, ends of lines included.
    pub words: usize,
    /// Of these, words outside the vocabulary, read as its `<unk>`.
    pub replaced: usize,
    /// Mean loss of a word, natural logarithm.
    pub loss: f64,
    /// Perplexity per word, `e^loss`.
    pub perplexity: f64,
    /// Share of the LSTM's gate rows that stay closed, Sp; 0 without a gate.
    pub sparsity: f64,
    /// The published cost: average bits of the LSTM's activations,
    /// `B_hb + (1 - Sp) (B - B_hb)`.
    pub average_bits: f64,
    /// Share of the LSTM's columns that the prediction pass applied.
    pub columns_applied: f64,
    /// Multiply-accumulates of the LSTM executed over those of a dense pass.
    pub executed_macs: f64,
    /// Share of its columns whose digit is not zero: what the prediction pass
    /// applies where it keeps nothing from word to word.
    pub columns_not_zero: f64,
    /// What would then be executed over a dense pass.
    pub executed_macs_from_zero: f64,
    /// The same of LSTM and projection, which is dense.
    pub executed_macs_with_projection: f64,
    /// Work by layer.
    pub layers: Vec<LayerWork>,
}

/// Evaluates a model on a text, which is one stream from a state of zero; the
/// word before the first is the end of a line. Softmax and loss are in floating
/// point, from the integer logits. `progress` is told the words done.
///
/// # Errors
/// When the image is not an embedding, an LSTM and a projection, or the text was
/// read in another vocabulary.
pub fn evaluate(
    model: &LanguageImage,
    split: Split,
    text: &Text,
    progress: &dyn Fn(u64),
) -> Result<LanguageEvaluation> {
    let image = model.bytes().image()?;
    let (embedding, lstm, head) = layers(&image)?;
    let known = |word: &u32| (*word as usize) < embedding.tokens();
    ensure!(
        text.words.iter().all(known),
        "the text was read in another vocabulary"
    );
    let mut work = [Layer::Lstm(lstm), Layer::Dense(head)].map(|layer| LayerWork::of(&layer));
    let mut words = vec![0; lstm.state_words()];
    let mut state = lstm.state(&mut words);
    let mut scratch = vec![0; lstm.scratch_words()];
    lstm.reset(&mut state, &mut scratch);
    // Logits are whole numbers, and so are their distances from the largest.
    let exponentials: Vec<f64> = (0..=u32::from(u16::MAX))
        .map(|d| (-f64::from(d) / Q8).exp())
        .collect();
    let mut hidden = vec![0i8; TURN * lstm.hidden()];
    let mut before = model.vocabulary().end();
    let (mut loss, mut not_zero) = (0.0, 0);
    // The hidden codes that a step reads are those of the step before.
    let digits = |codes: &[i8]| {
        codes
            .iter()
            .filter(|c| lstm.split().digits(**c).0 != 0)
            .count()
    };
    let mut carried = 0;
    for turn in text.words.chunks(TURN) {
        let hidden = &mut hidden[..turn.len() * lstm.hidden()];
        for (&word, hidden) in turn.iter().zip(hidden.chunks_exact_mut(lstm.hidden())) {
            let codes = embedding.codes(before as u16);
            let auto = Strategy::Auto;
            work[0].add(&lstm.step::<true>(&mut state, &mut scratch, auto, codes, hidden));
            not_zero += digits(codes) + carried;
            carried = digits(hidden);
            before = word;
        }
        let shares = turn
            .par_chunks(SHARE)
            .zip(hidden.par_chunks(SHARE * lstm.hidden()));
        let projected: Vec<(f64, LayerWork)> = shares
            .map(|(words, hidden)| project(&head, &exponentials, words, hidden))
            .collect::<Result<_>>()?;
        // In order: the sum does not depend on the threads.
        for (part, counts) in &projected {
            loss += part;
            work[1].merge(counts);
        }
        progress(turn.len() as u64);
    }
    let loss = loss / text.words.len() as f64;
    let ratio = |a: u64, b: u64| a as f64 / b.max(1) as f64;
    let [recurrent, projection] = &work;
    let sparsity = if recurrent.gated {
        1.0 - ratio(recurrent.open, recurrent.outputs)
    } else {
        0.0
    };
    let (bits, high) = (f64::from(recurrent.bits), f64::from(recurrent.msb_bits));
    let columns_not_zero = ratio(not_zero as u64, recurrent.columns);
    // An open row costs all columns once more, where there is a rest to add.
    let update = if bits > high { 1.0 - sparsity } else { 0.0 };
    Ok(LanguageEvaluation {
        image: format!("{:08x}", image.crc32()),
        vocabulary: model.vocabulary().len(),
        split: split.name(),
        words: text.words.len(),
        replaced: text.replaced,
        loss,
        perplexity: loss.exp(),
        sparsity,
        average_bits: high + (1.0 - sparsity) * (bits - high),
        columns_applied: ratio(recurrent.columns_applied, recurrent.columns),
        executed_macs: ratio(recurrent.macs, recurrent.dense_macs),
        columns_not_zero,
        executed_macs_from_zero: columns_not_zero + update,
        executed_macs_with_projection: ratio(
            recurrent.macs + projection.macs,
            recurrent.dense_macs + projection.dense_macs,
        ),
        layers: work.into(),
    })
}

/// Sum of the losses of `words` after the hidden states `hidden`, and what the
/// projection did.
fn project(
    head: &Dense<'_>,
    exponentials: &[f64],
    words: &[u32],
    hidden: &[i8],
) -> Result<(f64, LayerWork)> {
    let mut scratch = vec![0; head.scratch_words()];
    let mut logits = vec![0i16; head.outputs()];
    let mut work = LayerWork::of(&Layer::Dense(*head));
    let mut loss = 0.0;
    for (&word, codes) in words.iter().zip(hidden.chunks_exact(head.inputs())) {
        work.add(&head.step::<true>(&mut scratch, codes, |row, y| logits[row] = y));
        let largest = logits.iter().copied().max().unwrap_or(0);
        let distance = |logit: i16| usize::from(largest.abs_diff(logit));
        let sum: f64 = logits.iter().map(|&l| exponentials[distance(l)]).sum();
        let own = logits.get(word as usize).context("no such word")?;
        loss += sum.ln() + distance(*own) as f64 / Q8;
    }
    Ok((loss, work))
}

impl fmt::Display for LanguageEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image          {}", self.image)?;
        writeln!(
            f,
            "text           {}: {} words, {} outside the image's {} and read as <unk>",
            self.split, self.words, self.replaced, self.vocabulary
        )?;
        writeln!(f, "perplexity     {:.2} per word", self.perplexity)?;
        writeln!(
            f,
            "sparsity Sp    {:.1} % of the LSTM's rows stay closed",
            100.0 * self.sparsity
        )?;
        writeln!(
            f,
            "B_avg          {:.2} bits in the LSTM",
            self.average_bits
        )?;
        writeln!(
            f,
            "columns        {:.1} % applied by the prediction pass; {:.1} % with a digit not zero",
            100.0 * self.columns_applied,
            100.0 * self.columns_not_zero
        )?;
        write!(
            f,
            "MACs executed  {:.1} % of the LSTM's dense ones, {:.1} % if every word started from \
             zero; with the projection {:.1} %",
            100.0 * self.executed_macs,
            100.0 * self.executed_macs_from_zero,
            100.0 * self.executed_macs_with_projection
        )
    }
}
