//! Convolution and its companions on slices.
//!
//! Maps are `[N, H, W, C]`: the channels of a pixel are neighbours, so the taps
//! of one row of a window are one contiguous run and a convolution is a matrix
//! product over overlapping rows of the padded map, with nothing gathered.
//! Images are independent, which is where the threads are; sums over images are
//! kept per shard and added in order, so a result does not depend on threads.

pub mod conv;
pub mod depthwise;
pub mod norm;
pub mod pad;
pub mod tile;

/// Images whose sums are added up together: fixed, so that results do not
/// depend on the number of threads.
pub const SHARD: usize = 8;

/// Height, width, channels.
pub type Shape = [usize; 3];
