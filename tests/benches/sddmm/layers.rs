//! The layers, and both ways to compute them.

use gemm::Parallelism;
use pg_host::sddmm::{Mask, Operands, Patches, Plan, sddmm, sddmm_parallel};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A convolution of 3 x 3.
#[derive(Clone, Copy)]
pub struct Layer {
    pub name: &'static str,
    pub inputs: usize,
    pub outputs: usize,
    /// Edge of the output.
    pub edge: usize,
    pub stride: usize,
}

const fn layer(
    name: &'static str,
    inputs: usize,
    outputs: usize,
    edge: usize,
    stride: usize,
) -> Layer {
    Layer {
        name,
        inputs,
        outputs,
        edge,
        stride,
    }
}

/// The shapes of ResNet-20's gated layers.
pub const LAYERS: [Layer; 5] = [
    layer("16 to 16, 32x32", 16, 16, 32, 1),
    layer("16 to 32, 16x16", 16, 32, 16, 2),
    layer("32 to 32, 16x16", 32, 32, 16, 1),
    layer("32 to 64, 8x8", 32, 64, 8, 2),
    layer("64 to 64, 8x8", 64, 64, 8, 1),
];

/// How many threads compute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    One,
    All,
}

/// Numbers that start at a line of the cache: no vector of a patch is then cut
/// in two, where a pixel's channels fill vectors.
struct Aligned {
    lines: Vec<Line>,
    length: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Aligned {
    fn new(numbers: &[f32]) -> Self {
        let line = |chunk: &[f32]| {
            Line(core::array::from_fn(|k| {
                chunk.get(k).copied().unwrap_or(0.0)
            }))
        };
        Self {
            lines: numbers.chunks(16).map(line).collect(),
            length: numbers.len(),
        }
    }
}

impl core::ops::Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are one array of numbers, and no fewer.
        #[allow(unsafe_code)]
        unsafe {
            core::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length)
        }
    }
}

/// A layer's numbers for some images.
pub struct Problem {
    layer: Layer,
    weights: Aligned,
    /// Maps with their padding.
    inputs: Aligned,
    plan: Plan,
    /// The patches as a matrix, one after another, for the library: gathering
    /// them is not timed.
    gathered: Aligned,
    /// The same, number after number.
    transposed: Aligned,
    columns: usize,
    out: Vec<f32>,
    rng: StdRng,
}

impl Problem {
    pub fn new(layer: Layer, images: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let edge = layer.edge * layer.stride + 2;
        let shape = [edge, edge, layer.inputs];
        let patches = Patches::convolution(shape, 3, layer.stride);
        let depth = 9 * layer.inputs;
        let columns = images * layer.edge * layer.edge;
        let mut draw = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
        };
        let (weights, inputs) = (
            draw(layer.outputs * depth),
            draw(images * edge * edge * layer.inputs),
        );
        let mut gathered = Vec::with_capacity(columns * depth);
        for n in 0..columns {
            let (image, pixel) = (n / layer.edge.pow(2), n % layer.edge.pow(2));
            let (y, x) = (
                pixel / layer.edge * layer.stride,
                pixel % layer.edge * layer.stride,
            );
            for ky in 0..3 {
                let start = ((image * edge + y + ky) * edge + x) * layer.inputs;
                gathered.extend_from_slice(&inputs[start..start + 3 * layer.inputs]);
            }
        }
        let transposed: Vec<f32> = (0..depth * columns)
            .map(|k| gathered[k % columns * depth + k / columns])
            .collect();
        Self {
            layer,
            weights: Aligned::new(&weights),
            inputs: Aligned::new(&inputs),
            plan: Plan::new(patches, columns),
            gathered: Aligned::new(&gathered),
            transposed: Aligned::new(&transposed),
            columns,
            out: vec![0.0; layer.outputs * columns],
            rng,
        }
    }

    /// Multiply-accumulates of a dense product.
    pub fn macs(&self) -> u64 {
        (self.out.len() * 9 * self.layer.inputs) as u64
    }

    /// A mask that leaves out so many percent.
    pub fn mask(&mut self, percent: u32) -> Mask {
        let rng = &mut self.rng;
        Mask::new(self.layer.outputs, self.columns, |_, _| {
            rng.random_range(0..100) >= percent
        })
    }

    pub fn sampled(&mut self, mask: &Mask, threads: Threads) {
        let operands = Operands {
            weights: &self.weights,
            inputs: &self.inputs,
            plan: &self.plan,
        };
        match threads {
            Threads::One => sddmm(&operands, mask, &mut self.out),
            Threads::All => sddmm_parallel(&operands, mask, &mut self.out),
        }
        .expect("operands of one size");
    }

    /// The whole product with patches as rows.
    pub fn dense(&mut self, threads: Threads) {
        let depth = 9 * self.layer.inputs;
        self.gemm(threads, false, depth as isize, 1);
    }

    /// The same with patches as columns.
    pub fn dense_transposed(&mut self, threads: Threads) {
        self.gemm(threads, true, 1, self.columns as isize);
    }

    /// `out += weights * patches`, by the strides of the patches.
    fn gemm(&mut self, threads: Threads, transposed: bool, next_patch: isize, next: isize) {
        let (rows, columns, depth) = (self.layer.outputs, self.columns, 9 * self.layer.inputs);
        let inputs = if transposed {
            &self.transposed
        } else {
            &self.gathered
        };
        assert!(inputs.len() == columns * depth && self.out.len() == rows * columns);
        let parallelism = match threads {
            Threads::One => Parallelism::None,
            Threads::All => Parallelism::Rayon(0),
        };
        // SAFETY: the shapes and strides are those of the slices.
        #[allow(unsafe_code)]
        unsafe {
            gemm::gemm(
                rows,
                columns,
                depth,
                self.out.as_mut_ptr(),
                1,
                columns as isize,
                true,
                self.weights.as_ptr(),
                1,
                depth as isize,
                inputs.as_ptr(),
                next_patch,
                next,
                1.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}
