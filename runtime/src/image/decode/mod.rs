//! From layer records to layers: cheap views for every step, and the full
//! validation that runs once.

#[cfg(feature = "embedding")]
mod embedding;
#[cfg(feature = "conv")]
mod maps;

use super::Source;
use super::bytes::Bytes;
use super::record::{
    LayerRecord, MAX_BIAS, MAX_COLUMNS, MAX_OUTPUTS, MAX_THRESHOLD, MAX_WINDOW, kind, layout,
    output,
};
use crate::error::{ImageError, LayerField};
use crate::gate::{Gate, GateKind};
use crate::kernels::cell;
use crate::layers::{AttentionPool, Dense, DenseOutput, Layer, Lstm, LstmGate, MeanPool};
use crate::layout::{ImageWeights, Matrix, WeightBits};
use crate::quant::Split;

/// Reads a record as a layer. Every slice is in bounds and of the right
/// length; the numbers inside are not looked at.
pub(super) fn layer<'a>(
    source: Source<'a>,
    index: u16,
    r: &LayerRecord,
) -> Result<Layer<'a>, ImageError> {
    let bytes = source.bytes;
    match r.kind {
        kind::LSTM => lstm(bytes, index, r).map(Layer::Lstm),
        kind::DENSE => dense(bytes, index, r).map(Layer::Dense),
        kind::MEAN_POOL => {
            pool(index, r, 0).map(|(width, window)| Layer::MeanPool(MeanPool { width, window }))
        }
        kind::ATTENTION_POOL => pool(index, r, 1)
            .map(|(classes, window)| Layer::AttentionPool(AttentionPool { classes, window })),
        #[cfg(feature = "embedding")]
        kind::EMBEDDING => embedding::layer(bytes, index, r).map(Layer::Embedding),
        #[cfg(not(feature = "embedding"))]
        kind::EMBEDDING => Err(ImageError::Embedding { layer: index }),
        #[cfg(feature = "conv")]
        kind::CONV..=kind::AVERAGE_POOL => {
            let graph = source.graph.ok_or(ImageError::Chain { layer: index })?;
            maps::layer(bytes, graph, index, r).map(Layer::Map)
        }
        tag => Err(ImageError::UnknownLayer { layer: index, tag }),
    }
}

fn invalid(layer: u16, field: LayerField) -> ImageError {
    ImageError::Layer { layer, field }
}

fn split(index: u16, r: &LayerRecord) -> Result<Split, ImageError> {
    let split = if r.signed > 1 {
        None
    } else {
        Split::new(r.bits, r.msb_bits, r.signed == 1)
    };
    split.ok_or(invalid(index, LayerField::Split))
}

fn gate<'a>(
    bytes: Bytes<'a>,
    index: u16,
    r: &LayerRecord,
    rows: usize,
) -> Result<Gate<'a>, ImageError> {
    let kind = GateKind::from_tag(r.gate)?;
    if kind == GateKind::Open {
        let gate = Gate {
            kind,
            block: 1,
            thresholds: &[],
        };
        return if r.gate_block == 0 && r.thresholds == 0 {
            Ok(gate)
        } else {
            Err(invalid(index, LayerField::Threshold))
        };
    }
    let block = usize::from(r.gate_block);
    if block == 0 || block > rows {
        return Err(invalid(index, LayerField::Threshold));
    }
    Ok(Gate {
        kind,
        block,
        thresholds: bytes.slice(r.thresholds, rows.div_ceil(block))?,
    })
}

/// The weights of a layer in the copies its layout tag names.
fn matrix<'a>(
    bytes: Bytes<'a>,
    index: u16,
    r: &LayerRecord,
    rows: usize,
    columns: usize,
) -> Result<Matrix<'a>, ImageError> {
    let (panels, kept_rows) = match r.layout {
        layout::ROWS => (false, true),
        layout::PANELS => (true, false),
        layout::PANELS_AND_ROWS => (true, true),
        _ => return Err(invalid(index, LayerField::Layout)),
    };
    let target = bytes.target.get();
    let width = match r.weight_bits {
        0 => WeightBits::Eight,
        4 => WeightBits::Four,
        _ => return Err(invalid(index, LayerField::Layout)),
    };
    let bits = ImageWeights::new(width).ok_or(ImageError::PackedWeights { layer: index })?;
    let words = |there: bool, offset: u32, count: usize| match (there, offset) {
        (false, 0) => Ok(None),
        (true, 1..) => bytes.slice(offset, count).map(Some),
        _ => Err(invalid(index, LayerField::Layout)),
    };
    Ok(Matrix {
        target: bytes.target,
        bits,
        rows,
        columns,
        panel_words: words(panels, r.panels, target.panel_words(width, rows, columns))?,
        row_words: words(kept_rows, r.rows, target.row_words(width, rows, columns))?,
    })
}

fn lstm<'a>(bytes: Bytes<'a>, index: u16, r: &LayerRecord) -> Result<Lstm<'a>, ImageError> {
    let (inputs, hidden) = (usize::from(r.inputs), usize::from(r.outputs));
    let (rows, columns) = (4 * hidden, inputs + hidden);
    if inputs == 0 || hidden == 0 || columns > MAX_COLUMNS || rows > MAX_OUTPUTS {
        return Err(invalid(index, LayerField::Width));
    }
    if r.output != output::DEFAULT || r.output_bits != 0 || r.window != 0 || r.signed != 1 {
        return Err(invalid(index, LayerField::Reserved));
    }
    let split = split(index, r)?;
    let (_, limit) = split.range();
    let kind = GateKind::from_tag(r.gate)?;
    let (thresholds, groups): (&[i16], &[u16]) = match kind {
        GateKind::Open if r.thresholds == 0 => (&[], &[0]),
        GateKind::Open => return Err(invalid(index, LayerField::Threshold)),
        _ => (bytes.slice(r.thresholds, rows)?, &[1, 4, 8, 16]),
    };
    if !groups.contains(&r.gate_block) {
        return Err(invalid(index, LayerField::Threshold));
    }
    Ok(Lstm {
        inputs,
        hidden,
        split,
        gate: LstmGate {
            kind,
            group: usize::from(r.gate_block.max(1)),
            thresholds,
        },
        weights: matrix(bytes, index, r, rows, columns)?,
        row_sum: r.row_sum,
        bias: bytes.slice(r.bias, rows)?,
        pre: r.pre,
        lift: r.lift,
        cell: cell::Constants {
            mult: bytes.slice(r.requant, rows)?,
            post: r.post,
            hidden: r.hidden_requant,
            limit: limit as i8,
        },
    })
}

