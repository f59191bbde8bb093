//! The state of an unfinished run, in one file that is replaced in one step.
use super::network::State;
use super::optimiser::{Moments, Optimiser};
use super::tally::Tally;
use super::values::Values;
use crate::language::model::LanguageMetrics;
use crate::tensors;
use crate::train::checkpoint::{load, save};
use anyhow::{Context, Result};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::path::Path;

const KEY: &str = "pg-language-checkpoint";
/// Names of the parameters that Adam trains.
const ADAM: [&str; 2] = ["threshold", "log_scale"];

/// What identifies a run and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The recipe, complete.
    pub recipe: String,
    /// The words of the vocabulary.
    pub vocabulary: Vec<String>,
    /// Words in the training text.
    pub words: usize,
    /// Steps done.
    pub step: u64,
    /// Seconds spent, over all resumed runs.
    pub seconds: f64,
    /// The current epoch so far.
    pub tally: Tally,
    /// Epoch and validation result of the best values, if any.
    pub best: Option<(usize, LanguageMetrics)>,
    /// Their result on the test text, at the end of the run.
    pub test: Option<LanguageMetrics>,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub meta: Meta,
    /// Parameters.
    pub values: Values,
    /// The best so far.
    pub best: Option<Values>,
    /// State of the optimiser.
    pub optimiser: Optimiser,
    /// Last hidden and cell states.
    pub state: Option<State>,
}

impl Checkpoint {
    /// Writes the checkpoint.
    ///
    /// # Errors
    /// When the file cannot be written; an earlier one is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut list: Vec<(String, &[f32])> = Vec::new();
        for (prefix, values) in [("value", Some(&self.values)), ("best", self.best.as_ref())] {
            for (name, v) in values.iter().flat_map(|v| v.list()) {
                list.push((format!("{prefix}.{name}"), v));
            }
        }
        for (name, m) in ADAM.iter().zip(&self.optimiser.moments) {
            list.push((format!("moment1.{name}"), &m.first));
            list.push((format!("moment2.{name}"), &m.second));
        }
        if let Some((hidden, cell)) = &self.state {
            list.push(("state.hidden".into(), hidden));
            list.push(("state.cell".into(), cell));
        }
        let list = list
            .iter()
            .map(|(name, v)| (name.as_str(), vec![v.len()], *v));
        save(path, &tensors::write(KEY, &self.meta, list)?)
    }

    /// Reads a checkpoint; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there but cannot be read or is damaged.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        load(path, Self::from_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let meta = tensors::metadata(bytes, KEY)?.context("no checkpoint metadata")?;
        let meta: Meta = serde_json::from_str(&meta)?;
        let file = SafeTensors::deserialize(bytes)?;
        let get = |name: &str| tensors::numbers(&file, name);
        let values = |prefix: &str| Values::from_list(|name| get(&format!("{prefix}.{name}")));
        let moments = |name: &str| -> Result<Moments> {
            Ok(Moments {
                first: get(&format!("moment1.{name}"))?,
                second: get(&format!("moment2.{name}"))?,
            })
        };
        Ok(Self {
            values: values("value")?,
            best: match meta.best {
                Some(_) => Some(values("best")?),
                None => None,
            },
            optimiser: Optimiser {
                moments: [moments(ADAM[0])?, moments(ADAM[1])?],
            },
            state: match get("state.hidden") {
                Ok(hidden) => Some((hidden, get("state.cell")?)),
                Err(_) => None,
            },
            meta,
        })
    }
}
