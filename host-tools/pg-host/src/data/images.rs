//! Labelled images, in memory or in files.

use super::Split;
use super::cifar;
#[cfg(feature = "train")]
use super::folder;
use anyhow::{Result, bail, ensure};
use std::borrow::Cow;
use std::path::Path;
#[cfg(feature = "train")]
use std::path::PathBuf;

/// Images of one size, three bytes a pixel (red, green, blue), row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    shape: [usize; 3],
    store: Store,
    labels: Vec<usize>,
}

/// Where the pixels are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// In memory, one image after the other.
    Bytes(Vec<u8>),
    /// In one file each, read when needed.
    #[cfg(feature = "train")]
    Files(Vec<PathBuf>),
}

impl Images {
    /// None yet, of height, width and channels `shape`.
    #[must_use]
    pub fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            store: Store::Bytes(Vec::new()),
            labels: Vec::new(),
        }
    }

    /// Images in files, to be brought to `shape`; with their labels.
    #[cfg(feature = "train")]
    #[must_use]
    pub fn from_files(shape: [usize; 3], files: Vec<(PathBuf, usize)>) -> Self {
        let (files, labels) = files.into_iter().unzip();
        Self {
            shape,
            store: Store::Files(files),
            labels,
        }
    }

    /// Adds an image to those in memory. Fewer bytes than an image has are
    /// filled up with zeros, more are ignored.
    pub(crate) fn push(&mut self, pixels: impl IntoIterator<Item = u8>, label: usize) {
        let size: usize = self.shape.iter().product();
        match &mut self.store {
            Store::Bytes(bytes) => {
                self.labels.push(label);
                bytes.extend(pixels.into_iter().take(size));
                bytes.resize(self.labels.len() * size, 0);
            }
            #[cfg(feature = "train")]
            Store::Files(_) => {}
        }
    }

    /// Height, width, channels.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Where the pixels are.
    #[cfg(feature = "train")]
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Label of every image.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Bytes of image `k`.
    ///
    /// # Errors
    /// When its file cannot be read.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn pixels(&self, k: usize) -> Result<Cow<'_, [u8]>> {
        let size: usize = self.shape.iter().product();
        match &self.store {
            Store::Bytes(bytes) => Ok(Cow::Borrowed(&bytes[k * size..][..size])),
            #[cfg(feature = "train")]
            Store::Files(files) => {
                let [height, width, _] = self.shape;
                super::folder::read(&files[k], height, width).map(Cow::Owned)
            }
        }
    }
}

/// A data set of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// Labels in the order of a model's outputs.
    pub labels: Vec<String>,
    /// For fitting.
    pub train: Images,
    /// Held out.
    pub test: Images,
}

impl ImageSet {
    /// The pictures of a split.
    ///
    /// # Errors
    /// For [`Split::Valid`]: pictures have none.
    pub fn split(&self, split: Split) -> Result<&Images> {
        match split {
            Split::Train => Ok(&self.train),
            Split::Test => Ok(&self.test),
            Split::Valid => bail!("pictures have no split valid: choose train or test"),
        }
    }
}

/// Opens pictures, whatever their kind: a directory with CIFAR-10's binary
/// batches, one such file (its pictures are the test split), or folders with a JPEG a picture, brought to `size` rows and columns and
/// `margin` more on every side.
///
/// # Errors
/// When it is neither, or cannot be read.
pub fn open(path: &Path, size: usize, margin: usize) -> Result<ImageSet> {
    #[cfg(not(feature = "train"))]
    let _ = margin;
    #[cfg(feature = "train")]
    if folder::recognises(path) {
        return folder::open(path, size + 2 * margin);
    }
    let set = if path.is_file() {
        cifar::read_file(path)?
    } else if cifar::FILES.iter().any(|(f, _)| path.join(f).exists()) {
        cifar::read(path)?
    } else {
        bail!(
            "{} has neither data_batch_1.bin (`pg-host data cifar10 --out DIR` makes such a \
             directory) nor folders train/CLASS and val/CLASS with .jpg files",
            path.display()
        );
    };
    let [height, width, _] = set.test.shape();
    ensure!(
        height >= size && width >= size,
        "the network reads {size} x {size} pixels, the images in {} have {height} x {width}",
        path.display()
    );
    Ok(set)
}
