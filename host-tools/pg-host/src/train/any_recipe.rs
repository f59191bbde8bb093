//! A recipe of any kind.
use super::image::ImageRecipe;
use super::image::recipe::BUILT_IN;
use super::language::LanguageRecipe;
use super::language::recipe::BUILT_IN as LANGUAGE;
use super::recipe::Recipe;
use anyhow::{Context, Result};

/// A recipe: of a keyword model, of an image network, which names one, or of a
/// language model, which has a text.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyRecipe {
    /// Keyword spotting.
    Kws(Box<Recipe>),
    /// An image network.
    Image(Box<ImageRecipe>),
    /// A language model.
    Language(Box<LanguageRecipe>),
}

impl AnyRecipe {
    /// A built-in recipe, or the one in the file `name`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a valid recipe.
    pub fn named(name: &str) -> Result<Self> {
        if name == "kws" {
            return Ok(Self::Kws(Box::new(Recipe::kws()?)));
        }
        if name == LANGUAGE.0 {
            return Ok(Self::Language(Box::new(LanguageRecipe::parse(LANGUAGE.1)?)));
        }
        if let Some((_, text)) = BUILT_IN.iter().find(|b| b.0 == name) {
            return Ok(Self::Image(Box::new(ImageRecipe::parse(text)?)));
        }
        let text = std::fs::read_to_string(name).with_context(|| {
            let names = BUILT_IN.map(|b| b.0).join(", ");
            format!(
                "cannot read the recipe {name}; give the path of a TOML file, or a built-in one: \
                 kws, {names}, {}",
                LANGUAGE.0
            )
        })?;
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        let recipe = if table.contains_key("network") {
            ImageRecipe::parse(&text).map(|r| Self::Image(Box::new(r)))
        } else if table.contains_key("text") {
            LanguageRecipe::parse(&text).map(|r| Self::Language(Box::new(r)))
        } else {
            Recipe::parse(&text).map(|r| Self::Kws(Box::new(r)))
        };
        recipe.with_context(|| format!("{name} is not a valid recipe"))
    }

    /// The recipe with single values replaced, each given as `key=value`.
    ///
    /// # Errors
    /// Names the override that does not fit.
    pub fn with_overrides<S: AsRef<str>>(&self, overrides: &[S]) -> Result<Self> {
        Ok(match self {
            Self::Kws(r) => Self::Kws(Box::new(r.with_overrides(overrides)?)),
            Self::Image(r) => Self::Image(Box::new(r.with_overrides(overrides)?)),
            Self::Language(r) => Self::Language(Box::new(r.with_overrides(overrides)?)),
        })
    }

    /// The recipe as TOML.
    ///
    /// # Errors
    /// None in practice: every field has a TOML form.
    pub fn to_toml(&self) -> Result<String> {
        match self {
            Self::Kws(r) => r.to_toml(),
            Self::Image(r) => r.to_toml(),
            Self::Language(r) => r.to_toml(),
        }
    }
}
