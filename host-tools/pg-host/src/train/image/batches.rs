//! Batches: which images, cropped and flipped how, as codes.
use super::recipe::ImageRecipe;
use crate::data::images::Images;
use crate::data::region::Region;
use crate::network::model::InputCodes;
use crate::train::random::{Purpose, stream, uniform};
use anyhow::Result;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Largest logarithm of width over height of a crop: 4 to 3, either way.
const LOG_ASPECT: f32 = 0.287_682;

/// Makes batches of one split. Everything random is a function of the seed, the
/// epoch and the image, so any step can be made again by itself.
pub struct Batches<'a> {
    images: &'a Images,
    recipe: &'a ImageRecipe,
    tables: [[f32; 256]; 3],
    order: (u64, Vec<usize>),
}

impl<'a> Batches<'a> {
    /// Batches of `images`.
    ///
    /// # Errors
    /// When the normalisation of pixels is out of range.
    pub fn new(images: &'a Images, recipe: &'a ImageRecipe, codes: &InputCodes) -> Result<Self> {
        let norms = codes.norms()?;
        let code = |channel: usize, pixel: usize| {
            let norm = norms.get(channel).copied().unwrap_or_default();
            f32::from(norm.code(pixel as u8))
        };
        Ok(Self {
            images,
            recipe,
            tables: std::array::from_fn(|c| std::array::from_fn(|pixel| code(c, pixel))),
            order: (u64::MAX, Vec::new()),
        })
    }

    /// Steps in an epoch: whole batches only.
    pub fn per_epoch(&self) -> u64 {
        (self.images.len() / self.recipe.training.batch) as u64
    }

    /// Codes `[N, H, W, C]` and labels of training step `step`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn training(&mut self, step: u64) -> Result<(Vec<f32>, Vec<usize>)> {
        let (epoch, within) = (step / self.per_epoch(), step % self.per_epoch());
        if self.order.0 != epoch {
            let mut order: Vec<usize> = (0..self.images.len()).collect();
            let mut rng = stream(self.recipe.seed, Purpose::Batch, epoch);
            order.shuffle(&mut rng);
            self.order = (epoch, order);
        }
        let batch = self.recipe.training.batch;
        let first = within as usize * batch;
        let chosen = &self.order.1[first..first + batch];
        let labels = chosen.iter().map(|k| self.images.labels()[*k]).collect();
        let size = self.size();
        let mut out = vec![0.0; batch * size];
        let each = out.par_chunks_mut(size).zip(chosen);
        each.try_for_each(|(out, k)| {
            let draw = epoch * self.images.len() as u64 + *k as u64;
            let mut rng = stream(self.recipe.seed, Purpose::Clip, draw);
            let pad = self.recipe.augmentation.pad;
            let offset = [0, 1].map(|_| rng.random_range(0..=2 * pad) as isize - pad as isize);
            let flip = rng.random_bool(0.5) && self.recipe.augmentation.flip;
            let [low, high] = self.recipe.augmentation.area;
            if low == 1.0 {
                return self.codes(*k, offset, flip, out);
            }
            let region = Region {
                area: uniform(&mut rng, low, high),
                aspect: uniform(&mut rng, -LOG_ASPECT, LOG_ASPECT).exp(),
                place: [uniform(&mut rng, 0.0, 1.0), uniform(&mut rng, 0.0, 1.0)],
            };
            let side = self.recipe.input.size;
            let pixels = self.images.region(*k, region, side)?;
            self.encode(&pixels, [side, side], [0, 0], flip, out);
            Ok(())
        })?;
        Ok((out, labels))
    }

    /// Codes and labels of images `first..first + n`, as they are.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn plain(&self, first: usize, n: usize) -> Result<(Vec<f32>, Vec<usize>)> {
        let n = n.min(self.images.len() - first);
        let size = self.size();
        let mut out = vec![0.0; n * size];
        out.par_chunks_mut(size)
            .enumerate()
            .try_for_each(|(i, out)| self.codes(first + i, [0, 0], false, out))?;
        Ok((out, self.images.labels()[first..first + n].to_vec()))
    }

    /// Numbers of one input.
    fn size(&self) -> usize {
        3 * self.recipe.input.size * self.recipe.input.size
    }

    /// The codes of image `k`, a crop around its middle moved by `offset`. Pixels
    /// outside are code 0, the grey that the network's own padding has.
    fn codes(&self, k: usize, offset: [isize; 2], flip: bool, out: &mut [f32]) -> Result<()> {
        let [height, width, _] = self.images.shape();
        let pixels = self.images.pixels(k)?;
        self.encode(&pixels, [height, width], offset, flip, out);
        Ok(())
    }

    /// The same of pixels that are there already.
    fn encode(
        &self,
        pixels: &[u8],
        [height, width]: [usize; 2],
        offset: [isize; 2],
        flip: bool,
        out: &mut [f32],
    ) {
        let side = self.recipe.input.size;
        let middle = [height, width].map(|n| (n as isize - side as isize).div_euclid(2));
        for (at, out) in out.chunks_exact_mut(3).enumerate() {
            let (y, x) = (at / side, at % side);
            let x = if flip { side - 1 - x } else { x };
            let y = y as isize + middle[0] + offset[0];
            let x = x as isize + middle[1] + offset[1];
            let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
            if !inside {
                out.fill(0.0);
                continue;
            }
            let from = &pixels[(y as usize * width + x as usize) * 3..][..3];
            for ((out, pixel), table) in out.iter_mut().zip(from).zip(&self.tables) {
                *out = table[usize::from(*pixel)];
            }
        }
    }
}
