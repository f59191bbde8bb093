//! Layers that pass codes and logits: their sections and records.

use super::super::spec::{DenseSpec, EmbeddingSpec, GateSpec, LstmSpec, PoolSpec, WeightCopies};
use super::{Writer, expect, width};
use anyhow::{Result, ensure};
use pg_runtime::gate::GateKind;
use pg_runtime::image::record::{LayerRecord, kind, layout, output};
use pg_runtime::layers::DenseOutput;
use pg_runtime::layout::WeightBits;

/// Kind tag, block and thresholds' offset of a gate.
pub(super) fn write_gate(w: &mut Writer, gate: &GateSpec, rows: usize) -> Result<(u8, u16, u32)> {
    if gate.kind == GateKind::Open {
        expect("thresholds of an open gate", gate.thresholds.len(), 0)?;
        return Ok((gate.kind as u8, 0, 0));
    }
    ensure!(gate.block > 0, "a gate's block cannot be 0 rows");
    expect(
        "thresholds",
        gate.thresholds.len(),
        rows.div_ceil(gate.block),
    )?;
    let offset = w.section(4, gate.thresholds.as_slice());
    Ok((gate.kind as u8, width(gate.block)?, offset))
}

/// Which copies of its weights a layer gets: panels, rows.
fn copies(l: &LstmSpec) -> (bool, bool) {
    let narrow = l.is_narrow();
    // A gate that is always open leaves no digit out: such a layer is dense,
    // unless its digits are all there is.
    let gated = l.gate.kind != GateKind::Open || l.split.shift() == 0;
    match l.copies {
        WeightCopies::Two => (narrow, true),
        WeightCopies::One => (narrow && gated, !(narrow && gated)),
    }
}

pub(super) fn write_lstm(w: &mut Writer, l: &LstmSpec) -> Result<LayerRecord> {
    let (rows, columns) = (4 * l.hidden, l.inputs + l.hidden);
    expect("weights", l.weights.len(), rows * columns)?;
    expect("biases", l.bias.len(), rows)?;
    expect("multipliers", l.mult.len(), rows)?;
    let (gate_block, thresholds) = if l.gate.kind == GateKind::Open {
        expect("thresholds of an open gate", l.gate.thresholds.len(), 0)?;
        (0, 0)
    } else {
        expect("thresholds", l.gate.thresholds.len(), rows)?;
        let offset = w.section(4, l.gate.thresholds.as_slice());
        (width(l.gate.group)?, offset)
    };
    let (panels, kept_rows) = copies(l);
    Ok(LayerRecord {
        kind: kind::LSTM,
        gate: l.gate.kind as u8,
        bits: l.split.bits(),
        msb_bits: l.split.msb_bits(),
        signed: u8::from(l.split.signed()),
        layout: match (panels, kept_rows) {
            (true, true) => layout::PANELS_AND_ROWS,
            (true, false) => layout::PANELS,
            _ => layout::ROWS,
        },
        inputs: width(l.inputs)?,
        outputs: width(l.hidden)?,
        gate_block,
        panels: if panels {
            w.panels(l.weight_bits, &l.weights, rows, columns)
        } else {
            0
        },
        rows: if kept_rows {
            w.rows(l.weight_bits, &l.weights, rows, columns)
        } else {
            0
        },
        bias: w.section(4, l.bias.as_slice()),
        thresholds,
        requant: w.section(4, l.mult.as_slice()),
        hidden_requant: l.hidden_requant,
        row_sum: row_sum(&l.weights, columns),
        pre: l.pre,
        lift: l.lift,
        post: l.post,
        weight_bits: weight_tag(l.weight_bits, &l.weights)?,
        ..LayerRecord::default()
    })
}

/// The record's number of bits of a weight, if the weights have no more.
fn weight_tag(bits: WeightBits, weights: &[i8]) -> Result<u8> {
    let largest = weights.iter().map(|w| u32::from(w.unsigned_abs())).max();
    ensure!(
        largest.unwrap_or(0) <= bits.max(),
        "a weight of magnitude {} does not fit {} bits: train with `--set model.weight_bits={}`, \
         or leave the weights unpacked",
        largest.unwrap_or(0),
        bits.get(),
        bits.get()
    );
    Ok(match bits {
        WeightBits::Eight => 0,
        WeightBits::Four => 4,
    })
}

/// Largest sum of the magnitudes of a row.
pub(super) fn row_sum(weights: &[i8], columns: usize) -> u32 {
    let rows = weights.chunks(columns.max(1));
    rows.map(|r| r.iter().map(|w| u32::from(w.unsigned_abs())).sum())
        .max()
        .unwrap_or(0)
}

pub(super) fn write_dense(w: &mut Writer, l: &DenseSpec) -> Result<LayerRecord> {
    expect("weights", l.weights.len(), l.outputs * l.inputs)?;
    expect("biases", l.bias.len(), l.outputs)?;
    expect("requantisations", l.requant.len(), l.outputs)?;
    let (gate, gate_block, thresholds) = write_gate(w, &l.gate, l.outputs)?;
    let (output, output_bits) = match l.output {
        DenseOutput::Logits => (output::DEFAULT, 0),
        DenseOutput::Codes {
            bits,
            signed: false,
        } => (output::UNSIGNED_CODES, bits),
        DenseOutput::Codes { bits, signed: true } => (output::SIGNED_CODES, bits),
    };
    Ok(LayerRecord {
        kind: kind::DENSE,
        gate,
        bits: l.split.bits(),
        msb_bits: l.split.msb_bits(),
        signed: u8::from(l.split.signed()),
        layout: layout::ROWS,
        output,
        output_bits,
        inputs: width(l.inputs)?,
        outputs: width(l.outputs)?,
        gate_block,
        rows: w.rows(l.weight_bits, &l.weights, l.outputs, l.inputs),
        row_sum: row_sum(&l.weights, l.inputs),
        bias: w.section(4, l.bias.as_slice()),
        thresholds,
        requant: w.section(4, l.requant.as_slice()),
        weight_bits: weight_tag(l.weight_bits, &l.weights)?,
        ..LayerRecord::default()
    })
}

pub(super) fn write_embedding(w: &mut Writer, l: &EmbeddingSpec) -> Result<LayerRecord> {
    expect("codes", l.table.len(), l.tokens * l.width)?;
    Ok(LayerRecord {
        kind: kind::EMBEDDING,
        bits: l.bits,
        signed: 1,
        inputs: width(l.tokens)?,
        outputs: width(l.width)?,
        rows: w.section(w.target.alignment(), l.table.as_slice()),
        ..LayerRecord::default()
    })
}

/// A pooling layer whose input is `extra` wider than its classes.
pub(super) fn pool_record(kind: u8, pool: PoolSpec, extra: usize) -> Result<LayerRecord> {
    Ok(LayerRecord {
        kind,
        inputs: width(pool.classes + extra)?,
        outputs: width(pool.classes)?,
        window: width(pool.window)?,
        ..LayerRecord::default()
    })
}
