//! Where every feature map lies: maps that do not live at the same time share
//! memory.

use super::lower::Lowered;
use anyhow::{Context, Result, ensure};
use pg_runtime::image::FeatureMap;
use pg_runtime::image::record::MAX_MAPS;
use pg_runtime::layers::{Format, Shape};

/// Maps start on a word.
const ALIGNMENT: usize = 4;

/// Lifetimes and offsets of maps, of which map 0 is the input and lies
/// elsewhere. The largest is placed first, each as low as it can (greedy by
/// size: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
/// Inference", 2020).
///
/// # Errors
///
/// If there are more maps or layers than the format numbers, or a map is never
/// written.
pub fn plan(maps: &[(Shape, Format)], layers: &[Lowered]) -> Result<Vec<FeatureMap>> {
    ensure!(
        maps.len() <= usize::from(MAX_MAPS),
        "{} feature maps; the format has {MAX_MAPS}",
        maps.len()
    );
    let mut planned = (maps.iter().enumerate())
        .map(|(map, &(shape, format))| {
            let (first, last) = life(map, layers).context("a feature map is never written")?;
            Ok(FeatureMap {
                shape,
                format,
                offset: 0,
                first,
                last,
            })
        })
        .collect::<Result<Vec<FeatureMap>>>()?;
    let mut order: Vec<usize> = (1..maps.len()).collect();
    order.sort_by_key(|&map| (std::cmp::Reverse(planned[map].shape.len()), map));
    let mut done: Vec<usize> = Vec::new();
    for map in order {
        let this = planned[map];
        let mut taken: Vec<(usize, usize)> = (done.iter().map(|&other| planned[other]))
            .filter(|other| other.first <= this.last && this.first <= other.last)
            .map(|other| (other.offset, other.offset + other.shape.len()))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for (start, end) in taken {
            if start >= offset + this.shape.len() {
                break;
            }
            offset = offset.max(end.next_multiple_of(ALIGNMENT));
        }
        planned[map].offset = offset;
        done.push(map);
    }
    Ok(planned)
}

/// First layer that writes a map and last that reads it.
fn life(map: usize, layers: &[Lowered]) -> Option<(u16, u16)> {
    let touches = |l: &Lowered| {
        let all = [Some(l.input), Some(l.output), l.shortcut];
        all.into_iter()
            .flatten()
            .any(|channels| channels.map == map)
    };
    let mut touching = (layers.iter().enumerate())
        .filter(|(_, l)| touches(l))
        .map(|(k, _)| k);
    let first = if map == 0 { 0 } else { touching.next()? };
    let mut last = touching.next_back().unwrap_or(first);
    // The head reads what the last layer wrote.
    if layers.last().is_some_and(|l| l.output.map == map) {
        last = layers.len();
    }
    Some((u16::try_from(first).ok()?, u16::try_from(last).ok()?))
}