fn dense<'a>(bytes: Bytes<'a>, index: u16, r: &LayerRecord) -> Result<Dense<'a>, ImageError> {
    let (inputs, outputs) = (usize::from(r.inputs), usize::from(r.outputs));
    if inputs == 0 || outputs == 0 || inputs > MAX_COLUMNS || outputs > MAX_OUTPUTS {
        return Err(invalid(index, LayerField::Width));
    }
    if r.layout != layout::ROWS {
        return Err(invalid(index, LayerField::Layout));
    }
    if r.window != 0 || r.pre != 0 || r.post != 0 || r.lift != 0 {
        return Err(invalid(index, LayerField::Reserved));
    }
    let codes = |signed| {
        Split::new(r.output_bits, 1, signed)
            .map(|s| DenseOutput::Codes {
                bits: s.bits(),
                signed,
            })
            .ok_or(invalid(index, LayerField::Split))
    };
    let output = match r.output {
        output::DEFAULT if r.output_bits == 0 => DenseOutput::Logits,
        output::UNSIGNED_CODES => codes(false)?,
        output::SIGNED_CODES => codes(true)?,
        _ => return Err(invalid(index, LayerField::Reserved)),
    };
    Ok(Dense {
        inputs,
        outputs,
        split: split(index, r)?,
        gate: gate(bytes, index, r, outputs)?,
        weights: matrix(bytes, index, r, outputs, inputs)?,
        row_sum: r.row_sum,
        bias: bytes.slice(r.bias, outputs)?,
        requant: bytes.slice(r.requant, outputs)?,
        output,
    })
}

/// Classes and window of a pooling layer whose input is `extra` wider.
fn pool(index: u16, r: &LayerRecord, extra: u16) -> Result<(usize, usize), ImageError> {
    let classes = usize::from(r.outputs);
    if classes == 0 || r.outputs.checked_add(extra) != Some(r.inputs) || classes > MAX_OUTPUTS {
        return Err(invalid(index, LayerField::Width));
    }
    if r.window == 0 || r.window > MAX_WINDOW {
        return Err(invalid(index, LayerField::Window));
    }
    // A pooling layer has no parameters: everything else must be zero.
    let bare = LayerRecord {
        kind: r.kind,
        inputs: r.inputs,
        outputs: r.outputs,
        window: r.window,
        ..LayerRecord::default()
    };
    if *r != bare {
        return Err(invalid(index, LayerField::Reserved));
    }
    Ok((classes, usize::from(r.window)))
}

/// Looks at every number of a layer: after this, no step can leave its ranges.
pub(super) fn validate(index: u16, r: &LayerRecord, layer: &Layer<'_>) -> Result<(), ImageError> {
    let fields = match layer {
        Layer::Lstm(l) => lstm_fields(l),
        Layer::Dense(l) => dense_fields(r, l),
        #[cfg(feature = "conv")]
        Layer::Map(l) => maps::fields(r, &l.op),
        #[cfg(feature = "embedding")]
        Layer::Embedding(l) => check(l.is_valid(), LayerField::Code),
        Layer::MeanPool(_) | Layer::AttentionPool(_) => return Ok(()),
    };
    fields.map_err(|field| invalid(index, field))
}

fn check(ok: bool, field: LayerField) -> Result<(), LayerField> {
    if ok { Ok(()) } else { Err(field) }
}

fn biases(bias: &[i32]) -> Result<(), LayerField> {
    let inside = bias.iter().all(|b| b.unsigned_abs() <= MAX_BIAS as u32);
    check(inside, LayerField::Bias)
}

fn lstm_fields(l: &Lstm<'_>) -> Result<(), LayerField> {
    biases(l.bias)?;
    let cell = &l.cell;
    let hidden = cell.hidden;
    let inside = l.pre <= 24 && l.lift <= 15 && cell.post <= 15;
    check(inside, LayerField::Requant)?;
    check(cell.mult.iter().all(|&m| m < 1 << 15), LayerField::Requant)?;
    // A shift of 1 or more: kernels round after one less.
    let shifts = hidden.pre == 0 && hidden.post > 0;
    check(hidden.is_valid() && shifts, LayerField::Requant)?;
    l.validate()
}

fn dense_fields(r: &LayerRecord, l: &Dense<'_>) -> Result<(), LayerField> {
    biases(l.bias)?;
    check(r.hidden_requant == Default::default(), LayerField::Reserved)?;
    check(
        l.weights.validate(|_, _| ()) == Some(l.row_sum),
        LayerField::Weight,
    )?;
    let range = match l.gate.kind() {
        GateKind::Within => 0..=MAX_THRESHOLD,
        _ => -MAX_THRESHOLD..=MAX_THRESHOLD,
    };
    let inside = l.gate.thresholds().iter().all(|t| range.contains(t));
    check(inside, LayerField::Threshold)?;
    check(l.requant.iter().all(|q| q.is_valid()), LayerField::Requant)
}
