//! The model image of a language model, at work on this host.

use super::export::export;
use super::model::LanguageModel;
use super::vocabulary::Vocabulary;
use crate::export::{ExportOptions, Gates};
use crate::image::ImageBytes;
use anyhow::{Context, Result, bail, ensure};
use pg_runtime::image::Image;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::{Dense, Embedding, Layer, Lstm};

/// An image laid out for this host, and its words.
#[derive(Clone, Debug)]
pub struct LanguageImage {
    vocabulary: Vocabulary,
    bytes: ImageBytes,
}

impl LanguageImage {
    /// Takes an image of any target.
    ///
    /// # Errors
    /// If it is not of a language model.
    pub fn new(bytes: ImageBytes) -> Result<Self> {
        Ok(Self {
            vocabulary: vocabulary(&bytes.image_of_any_target()?)?,
            bytes: bytes.for_target(Selected::TARGET)?,
        })
    }

    /// Exports a trained model.
    ///
    /// # Errors
    /// As [`export`].
    pub fn of(model: &LanguageModel, gates: Gates) -> Result<Self> {
        let options = ExportOptions {
            gates,
            target: Selected::TARGET,
            ..ExportOptions::default()
        };
        Self::new(export(model, &options)?)
    }

    /// The words.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The image.
    #[must_use]
    pub fn bytes(&self) -> &ImageBytes {
        &self.bytes
    }
}

/// The words of an image, which are its tokens and its outputs.
///
/// # Errors
/// If it is not of a language model.
pub fn vocabulary(image: &Image<'_>) -> Result<Vocabulary> {
    let tokens = image
        .tokens()
        .context("the image reads no words: it is not of a language model")?;
    ensure!(
        tokens == image.classes(),
        "the image reads {tokens} words and answers with {} classes: it is not of a language model",
        image.classes()
    );
    Vocabulary::new(image.labels().map(str::to_owned).collect())
        .context("the labels of the image are not the words of a language model")
}

/// The layers of a language model.
///
/// # Errors
/// If they are others.
pub(super) fn layers<'a>(image: &Image<'a>) -> Result<(Embedding<'a>, Lstm<'a>, Dense<'a>)> {
    let layers: Vec<Layer<'_>> = image.layers().collect();
    match layers[..] {
        [Layer::Embedding(e), Layer::Lstm(l), Layer::Dense(d)] => Ok((e, l, d)),
        _ => bail!("the image is not an embedding, an LSTM and a projection"),
    }
}
