//! Images as ImageNet has them: `train/CLASS/*.jpg` and `val/CLASS/*.jpg`. The
//! folders' names are the labels, in alphabetical order.

use super::images::{ImageSet, Images};
use anyhow::{Context, Result, ensure};
use image::{DynamicImage, ImageReader, imageops::FilterType};
use std::path::{Path, PathBuf};

/// Whether `directory` looks like such a data set.
#[must_use]
pub fn recognises(directory: &Path) -> bool {
    directory.join("train").is_dir() && directory.join("val").is_dir()
}

/// Lists both splits of `directory`. Files are read when they are needed and
/// brought to `size` rows and columns: scaled until the shorter side fits, then
/// the middle.
///
/// # Errors
/// Names the folder that cannot be listed, has no images, or is in one split only.
pub fn open(directory: &Path, size: usize) -> Result<ImageSet> {
    let labels = names(&directory.join("train"), Path::is_dir)?;
    ensure!(
        !labels.is_empty(),
        "{} has no folders: make one per class, with its .jpg files",
        directory.join("train").display()
    );
    let split = |split: &str| {
        let folder = directory.join(split);
        let mut files = Vec::new();
        for (k, label) in labels.iter().enumerate() {
            let class = folder.join(label);
            let of_class = names(&class, is_jpeg)?;
            ensure!(
                !of_class.is_empty(),
                "{} has no .jpg or .jpeg file",
                class.display()
            );
            files.extend(of_class.iter().map(|f| (class.join(f), k)));
        }
        Ok::<_, anyhow::Error>(Images::from_files([size, size, 3], files))
    };
    Ok(ImageSet {
        train: split("train")?,
        test: split("val")?,
        labels,
    })
}

fn is_jpeg(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
}

/// Names in `folder` that are `wanted`, in order.
fn names(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
    let context = || {
        format!(
            "cannot list {}; the data set has to have train/CLASS/*.jpg and val/CLASS/*.jpg",
            folder.display()
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let path: PathBuf = entry.with_context(context)?.path();
        if wanted(&path)
            && let Some(name) = path.file_name().and_then(|n| n.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Reads one file as `height` x `width` pixels of three bytes.
///
/// # Errors
/// Names the file that cannot be read or is no JPEG.
pub fn read(path: &Path, height: usize, width: usize) -> Result<Vec<u8>> {
    let fitted = decode(path)?.resize_to_fill(width as u32, height as u32, FilterType::Triangle);
    Ok(fitted.into_rgb8().into_raw())
}

/// Reads one file as it is.
pub(super) fn decode(path: &Path) -> Result<DynamicImage> {
    ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(anyhow::Error::from)
        .and_then(|reader| Ok(reader.decode()?))
        .with_context(|| {
            format!(
                "cannot read {}; replace the file by a whole JPEG, or remove it",
                path.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_folders_in_order_and_names_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let error = || format!("{:#}", open(root, 8).unwrap_err());
        assert!(!recognises(root) && error().contains("val/CLASS"));
        for (split, class) in [("train", "b"), ("train", "a"), ("val", "a"), ("val", "b")] {
            let class = root.join(split).join(class);
            std::fs::create_dir_all(&class).unwrap();
            let grey = image::RgbImage::from_pixel(12, 20, image::Rgb([200, 200, 200]));
            grey.save(class.join("x.JPEG")).unwrap();
            std::fs::write(class.join("notes.txt"), "no image").unwrap();
        }
        let set = open(root, 8).unwrap();
        assert_eq!(
            (set.labels.clone(), set.train.len()),
            (vec!["a".into(), "b".into()], 2)
        );
        let pixels = set.test.pixels(1).unwrap();
        assert!(pixels.len() == 8 * 8 * 3 && pixels.iter().all(|p| p.abs_diff(200) < 3));
        std::fs::write(root.join("val/b/x.JPEG"), b"not a JPEG").unwrap();
        let error = format!("{:#}", set.test.pixels(1).unwrap_err());
        assert!(
            error.contains("x.JPEG") && error.contains("remove it"),
            "{error}"
        );
        std::fs::remove_file(root.join("val/b/x.JPEG")).unwrap();
        let error = format!("{:#}", open(root, 8).unwrap_err());
        assert!(error.contains("has no .jpg"), "{error}");
    }
}
