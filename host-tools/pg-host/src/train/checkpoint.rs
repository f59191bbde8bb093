//! The state of an unfinished run, in one file that is replaced in one step.
use super::features::Norm;
use super::network::{NAMES, Values};
use super::optimiser::Moments;
use super::options::FLOAT_CHECKPOINT;
use super::recipe::Mode;
use super::tally::Tally;
use crate::model::TrainedMetrics;
use crate::{fsio, tensors};
use anyhow::{Context, Result, ensure};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::path::Path;

const KEY: &str = "pg-checkpoint";

/// What identifies a run and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The recipe, complete.
    pub recipe: String,
    /// Labels and number of clips trained on.
    pub labels: Vec<String>,
    /// Clips in the training split.
    pub clips: usize,
    /// Steps done.
    pub step: u64,
    /// Seconds spent, over all resumed runs.
    pub seconds: f64,
    /// The current epoch so far.
    pub tally: Tally,
    /// Epoch and validation result of the best values, if any.
    pub best: Option<(usize, TrainedMetrics)>,
    /// Steps the optimiser has taken, per parameter.
    pub times: Vec<Option<usize>>,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub meta: Meta,
    /// Parameters.
    pub values: Values,
    /// Their running average.
    pub average: Values,
    /// The best average so far.
    pub best: Option<Values>,
    /// State of the optimiser.
    pub moments: Vec<Moments>,
    /// Last hidden and cell states.
    pub state: Option<(Vec<f32>, Vec<f32>)>,
    /// Normalisation of the features.
    pub norm: Norm,
}

/// Writes the bytes of a checkpoint; an earlier one stays if that fails.
pub(in crate::train) fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    fsio::write_atomic(path, bytes).context("cannot write the checkpoint; the last one is kept")
}

/// Reads a checkpoint of either kind; `None` when there is none.
pub(in crate::train) fn load<C>(
    path: &Path,
    from_bytes: impl FnOnce(&[u8]) -> Result<C>,
) -> Result<Option<C>> {
    let bytes = fsio::read_if_there(path)
        .with_context(|| format!("cannot read the checkpoint {}", path.display()))?;
    let checkpoint = bytes.map(|bytes| from_bytes(&bytes)).transpose();
    checkpoint.with_context(|| {
        format!(
            "the checkpoint {} is damaged or of another version; remove it and train anew",
            path.display()
        )
    })
}

/// The end of the floating-point part of the run in `from`.
pub(in crate::train) fn float_part<C>(
    from: &Path,
    load: impl FnOnce(&Path) -> Result<Option<C>>,
) -> Result<C> {
    let path = from.join(FLOAT_CHECKPOINT);
    load(&path)?.with_context(|| {
        format!(
            "{} does not exist: it is written when a run with quantised epochs reaches them",
            path.display()
        )
    })
}

/// Refuses the floating-point part of the run in `from` where it is not the
/// `same` as this run's, which has to be quantised.
pub(in crate::train) fn ensure_float_part(from: &Path, same: bool, mode: Mode) -> Result<()> {
    ensure!(
        same && mode != Mode::Float,
        "the run in {} differs in what its float epochs read, or this one is not quantised: \
         train it in full",
        from.display()
    );
    Ok(())
}

impl Checkpoint {
    /// Writes the checkpoint.
    ///
    /// # Errors
    /// When the file cannot be written; an earlier one is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut list: Vec<(String, &[f32])> = Vec::new();
        let sets = [
            ("value", Some(&self.values)),
            ("average", Some(&self.average)),
            ("best", self.best.as_ref()),
        ];
        for (prefix, values) in sets {
            for (name, v) in NAMES.iter().zip(values.into_iter().flatten()) {
                list.push((format!("{prefix}.{name}"), v));
            }
        }
        for (name, moments) in NAMES.iter().zip(&self.moments) {
            if let Some((_, m1, m2)) = moments {
                list.push((format!("moment1.{name}"), m1));
                list.push((format!("moment2.{name}"), m2));
            }
        }
        if let Some((hidden, cell)) = &self.state {
            list.push(("state.hidden".into(), hidden));
            list.push(("state.cell".into(), cell));
        }
        list.push(("norm.mean".into(), &self.norm.mean));
        list.push(("norm.std".into(), &self.norm.std));
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
        let set = |prefix: &str| {
            NAMES
                .iter()
                .map(|n| get(&format!("{prefix}.{n}")))
                .collect::<Result<Values>>()
        };
        let moments = NAMES
            .iter()
            .zip(&meta.times)
            .map(|(name, time)| {
                time.map(|t| {
                    Ok((
                        t,
                        get(&format!("moment1.{name}"))?,
                        get(&format!("moment2.{name}"))?,
                    ))
                })
                .transpose()
            })
            .collect::<Result<_>>()?;
        let state = match get("state.hidden") {
            Ok(hidden) => Some((hidden, get("state.cell")?)),
            Err(_) => None,
        };
        Ok(Self {
            values: set("value")?,
            average: set("average")?,
            best: if meta.best.is_some() {
                Some(set("best")?)
            } else {
                None
            },
            moments,
            state,
            norm: Norm {
                mean: get("norm.mean")?,
                std: get("norm.std")?,
            },
            meta,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_survives_a_round_trip_and_damage_is_named() {
        let values: Values = (0..NAMES.len())
            .map(|k| vec![k as f32 + 0.1; k + 1])
            .collect();
        let checkpoint = Checkpoint {
            meta: Meta {
                recipe: "r".into(),
                labels: vec!["a".into()],
                clips: 3,
                step: 17,
                seconds: 0.1 + 0.2,
                tally: Tally::default(),
                best: Some((
                    2,
                    TrainedMetrics {
                        accuracy: 1.0 / 3.0,
                        ..TrainedMetrics::default()
                    },
                )),
                times: (0..NAMES.len()).map(|k| (k != 3).then_some(5)).collect(),
            },
            average: values.clone(),
            best: Some(values.clone()),
            moments: (0..NAMES.len())
                .map(|k| (k != 3).then(|| (5, vec![0.5; k + 1], vec![0.25; k + 1])))
                .collect(),
            state: Some((vec![1.0, 2.0], vec![3.0])),
            norm: Norm {
                mean: vec![1.0],
                std: vec![2.0],
            },
            values,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        assert!(Checkpoint::load(&path).unwrap().is_none());
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap().unwrap(), checkpoint);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = format!("{:#}", Checkpoint::load(&path).unwrap_err());
        assert!(error.contains("remove it and train anew"), "{error}");
    }
}
