//! A depthwise convolution of one image and its gradients: every channel by
//! itself, the channels of a pixel side by side.
use super::conv::Geometry;
use super::norm;

/// Weights `[C, k, k]` rounded and turned into `[k, k, C]`.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Codes, `[k, k, C]`.
    pub codes: Vec<f32>,
    /// Value of one code, `[C]`.
    pub scale: Vec<f32>,
}

impl Weights {
    /// Rounds to codes up to `max`, if there is one.
    pub fn prepare(&mut self, w: &[f32], channels: usize, max: Option<f32>) {
        self.codes.resize(w.len(), 0.0);
        self.scale.resize(channels, 0.0);
        for (c, w) in w.chunks_exact(w.len() / channels).enumerate() {
            let largest = w.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let scale = max.map_or(1.0, |max| (largest / max).max(1e-12));
            self.scale[c] = scale;
            for (tap, w) in w.iter().enumerate() {
                let code = if max.is_some() {
                    (w / scale).round()
                } else {
                    *w
                };
                self.codes[tap * channels + c] = code;
            }
        }
    }
}

/// Calls `visit(output pixel, input pixel, tap)` for every tap inside the input;
/// pixels are the places of their first channels.
#[inline(always)]
fn taps(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let [height, width, n] = g.output;
    for y in 0..height {
        for x in 0..width {
            for ky in 0..g.kernel {
                let Some(iy) = (y * g.stride + ky).checked_sub(g.pad) else {
                    continue;
                };
                if iy >= g.input[0] {
                    continue;
                }
                for kx in 0..g.kernel {
                    let Some(ix) = (x * g.stride + kx).checked_sub(g.pad) else {
                        continue;
                    };
                    if ix < g.input[1] {
                        visit(
                            (y * width + x) * n,
                            (iy * g.input[1] + ix) * n,
                            (ky * g.kernel + kx) * n,
                        );
                    }
                }
            }
        }
    }
}

/// One image; `sums` as in [`super::conv::forward`].
#[inline(always)]
pub fn forward(
    g: &Geometry,
    codes: &[f32],
    scale_x: f32,
    weights: &Weights,
    out: &mut [f32],
    sums: &mut [f32],
) {
    let n = g.output[2];
    out.fill(0.0);
    taps(
        g,
        #[inline(always)]
        |o, i, t| {
            let (to, from) = (&mut out[o..o + n], &codes[i..i + n]);
            let w = &weights.codes[t..t + n];
            for c in 0..n {
                to[c] = from[c].mul_add(w[c], to[c]);
            }
        },
    );
    for to in out.chunks_exact_mut(n) {
        for (to, s) in to.iter_mut().zip(&weights.scale) {
            *to *= s * scale_x;
        }
    }
    norm::add_sums(out, n, sums);
}

/// Adds the gradients of one image: of the input's values (set to zero first if
/// `first`) and of the weights per code of the input, `[k, k, C]`.
#[inline(always)]
pub fn backward(
    g: &Geometry,
    codes: &[f32],
    weights: &Weights,
    gradient: &[f32],
    to_input: &mut [f32],
    first: bool,
    to_weights: &mut [f32],
) {
    let n = g.output[2];
    if first {
        to_input.fill(0.0);
    }
    let real: Vec<f32> = (weights.codes.chunks_exact(n))
        .flat_map(|w| w.iter().zip(&weights.scale).map(|(w, s)| w * s))
        .collect();
    taps(
        g,
        #[inline(always)]
        |o, i, t| {
            let (d, q) = (&gradient[o..o + n], &codes[i..i + n]);
            let (to, w) = (&mut to_input[i..i + n], &real[t..t + n]);
            let to_weights = &mut to_weights[t..t + n];
            for c in 0..n {
                to[c] = d[c].mul_add(w[c], to[c]);
                to_weights[c] = d[c].mul_add(q[c], to_weights[c]);
            }
        },
    );
}
