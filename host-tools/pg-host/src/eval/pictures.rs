//! Pictures, by an image network.

use super::{Evaluation, Tally, class_map, on_all_cores};
use crate::data::images::Images;
use crate::image::ImageBytes;
use crate::spotter::arena;
use anyhow::{Context, Result, ensure};
use pg_runtime::engine::Engine;
use pg_runtime::image::{Graph, Image};
use pg_runtime::layers::Shape;
use pg_runtime::pixels::PixelParams;
use pg_runtime::probe::LayerCounts;

/// The input of an image network: its size, and from pixels to codes.
///
/// # Errors
///
/// If the image is of another kind of model, or does not say what pixels mean.
pub fn input<'i>(image: &Image<'i>) -> Result<(Shape, PixelParams<'i>)> {
    let graph = (image.graph()).context("the image is not of an image network: it has no maps")?;
    let map = graph.map(0).context("the image has no input map")?;
    let pixels = Graph::pixels(graph)
        .context("the image does not say how pixels become codes: export the model again")?;
    Ok((map.shape, pixels))
}

/// Evaluates an image network on the middle of pictures at least as large as its
/// input, of which `labels` names the classes, on all cores.
///
/// `progress` is told the number of pictures done, from any thread.
///
/// # Errors
///
/// If labels or sizes do not match, or a picture cannot be read.
pub fn evaluate_pictures(
    bytes: &ImageBytes,
    pictures: &Images,
    (split, labels): (&'static str, &[String]),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Evaluation> {
    let image = bytes.image()?;
    let (shape, pixels) = input(&image)?;
    let [height, width, channels] = pictures.shape();
    ensure!(
        shape.height <= height && shape.width <= width && shape.channels == channels,
        "the network reads {}x{}x{} bytes, the pictures have {height}x{width}x{channels}",
        shape.height,
        shape.width,
        shape.channels
    );
    ensure!(!pictures.is_empty(), "no pictures in the {split} split");
    let own: Vec<String> = image.labels().map(str::to_owned).collect();
    let classes = class_map(labels, &own)?;
    let all: Vec<usize> = (0..pictures.len()).collect();
    let total = on_all_cores(&image, &all, |part| {
        let mut memory = arena(&image);
        let mut engine = Engine::new(&image, &mut memory)?;
        let mut tally = Tally::new(&image);
        let mut codes = vec![0; shape.len()];
        for &k in part {
            let picture = middle(&pictures.pixels(k)?, [height, width], shape);
            pixels.encode(&picture, &mut codes);
            let mut probe = |layer: usize, counts: LayerCounts| tally.add(layer, &counts);
            let class = engine.push_probed(&codes, &mut probe)?.class();
            tally.frames += 1;
            tally.confusion[classes[pictures.labels()[k]]][class] += 1;
            progress(1);
        }
        Ok(tally)
    })?;
    Ok(total.finish(&image, split, own))
}

/// The middle of a picture of `[height, width]` pixels.
fn middle(picture: &[u8], [height, width]: [usize; 2], shape: Shape) -> Vec<u8> {
    let (top, left) = ((height - shape.height) / 2, (width - shape.width) / 2);
    (0..shape.height)
        .flat_map(|y| {
            let start = ((top + y) * width + left) * shape.channels;
            &picture[start..][..shape.width * shape.channels]
        })
        .copied()
        .collect()
}
