//! Random parts of images, scaled to one size.

use super::folder::decode;
use super::images::{Images, Store};
use anyhow::{Context, Result};
use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};

/// A part of an image, whatever the image's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Share of the area, 0 to 1.
    pub area: f32,
    /// Width over height. A part that would be larger than the image is cut.
    pub aspect: f32,
    /// Where it lies in the room it has: `[down, right]`, 0 to 1.
    pub place: [f32; 2],
}

impl Region {
    /// Top, left, height and width of the part of an image of `height` x `width`.
    fn of(self, height: u32, width: u32) -> [u32; 4] {
        let area = self.area * height as f32 * width as f32;
        let side = |square: f32, most: u32| (square.sqrt().round() as u32).clamp(1, most);
        let (h, w) = (
            side(area / self.aspect, height),
            side(area * self.aspect, width),
        );
        let at = |share: f32, room: u32| ((share * (room + 1) as f32) as u32).min(room);
        [
            at(self.place[0], height - h),
            at(self.place[1], width - w),
            h,
            w,
        ]
    }
}

impl Images {
    /// Bytes of a part of image `k`, scaled to `size` rows and columns.
    ///
    /// # Errors
    /// When its file cannot be read.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn region(&self, k: usize, region: Region, size: usize) -> Result<Vec<u8>> {
        let whole = match self.store() {
            Store::Bytes(_) => {
                let [height, width, _] = self.shape();
                let pixels = self.pixels(k)?.into_owned();
                RgbImage::from_raw(width as u32, height as u32, pixels)
                    .context("an image in memory has another size than it should")?
            }
            Store::Files(files) => decode(&files[k])?.into_rgb8(),
        };
        let [top, left, height, width] = region.of(whole.height(), whole.width());
        let part = crop_imm(&whole, left, top, width, height).to_image();
        Ok(resize(&part, size as u32, size as u32, FilterType::Triangle).into_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_inside_and_keep_what_is_there() {
        for (area, aspect) in [(0.01, 1.0), (0.3, 0.75), (1.0, 4.0 / 3.0)] {
            for place in [[0.0, 0.0], [0.5, 1.0], [1.0, 0.3]] {
                let region = Region {
                    area,
                    aspect,
                    place,
                };
                let [top, left, height, width] = region.of(20, 31);
                assert!(height > 0 && width > 0 && top + height <= 20 && left + width <= 31);
            }
        }
        let mut images = Images::new([8, 8, 3]);
        images.push([90; 192], 0);
        let region = Region {
            area: 0.25,
            aspect: 1.0,
            place: [0.5, 0.5],
        };
        assert_eq!(images.region(0, region, 5).unwrap(), [90; 75]);
    }
}
