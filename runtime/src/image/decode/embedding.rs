//! Embeddings.

use super::invalid;
use crate::error::{ImageError, LayerField};
use crate::image::bytes::Bytes;
use crate::image::record::{LayerRecord, MAX_OUTPUTS, MAX_TOKENS};
use crate::layers::Embedding;

/// Reads the record of an embedding; the codes are not looked at.
pub(super) fn layer<'a>(
    bytes: Bytes<'a>,
    index: u16,
    r: &LayerRecord,
) -> Result<Embedding<'a>, ImageError> {
    let (tokens, width) = (usize::from(r.inputs), usize::from(r.outputs));
    if tokens == 0 || width == 0 || tokens > MAX_TOKENS || width > MAX_OUTPUTS {
        return Err(invalid(index, LayerField::Width));
    }
    let bare = LayerRecord {
        kind: r.kind,
        bits: r.bits,
        signed: 1,
        inputs: r.inputs,
        outputs: r.outputs,
        rows: r.rows,
        ..LayerRecord::default()
    };
    if *r != bare {
        return Err(invalid(index, LayerField::Reserved));
    }
    if !r.rows.is_multiple_of(16) {
        return Err(ImageError::Section { offset: r.rows });
    }
    Ok(Embedding {
        tokens,
        width,
        bits: r.bits,
        table: bytes.slice(r.rows, tokens * width)?,
    })
}
