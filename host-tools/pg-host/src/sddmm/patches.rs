//! Where the operands of the columns lie.

use super::mask::BLOCK;

/// Where the operands of the columns of a mask lie: `runs` runs of `length`
/// consecutive numbers, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Runs of a patch.
    pub runs: usize,
    /// Numbers of a run.
    pub length: usize,
    /// From run to run.
    pub stride: usize,
    /// Patches of a line, `step` apart.
    pub line: usize,
    /// From patch to patch.
    pub step: usize,
    /// From line to line.
    pub line_stride: usize,
    /// Lines of an image.
    pub lines: usize,
    /// From image to image.
    pub image_stride: usize,
}

impl Patches {
    /// The rows of a matrix of `columns` columns.
    #[must_use]
    pub const fn matrix(columns: usize) -> Self {
        Self {
            runs: 1,
            length: columns,
            stride: 0,
            line: usize::MAX,
            step: columns,
            line_stride: 0,
            lines: 1,
            image_stride: 0,
        }
    }

    /// The patches of a convolution over images of `height` x `width` pixels of
    /// `channels` numbers, padding included, one image after the other: `kernel`
    /// x `kernel` pixels, `stride` apart, pixel after pixel, line after line. The
    /// kernel is no larger than an image.
    #[must_use]
    pub const fn convolution(
        [height, width, channels]: [usize; 3],
        kernel: usize,
        stride: usize,
    ) -> Self {
        Self {
            runs: kernel,
            length: kernel * channels,
            stride: width * channels,
            line: (width - kernel) / stride + 1,
            step: stride * channels,
            line_stride: stride * width * channels,
            lines: (height - kernel) / stride + 1,
            image_stride: height * width * channels,
        }
    }

    /// Numbers of a patch.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.runs * self.length
    }

    /// Where patch `n` starts.
    #[inline(always)]
    pub(super) const fn start(&self, n: usize) -> usize {
        let (line, place) = (n / self.line, n % self.line);
        let (image, line) = (line / self.lines, line % self.lines);
        image * self.image_stride + line * self.line_stride + place * self.step
    }

    /// Numbers that a patch adds to those before it.
    fn added(&self) -> usize {
        let step = self.step.min(self.columns()).max(1);
        match self.line {
            usize::MAX => step,
            line => self.line_stride.div_ceil(line).max(step),
        }
    }
}

/// Where every patch starts: made once for a layer.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) patches: Patches,
    pub(super) starts: Vec<u32>,
    /// Numbers that they lie in.
    pub(super) needed: usize,
}

impl Plan {
    /// A plan for `count` patches.
    #[must_use]
    pub fn new(patches: Patches, count: usize) -> Self {
        let starts: Vec<usize> = (0..count).map(|n| patches.start(n)).collect();
        let patch = (patches.runs.saturating_sub(1))
            .saturating_mul(patches.stride)
            .saturating_add(patches.length);
        let last = starts.iter().max();
        Self {
            patches,
            needed: last.map_or(0, |last| last.saturating_add(patch)),
            starts: starts.into_iter().map(|start| start as u32).collect(),
        }
    }

    /// Number of patches.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.starts.len()
    }

    /// Patches, in whole blocks of the mask and at least one, that lie in so many
    /// numbers.
    pub(super) fn tile(&self, numbers: usize) -> usize {
        (numbers / (self.patches.added() * BLOCK)).max(1) * BLOCK
    }
}
