//! Ranges of a recipe's values; an error names the key and what to use.
use super::fields::Mode;
use crate::model::GateGroup;
use anyhow::{Result, ensure};

/// From 0 to 1.
pub(in crate::train) fn unit(name: &str, v: f64) -> Result<()> {
    ensure!(
        (0.0..=1.0).contains(&v),
        "{name} = {v}: use a number from 0 to 1"
    );
    Ok(())
}

/// Above 0.
pub(in crate::train) fn positive(name: &str, v: f64) -> Result<()> {
    ensure!(
        v > 0.0 && v.is_finite(),
        "{name} = {v}: use a number above 0"
    );
    Ok(())
}

/// From `low` to `high`.
pub(in crate::train) fn whole(name: &str, v: usize, low: usize, high: usize) -> Result<()> {
    ensure!(
        (low..=high).contains(&v),
        "{name} = {v}: use {low} to {high}"
    );
    Ok(())
}

/// The bits of codes, of their prediction digit, and of weights.
pub(in crate::train) fn bits(activation: u8, msb: u8, weight: u8) -> Result<()> {
    whole("model.activation_bits", activation.into(), 2, 8)?;
    whole("model.msb_bits", msb.into(), 1, activation.into())?;
    ensure!(
        matches!(weight, 4 | 8),
        "model.weight_bits = {weight}: use 4 or 8"
    );
    Ok(())
}

/// Epochs of the floating-point and of the quantised part.
pub(in crate::train) fn epochs(mode: Mode, float: usize, quantised: usize) -> Result<()> {
    ensure!(
        float + quantised > 0,
        "training.float_epochs and training.quantised_epochs are both 0: nothing to train"
    );
    ensure!(
        mode == Mode::Float || quantised > 0,
        "training.quantised_epochs = 0: only mode = \"float\" can do without"
    );
    Ok(())
}

/// Hidden units, of which some open their gates together.
pub(in crate::train) fn units(hidden: usize, group: GateGroup) -> Result<()> {
    let units = group.units().unwrap_or(1);
    ensure!(
        hidden.is_multiple_of(units),
        "gate.group covers {units} units: use a model.hidden that is a multiple of it, not {hidden}"
    );
    Ok(())
}
