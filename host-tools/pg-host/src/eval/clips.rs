//! Clips of speech, by a keyword model.

use super::{Evaluation, Tally, class_map, on_all_cores};
use crate::data::{Clip, Dataset, Split};
use crate::image::ImageBytes;
use crate::spotter::{Spotter, arena};
use anyhow::{Result, ensure};
use pg_runtime::image::Image;
use pg_runtime::probe::LayerCounts;

/// Evaluates an image on a split of a data set, on all cores.
///
/// `progress` is told the number of clips done, from any thread.
///
/// # Errors
///
/// If the labels do not match, or a clip cannot be read or is shorter than
/// one window.
pub fn evaluate(
    bytes: &ImageBytes,
    data: &Dataset,
    split: Split,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Evaluation> {
    let image = bytes.image()?;
    data.require(split)?;
    let labels: Vec<String> = image.labels().map(str::to_owned).collect();
    // From the data set's label index to the image's class.
    let classes = class_map(data.labels(), &labels)?;
    let clips: Vec<&Clip> = data.split(split).collect();
    let total = on_all_cores(&image, &clips, |part| {
        tally(&image, data, part, &classes, progress)
    })?;
    Ok(total.finish(&image, split.name(), labels))
}

fn tally(
    image: &Image<'_>,
    data: &Dataset,
    clips: &[&Clip],
    classes: &[usize],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Tally> {
    let mut memory = arena(image);
    let mut spotter = Spotter::new(image, &mut memory)?;
    let mut tally = Tally::new(image);
    for clip in clips {
        let samples = data.load(clip)?;
        spotter.reset();
        let mut frames = 0;
        let mut probe = |layer: usize, counts: LayerCounts| tally.add(layer, &counts);
        spotter.push(&samples, false, &mut probe, |_, _| frames += 1)?;
        ensure!(
            frames > 0,
            "{} is shorter than one window of 40 ms; remove it from the manifest",
            clip.file
        );
        tally.frames += frames;
        tally.confusion[classes[clip.label]][spotter.output().class()] += 1;
        progress(1);
    }
    Ok(tally)
}
