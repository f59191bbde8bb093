//! The end of a run: the selected model.
use super::run_state::Trainer;
use crate::model::{ModelMeta, TrainedModel};
use crate::train::corpus::Examples;
use anyhow::{Context, Result};

impl Trainer<'_> {
    /// The selected model; `test` is evaluated here, once.
    ///
    /// # Errors
    /// When no epoch was finished, or the model is not consistent.
    pub fn finish(self, test: &Examples) -> Result<TrainedModel> {
        let (epoch, valid, values) = self
            .best
            .as_ref()
            .context("no epoch was finished, so there is no model")?;
        let quantised = self.recipe.training.quantised_epochs > 0;
        let test = (!test.labels.is_empty()).then(|| self.evaluate(values, quantised, test));
        let r = self.recipe;
        let rows = 4 * r.model.hidden;
        let gated = r.spec(quantised).gated();
        let shared = &values[3];
        let threshold = (0..if gated { rows } else { 0 })
            .map(|row| shared[row * shared.len() / rows])
            .collect();
        let model = TrainedModel {
            meta: ModelMeta {
                recipe: r.name.clone(),
                recipe_toml: r.to_toml()?,
                labels: self.corpus.labels().to_vec(),
                kind: r.kind(),
                inputs: r.features.bands,
                hidden: r.model.hidden,
                activation_bits: r.model.activation_bits,
                msb_bits: if gated {
                    r.model.msb_bits
                } else {
                    r.model.activation_bits
                },
                weight_bits: r.model.weight_bits,
                gate_group: r.gate.group,
                readout: r.model.readout,
                window: r.model.window,
                low_hz: r.features.low_hz,
                high_hz: r.features.high_hz,
                seed: r.seed,
                epoch: *epoch,
                valid: *valid,
                test,
                command: self.options.command.clone(),
                seconds: self.seconds(),
            },
            w_x: values[0].clone(),
            w_h: values[1].clone(),
            bias: values[2].clone(),
            threshold,
            scale_x: values[4][0].exp(),
            scale_h: values[5][0].exp(),
            head_w: values[6].clone(),
            head_b: values[7].clone(),
            band_mean: self.norm.mean.clone(),
            band_std: self.norm.std.clone(),
        };
        model.check()?;
        Ok(model)
    }
}
