//! The end of an epoch and of a run.
use super::Trainer;
use crate::language::model::{LanguageMeta, LanguageMetrics, LanguageModel};
use crate::train::language::batches::whole;
use crate::train::language::network::{Network, State};
use crate::train::language::progress::Progress;
use crate::train::language::recipe::LanguageRecipe;
use crate::train::language::tally::{Record, Tally};
use crate::train::language::values::Values;
use crate::train::tally::append;
use anyhow::{Context, Result};

/// Perplexity and cost of `values` on a text, in as many streams as in training,
/// each from a state of zero.
fn evaluate(
    network: &mut Network,
    recipe: &LanguageRecipe,
    quantised: bool,
    values: &Values,
    (words, end): (&[u32], u32),
) -> LanguageMetrics {
    let t = &recipe.training;
    network.spec = recipe.spec(quantised);
    let mut tally = Tally::default();
    let mut state: Option<State> = None;
    for batch in whole(words, end, t.batch, t.unroll) {
        tally.add(&network.forward(values, &batch, state.as_ref(), None));
        state = Some(network.state());
    }
    tally.metrics(&network.spec)
}

impl Trainer<'_> {
    /// End of an epoch: validation, selection, log; at the end of the run, the
    /// selected epoch's result on the test text.
    pub(super) fn epoch(
        &mut self,
        epoch: usize,
        quantised: bool,
        progress: &Progress,
    ) -> Result<()> {
        let last = self.step == self.total();
        let end = self.corpus.vocabulary.end();
        let (recipe, corpus) = (self.recipe, self.corpus);
        let due = epoch.is_multiple_of(recipe.validation.every) || last;
        let train = self.tally.metrics(&recipe.spec(quantised));
        let valid = due.then(|| {
            let text = (corpus.valid.words.as_slice(), end);
            evaluate(&mut self.network, recipe, quantised, &self.values, text)
        });
        // Only what will be exported competes.
        let eligible = quantised || recipe.training.quantised_epochs == 0;
        let better = valid.filter(|v| {
            let best = self.best.as_ref();
            eligible && best.is_none_or(|(_, b, _)| v.perplexity < b.perplexity)
        });
        if let Some(valid) = better {
            self.best = Some((epoch, valid, self.values.clone()));
        }
        if let Some((_, _, values)) = self.best.as_ref().filter(|_| last) {
            let text = (corpus.test.words.as_slice(), end);
            self.test = Some(evaluate(&mut self.network, recipe, quantised, values, text));
        }
        let record = Record {
            epoch,
            part: if quantised {
                recipe.mode.name()
            } else {
                "float"
            }
            .into(),
            step: self.step,
            train,
            valid,
            test: self.test,
            best: better.is_some(),
            seed: recipe.seed,
            command: self.options.command.clone(),
            seconds: self.seconds(),
        };
        append(&self.options.out_dir.join("log.jsonl"), &record)?;
        progress.epoch(&record);
        self.tally = Tally::default();
        Ok(())
    }

    /// The selected model.
    ///
    /// # Errors
    /// When the run is not complete, or the model is not consistent.
    pub fn finish(&self) -> Result<LanguageModel> {
        let best = self.best.as_ref().zip(self.test);
        let ((epoch, valid, values), test) = best.context("the run is not complete")?;
        let r = self.recipe;
        let spec = r.spec(r.training.quantised_epochs > 0);
        let model = LanguageModel {
            meta: LanguageMeta {
                recipe: r.name.clone(),
                recipe_toml: r.to_toml()?,
                vocabulary: self.corpus.vocabulary.words().to_vec(),
                kind: r.kind(),
                embedding: spec.inputs,
                hidden: spec.hidden,
                activation_bits: spec.activation_bits,
                msb_bits: if spec.gated() {
                    spec.msb_bits
                } else {
                    spec.activation_bits
                },
                weight_bits: spec.weight_bits,
                digits: spec.digits,
                gate_test: spec.test,
                gate_group: spec.group,
                seed: r.seed,
                epoch: *epoch,
                valid: *valid,
                test,
                command: self.options.command.clone(),
                seconds: self.seconds(),
            },
            embedding: values.embedding.clone(),
            w_x: values.w_x.clone(),
            w_h: values.w_h.clone(),
            bias: values.bias.clone(),
            threshold: values.thresholds(&spec),
            scales: values.scales().to_vec(),
            head_w: values.head_w.clone(),
            head_b: values.head_b.clone(),
        };
        model.check()?;
        Ok(model)
    }
}
