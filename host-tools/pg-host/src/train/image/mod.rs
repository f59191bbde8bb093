//! Training of image networks: recipe in, trained parameters out.

mod backward;
mod forward;
mod kernels;
mod plan;
mod simple;
mod tape;

#[cfg(test)]
mod tests;
