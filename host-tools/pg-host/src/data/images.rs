//! Labelled images in memory.

/// Images of one size, three bytes a pixel (red, green, blue), row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<usize>,
}

impl Images {
    /// None yet, of height, width and channels `shape`.
    #[must_use]
    pub fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            ..Self::default()
        }
    }

    /// Adds an image. Fewer bytes than an image has are filled up with zeros,
    /// more are ignored.
    pub fn push(&mut self, pixels: impl IntoIterator<Item = u8>, label: usize) {
        self.labels.push(label);
        let size: usize = self.shape.iter().product();
        self.pixels.extend(pixels.into_iter().take(size));
        self.pixels.resize(self.labels.len() * size, 0);
    }

    /// Height, width, channels.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
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
    /// # Panics
    /// When there is no such image.
    #[must_use]
    pub fn pixels(&self, k: usize) -> &[u8] {
        let size: usize = self.shape.iter().product();
        &self.pixels[k * size..][..size]
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
