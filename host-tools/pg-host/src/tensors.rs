//! Safetensors files as this tool writes them: tensors in single precision, and
//! what they are as JSON, under a key of the file's metadata.

use anyhow::{Result, ensure};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::Serialize;
use std::collections::HashMap;

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
