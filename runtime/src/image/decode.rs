//! From layer records to layers: cheap views for every step, and the full
//! validation that runs once.

use super::bytes::Bytes;
use super::record::{
    LayerRecord, MAX_BIAS, MAX_COLUMNS, MAX_OUTPUTS, MAX_THRESHOLD, MAX_WINDOW, kind, layout,
    output,
};
use crate::error::{ImageError, LayerField};
use crate::gate::{Gate, GateKind};
use crate::kernels::{PANEL, PanelColumn};
use crate::layers::{AttentionPool, Dense, DenseOutput, Layer, Lstm, MeanPool};
use crate::quant::Split;

/// Reads a record as a layer. Every slice is in bounds and of the right
/// length; the numbers inside are not looked at.
pub(super) fn layer<'a>(
    bytes: Bytes<'a>,
    index: u16,
    r: &LayerRecord,
) -> Result<Layer<'a>, ImageError> {
    match r.kind {
        kind::LSTM => lstm(bytes, index, r).map(Layer::Lstm),
        kind::DENSE => dense(bytes, index, r).map(Layer::Dense),
        kind::MEAN_POOL => {
            pool(index, r, 0).map(|(width, window)| Layer::MeanPool(MeanPool { width, window }))
        }
        kind::ATTENTION_POOL => pool(index, r, 1)
            .map(|(classes, window)| Layer::AttentionPool(AttentionPool { classes, window })),
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

fn lstm<'a>(bytes: Bytes<'a>, index: u16, r: &LayerRecord) -> Result<Lstm<'a>, ImageError> {
    let (inputs, hidden) = (usize::from(r.inputs), usize::from(r.outputs));
    let (rows, columns) = (4 * hidden, inputs + hidden);
    if inputs == 0 || hidden == 0 || columns > MAX_COLUMNS || rows > MAX_OUTPUTS {
        return Err(invalid(index, LayerField::Width));
    }
    if r.output != output::DEFAULT || r.output_bits != 0 || r.window != 0 || r.signed != 1 {
        return Err(invalid(index, LayerField::Reserved));
    }
    let row_copy = match r.layout {
        layout::PANELS if r.row_copy == 0 => None,
        layout::PANELS_AND_ROWS => Some(bytes.slice(r.row_copy, rows * columns)?),
        _ => return Err(invalid(index, LayerField::Layout)),
    };
    Ok(Lstm {
        inputs,
        hidden,
        split: split(index, r)?,
        gate: gate(bytes, index, r, rows)?,
        panels: bytes.slice::<PanelColumn>(r.weights, rows.div_ceil(PANEL) * columns)?,
        rows: row_copy,
        bias: bytes.slice(r.bias, rows)?,
        requant: bytes.slice(r.requant, rows)?,
        hidden_requant: r.hidden_requant,
    })
}

fn dense<'a>(bytes: Bytes<'a>, index: u16, r: &LayerRecord) -> Result<Dense<'a>, ImageError> {
    let (inputs, outputs) = (usize::from(r.inputs), usize::from(r.outputs));
    if inputs == 0 || outputs == 0 || inputs > MAX_COLUMNS || outputs > MAX_OUTPUTS {
        return Err(invalid(index, LayerField::Width));
    }
    if r.layout != layout::ROWS || r.row_copy != 0 {
        return Err(invalid(index, LayerField::Layout));
    }
    if r.window != 0 {
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
        weights: bytes.slice(r.weights, outputs * inputs)?,
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
    let check = |ok: bool, field| {
        if ok {
            Ok(())
        } else {
            Err(invalid(index, field))
        }
    };
    check(r.reserved == [0; 2], LayerField::Reserved)?;
    let (gate, bias, requant) = match layer {
        Layer::Lstm(l) => {
            let weights = l.panels.as_flattened();
            check(!weights.contains(&i8::MIN), LayerField::Weight)?;
            check(l.padding_is_zero(), LayerField::Weight)?;
            check(l.row_copy_agrees(), LayerField::Weight)?;
            check(l.hidden_requant.is_valid(), LayerField::Requant)?;
            (&l.gate, l.bias, l.requant)
        }
        Layer::Dense(l) => {
            check(!l.weights.contains(&i8::MIN), LayerField::Weight)?;
            check(r.hidden_requant == Default::default(), LayerField::Reserved)?;
            (&l.gate, l.bias, l.requant)
        }
        Layer::MeanPool(_) | Layer::AttentionPool(_) => return Ok(()),
    };
    let threshold_range = match gate.kind() {
        GateKind::Within => 0..=MAX_THRESHOLD,
        _ => -MAX_THRESHOLD..=MAX_THRESHOLD,
    };
    let thresholds_in = gate
        .thresholds()
        .iter()
        .all(|t| threshold_range.contains(t));
    check(thresholds_in, LayerField::Threshold)?;
    let bias_in = bias.iter().all(|b| b.unsigned_abs() <= MAX_BIAS as u32);
    check(bias_in, LayerField::Bias)?;
    check(requant.iter().all(|q| q.is_valid()), LayerField::Requant)
}
