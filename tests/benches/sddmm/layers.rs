//! The layers and their numbers.

use crate::aligned::Aligned;
use crate::dense::{self, Way};
use pg_host::sddmm::{Element, Mask, Operands, Patches, Plan, sddmm, sddmm_parallel};
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
    [inputs, outputs]: [usize; 2],
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
    layer("16 to 16, 32x32", [16, 16], 32, 1),
    layer("16 to 32, 16x16", [16, 32], 16, 2),
    layer("32 to 32, 16x16", [32, 32], 16, 1),
    layer("32 to 64, 8x8", [32, 64], 8, 2),
    layer("64 to 64, 8x8", [64, 64], 8, 1),
];

/// How many threads compute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    One,
    All,
}

/// What a product is of.
pub trait Precision: Element<Weight: Default + PartialEq> {
    const NAME: &'static str;

    fn weight(weight: i8) -> Self::Weight;
    fn digit(digit: u8) -> Self;
    /// What the libraries have for it.
    fn dense(matrices: &Matrices<Self>, threads: Threads) -> Vec<Way>;
}

impl Precision for u8 {
    const NAME: &'static str = "digits of 4 bits by weights of 8";

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn digit(digit: u8) -> u8 {
        digit
    }

    fn dense(matrices: &Matrices<u8>, _: Threads) -> Vec<Way> {
        dense::digits(matrices)
    }
}

impl Precision for f32 {
    const NAME: &'static str = "single precision";

    fn weight(weight: i8) -> f32 {
        f32::from(weight)
    }

    fn digit(digit: u8) -> f32 {
        f32::from(digit)
    }

    fn dense(matrices: &Matrices<f32>, threads: Threads) -> Vec<Way> {
        dense::floats(matrices, threads)
    }
}

/// A layer's product as a library takes it: `rows` x `depth` by `depth` x `columns`.
pub struct Matrices<E: Element> {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    /// Row after row.
    pub weights: Aligned<E::Weight>,
    /// Patch after patch, gathered beforehand.
    pub patches: Vec<E>,
}

/// A layer's numbers for some images.
pub struct Problem<E: Element> {
    pub matrices: Matrices<E>,
    /// Maps with their padding.
    inputs: Aligned<E>,
    plan: Plan,
    rng: StdRng,
}

impl<E: Precision + Default> Problem<E> {
    pub fn new(layer: Layer, images: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let edge = layer.edge * layer.stride + 2;
        let patches = Patches::convolution([edge, edge, layer.inputs], 3, layer.stride);
        let (depth, columns) = (9 * layer.inputs, images * layer.edge * layer.edge);
        let weights: Vec<E::Weight> = (0..layer.outputs * depth)
            .map(|_| E::weight(rng.random_range(-127..=127)))
            .collect();
        let inputs: Vec<E> = (0..images * edge * edge * layer.inputs)
            .map(|_| E::digit(rng.random_range(0..16)))
            .collect();
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
        Self {
            matrices: Matrices {
                rows: layer.outputs,
                columns,
                depth,
                weights: Aligned::new(&weights),
                patches: gathered,
            },
            inputs: Aligned::new(&inputs),
            plan: Plan::new(patches, columns),
            rng,
        }
    }

    /// Outputs.
    pub const fn outputs(&self) -> usize {
        self.matrices.rows * self.matrices.columns
    }

    /// Multiply-accumulates of a dense product.
    pub const fn macs(&self) -> usize {
        self.outputs() * self.matrices.depth
    }

    /// A mask that leaves out so many percent.
    pub fn mask(&mut self, percent: u32) -> Mask {
        let rng = &mut self.rng;
        Mask::new(self.matrices.rows, self.matrices.columns, |_, _| {
            rng.random_range(0..100) >= percent
        })
    }

    /// A call of the sampled product.
    pub fn sampled<'p>(&'p self, mask: &'p Mask, threads: Threads) -> impl FnMut() + 'p {
        let operands = Operands::new(&self.matrices.weights, &self.inputs, &self.plan)
            .expect("operands of one layer");
        let mut out = Aligned::zeros(self.outputs());
        move || {
            match threads {
                Threads::One => sddmm(&operands, mask, &mut out),
                Threads::All => sddmm_parallel(&operands, mask, &mut out),
            }
            .expect("operands of one layer");
        }
    }
}
