//! Model images on the host: reading, and building from integer parameters.

mod build;
mod spec;
mod unpack;
mod unpack_maps;

pub use build::build;
pub use spec::{
    AudioSpec, ConvSpec, DenseSpec, DepthwiseSpec, EmbeddingSpec, GateSpec, GraphSpec, ImageSpec,
    LayerSpec, LstmGateSpec, LstmSpec, MapChannels, MapLayerSpec, MapOpSpec, PoolSpec,
    ResidualSpec, TestSpec, WeightCopies,
};
pub use unpack::unpack;

use anyhow::{Context, Result};
use pg_runtime::image::Image;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::Layer;
use pg_runtime::layout::{Target, WeightBits};
use std::path::Path;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The bytes of an image, aligned as the kernels of every target like them
/// ([`Target::alignment`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBytes {
    lines: Vec<Line>,
    length: usize,
}

/// A line of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl ImageBytes {
    /// Copies bytes into aligned storage. They are not looked at.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut lines = vec![Line([0; 64]); bytes.len().div_ceil(64)];
        lines.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self {
            lines,
            length: bytes.len(),
        }
    }

    /// Reads a file and checks that it is an image, of whatever target.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a valid image.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the model image {}", path.display()))?;
        let bytes = Self::new(&bytes);
        bytes
            .image_of_any_target()
            .with_context(|| format!("{} is not a usable model image", path.display()))?;
        Ok(bytes)
    }

    /// Reads a file as [`Self::read`] and lays it out for this host.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_for_host(path: &Path) -> Result<Self> {
        Self::read(path)?.for_target(Selected::TARGET)
    }

    /// The same model laid out for a target.
    ///
    /// # Errors
    ///
    /// If the bytes are not a valid image.
    pub fn for_target(self, target: Target) -> Result<Self> {
        if self.image_of_any_target()?.target() == target {
            return Ok(self);
        }
        build(&unpack(&self.image_of_any_target()?), target)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.lines.as_bytes()[..self.length]
    }

    /// The validated image, whatever target it is laid out for: to be looked
    /// at, not to be run.
    ///
    /// # Errors
    ///
    /// The runtime's own [`pg_runtime::error::ImageError`].
    pub fn image_of_any_target(&self) -> Result<Image<'_>> {
        Ok(Image::parse_any(self.as_bytes())?)
    }

    /// Whether a layer's weights have four bits: firmware needs the runtime's
    /// feature `weights4` for it.
    ///
    /// # Errors
    ///
    /// As [`Self::image_of_any_target`].
    pub fn has_packed_weights(&self) -> Result<bool> {
        let image = self.image_of_any_target()?;
        let packed = image.layers().any(|layer| match layer {
            Layer::Lstm(l) => l.weights().bits() == WeightBits::Four,
            Layer::Dense(l) => l.weights().bits() == WeightBits::Four,
            Layer::MeanPool(_) | Layer::AttentionPool(_) | Layer::Embedding(_) | Layer::Map(_) => {
                false
            }
        });
        Ok(packed)
    }

    /// The validated image, laid out for this host.
    ///
    /// # Errors
    ///
    /// The runtime's own [`pg_runtime::error::ImageError`].
    pub fn image(&self) -> Result<Image<'_>> {
        Ok(Image::parse(self.as_bytes())?)
    }
}
