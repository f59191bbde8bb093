//! Replacing single values of a recipe.
use super::fields::Recipe;
use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Recipe {
    /// The recipe with single values replaced, each given as `key=value` with
    /// a dotted key (`gate.threshold=0.3`).
    ///
    /// # Errors
    /// Names the override that does not fit.
    pub fn with_overrides<S: AsRef<str>>(&self, overrides: &[S]) -> Result<Self> {
        let recipe: Self = overridden(self, overrides)?;
        recipe.check()?;
        Ok(recipe)
    }
}

/// Any recipe with single values replaced; its values are not checked yet.
pub(in crate::train) fn overridden<R: Serialize + DeserializeOwned, S: AsRef<str>>(
    recipe: &R,
    overrides: &[S],
) -> Result<R> {
    let mut table = toml::Table::try_from(recipe).context("cannot represent the recipe")?;
    for item in overrides {
        let item = item.as_ref();
        let (key, value) = item
            .split_once('=')
            .with_context(|| format!("write the override {item:?} as key=value"))?;
        set(&mut table, key.trim(), value.trim())
            .with_context(|| format!("the recipe has no place for {item:?}"))?;
    }
    table
        .try_into()
        .context("an override does not fit the recipe")
}

/// Replaces the value at a dotted `key`, which must exist.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<()> {
    if let Some((head, rest)) = key.split_once('.') {
        let inner = table.get_mut(head).and_then(toml::Value::as_table_mut);
        return set(
            inner.with_context(|| format!("no section {head}"))?,
            rest,
            value,
        );
    }
    let old = table.get(key).with_context(|| format!("no key {key}"))?;
    // A bare word is a string: mode=uniform needs no quotes.
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let new = match (old, parsed) {
        (toml::Value::Float(_), toml::Value::Integer(i)) => toml::Value::Float(i as f64),
        (_, new) => new,
    };
    table.insert(key.into(), new);
    Ok(())
}
