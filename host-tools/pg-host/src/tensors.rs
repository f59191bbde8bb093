//! Safetensors files as this tool writes them: tensors in single precision, and
//! what they are as JSON, under a key of the file's metadata.

use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;

/// The bytes of a file of `tensors`: name, shape, numbers.
///
/// # Errors
/// If a shape does not have as many numbers as are given, or a name stands twice.
pub fn write<'t>(
    key: &str,
    meta: &impl Serialize,
    tensors: impl IntoIterator<Item = (&'t str, Vec<usize>, &'t [f32])>,
) -> Result<Vec<u8>> {
    let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = (tensors.into_iter())
        .map(|(name, shape, v)| {
            (
                name,
                shape,
                v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = (tensors.iter())
        .map(|(name, shape, b)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), b)?)))
        .collect::<Result<Vec<_>>>()?;
    let meta = HashMap::from([(key.to_owned(), serde_json::to_string(meta)?)]);
    Ok(serialize(views, Some(meta))?)
}

/// What stands under a key of a file's metadata; `None` if nothing does.
///
/// # Errors
/// If the bytes are no safetensors file.
pub fn metadata(bytes: &[u8], key: &str) -> Result<Option<String>> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    Ok((header.metadata().as_ref()).and_then(|m| m.get(key).cloned()))
}

/// The numbers of a tensor.
///
/// # Errors
/// If there is none of that name, or it is not in single precision.
pub fn numbers(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>> {
    let view = tensors.tensor(name)?;
    ensure!(view.dtype() == Dtype::F32, "tensor {name} is not f32");
    let (words, _) = view.data().as_chunks();
    Ok(words.iter().map(|&b| f32::from_le_bytes(b)).collect())
}

/// Whether something stands under a key of a file's metadata.
pub fn has(bytes: &[u8], key: &str) -> bool {
    metadata(bytes, key).is_ok_and(|meta| meta.is_some())
}

/// Reads the file of a trained model of some `kind`: "a model", say.
///
/// # Errors
/// If the file cannot be read, or `from_bytes` refuses it.
pub fn load<M>(path: &Path, kind: &str, from_bytes: impl FnOnce(&[u8]) -> Result<M>) -> Result<M> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the trained model {}", path.display()))?;
    from_bytes(&bytes).with_context(|| {
        format!(
            "{} is not {kind} that `pg-host train` wrote",
            path.display()
        )
    })
}

/// What a trained model's file says of it under a key, and its tensors.
///
/// # Errors
/// If the bytes are no such file.
pub fn open<'b, T: DeserializeOwned>(bytes: &'b [u8], key: &str) -> Result<(T, SafeTensors<'b>)> {
    let meta = metadata(bytes, key)?.context("it has no metadata of ours")?;
    let meta = serde_json::from_str(&meta).context("its metadata is of another version")?;
    Ok((meta, SafeTensors::deserialize(bytes)?))
}

/// Checks the length of a trained model's tensor, and every number for being
/// finite.
///
/// # Errors
/// Names the tensor.
pub fn check(name: &str, values: &[f32], expected: usize) -> Result<()> {
    ensure!(
        values.len() == expected,
        "tensor {name} has {} numbers where {expected} are expected",
        values.len()
    );
    ensure!(
        values.iter().all(|v| v.is_finite()),
        "tensor {name} holds a number that is not finite: the training diverged; \
         lower the learning rate and train again"
    );
    Ok(())
}
