//! CIFAR-10 in its binary version: six files of 10,000 records, a label byte
//! and 3 x 32 x 32 pixel bytes each (red, green, blue; row by row).

#[cfg(feature = "fetch")]
pub mod fetch;

use super::images::{ImageSet, Images};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// Labels in the order of the data.
pub const LABELS: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// The files of the training split and the file of the test split, with the MD5
/// of each.
pub const FILES: [(&str, &str); 6] = [
    ("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
    ("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
    ("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
    ("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
    ("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
    ("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),
];

/// Rows and columns.
const SIZE: usize = 32;
/// Bytes of a record.
const RECORD: usize = 1 + 3 * SIZE * SIZE;

/// Reads both splits from `directory`.
///
/// # Errors
/// Names the file that is missing, is not a whole number of records, or has a
/// label above 9.
pub fn read(directory: &Path) -> Result<ImageSet> {
    let (train, test) = FILES.split_at(5);
    let split = |files: &[(&str, &str)]| {
        let mut images = Images::new([SIZE, SIZE, 3]);
        for (name, _) in files {
            append(&directory.join(name), &mut images)?;
        }
        Ok::<_, anyhow::Error>(images)
    };
    Ok(ImageSet {
        labels: LABELS.map(String::from).to_vec(),
        train: split(train)?,
        test: split(test)?,
    })
}

/// Reads one batch file, of any number of records, as a test split.
///
/// # Errors
/// As [`read`].
pub fn read_file(path: &Path) -> Result<ImageSet> {
    let mut test = Images::new([SIZE, SIZE, 3]);
    append(path, &mut test)?;
    Ok(ImageSet {
        labels: LABELS.map(String::from).to_vec(),
        train: Images::new([SIZE, SIZE, 3]),
        test,
    })
}

fn append(path: &Path, images: &mut Images) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| {
        format!(
            "cannot read {}; `pg-host data cifar10 --out DIR` makes a directory with the six files",
            path.display()
        )
    })?;
    ensure!(
        !bytes.is_empty() && bytes.len().is_multiple_of(RECORD),
        "{} has {} bytes, no whole number of records of {RECORD}: it is damaged or not the binary \
         version; fetch it again with `pg-host data cifar10 --out DIR`",
        path.display(),
        bytes.len()
    );
    for (k, record) in bytes.chunks_exact(RECORD).enumerate() {
        let (label, planes) = (record[0], &record[1..]);
        ensure!(
            usize::from(label) < LABELS.len(),
            "{}: record {k} has label {label}, above 9; fetch the file again with \
             `pg-host data cifar10 --out DIR`",
            path.display()
        );
        let plane = SIZE * SIZE;
        let pixels = (0..3 * plane).map(|i| planes[i % 3 * plane + i / 3]);
        images.push(pixels, usize::from(label));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, records: &[(u8, u8)]) {
        for (k, (name, _)) in FILES.iter().enumerate() {
            let bytes: Vec<u8> = (records.iter())
                .flat_map(|(label, first)| {
                    let mut record = vec![k as u8; RECORD];
                    (record[0], record[1]) = (*label, *first);
                    record
                })
                .collect();
            std::fs::write(directory.join(name), bytes).unwrap();
        }
    }

    #[test]
    fn reads_both_splits_pixel_by_pixel() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[(3, 200), (9, 100)]);
        let set = read(folder.path()).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (10, 2));
        assert_eq!(set.train.labels()[..2], [3, 9]);
        // The first byte is red; the others of the first pixel come from other planes.
        assert_eq!(set.test.pixels(1).unwrap()[..4], [100, 5, 5, 5]);
        let one = read_file(&folder.path().join("test_batch.bin")).unwrap();
        assert!(one.test == set.test && one.train.is_empty());
    }

    #[test]
    fn errors_name_the_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = || format!("{:#}", read(folder.path()).unwrap_err());
        assert!(error().contains("data_batch_1.bin") && error().contains("pg-host data cifar10"));
        write(folder.path(), &[(10, 0)]);
        assert!(error().contains("label 10"), "{}", error());
        write(folder.path(), &[(1, 0)]);
        std::fs::write(folder.path().join("test_batch.bin"), [0; 100]).unwrap();
        assert!(
            error().contains("test_batch.bin has 100 bytes"),
            "{}",
            error()
        );
    }
}
