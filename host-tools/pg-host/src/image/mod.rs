//! Model images on the host: reading, and building from integer parameters.

mod build;
mod spec;

pub use build::build;
pub use spec::{
    AudioSpec, DenseSpec, GateSpec, ImageSpec, LayerSpec, LstmSpec, PoolSpec, WeightCopies,
};

use anyhow::{Context, Result};
use pg_runtime::image::Image;
use std::path::Path;
use zerocopy::IntoBytes;

/// The bytes of an image, aligned as the runtime wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBytes {
    words: Vec<u32>,
    length: usize,
}

impl ImageBytes {
    /// Copies bytes into aligned storage. They are not looked at.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0u32; bytes.len().div_ceil(4)];
        words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self {
            words,
            length: bytes.len(),
        }
    }

    /// Reads a file and checks that it is an image this runtime can run.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a valid image.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the model image {}", path.display()))?;
        let bytes = Self::new(&bytes);
        bytes
            .image()
            .with_context(|| format!("{} is not a usable model image", path.display()))?;
        Ok(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.words.as_bytes()[..self.length]
    }

    /// The validated image.
    ///
    /// # Errors
    ///
    /// The runtime's own [`pg_runtime::error::ImageError`].
    pub fn image(&self) -> Result<Image<'_>> {
        Ok(Image::parse(self.as_bytes())?)
    }
}
