//! The dense products of libraries, in every layout that is the fastest for some layer.
//!
//! Their operands are made ready beforehand: patches gathered and, where the library
//! can, both operands packed as it likes them. All add to their outputs.

use crate::aligned::Aligned;
use crate::layers::{Matrices, Threads};
use gemm::Parallelism;
use rten_gemm::{GemmExecutor, GemmInT, GemmInputA, GemmInputB, GemmOptions, GemmOutT};
use rten_tensor::NdTensorView;

/// A way to form a product.
pub struct Way {
    pub name: &'static str,
    pub call: Box<dyn FnMut()>,
}

fn transposed<T: Copy + Default>(numbers: &[T], rows: usize) -> Aligned<T> {
    let columns = numbers.len() / rows;
    let numbers: Vec<T> = (0..numbers.len())
        .map(|at| numbers[at % rows * columns + at / rows])
        .collect();
    Aligned::new(&numbers)
}

/// By RTen, of 8 bits by 8.
pub fn digits(matrices: &Matrices<u8>) -> Vec<Way> {
    let Matrices {
        rows,
        columns,
        depth,
        ..
    } = *matrices;
    let weights = transposed(&matrices.weights, rows);
    let name = "rten-gemm, u8 by i8, both packed, outputs by position";
    let patches = &matrices.patches;
    vec![packed::<u8, i8, i32>(
        name,
        patches,
        &weights,
        [columns, depth, rows],
        1,
    )]
}

/// By RTen and by `gemm`.
pub fn floats(matrices: &Matrices<f32>, threads: Threads) -> Vec<Way> {
    let Matrices {
        rows,
        columns,
        depth,
        ..
    } = *matrices;
    let weights = &matrices.weights;
    let by_position = "rten-gemm, f32, both packed, outputs by position";
    let by_channel = "rten-gemm, f32, both packed, outputs by channel";
    let (turned_weights, patches) = (transposed(weights, rows), &matrices.patches);
    let turned_patches = transposed(patches, columns);
    let mut ways = vec![
        packed(
            by_position,
            patches,
            &turned_weights,
            [columns, depth, rows],
            1.0,
        ),
        packed(
            by_channel,
            weights,
            &turned_patches,
            [rows, depth, columns],
            1.0,
        ),
    ];
    let layouts = [
        ("gemm, outputs by position", [rows, 1], [depth, 1]),
        (
            "gemm, outputs by position, patches turned",
            [rows, 1],
            [1, columns],
        ),
        ("gemm, outputs by channel", [1, columns], [depth, 1]),
        (
            "gemm, outputs by channel, patches turned",
            [1, columns],
            [1, columns],
        ),
    ];
    for (name, out_strides, patch_strides) in layouts {
        let weights = Aligned::new(weights);
        let patches = if patch_strides == [depth, 1] {
            Aligned::new(patches)
        } else {
            transposed(patches, columns)
        };
        let mut out = Aligned::zeros(rows * columns);
        let sizes = [rows, columns, depth];
        ways.push(Way {
            name,
            call: Box::new(move || {
                strided(
                    sizes,
                    &weights,
                    (&patches, patch_strides),
                    (&mut out, out_strides),
                    threads,
                );
            }),
        });
    }
    ways
}

/// `m` x `k` by `k` x `n`, both packed.
fn packed<L, R, O>(
    name: &'static str,
    left: &[L],
    right: &[R],
    [m, k, n]: [usize; 3],
    beta: O,
) -> Way
where
    L: GemmInT + 'static,
    R: GemmInT + 'static,
    O: GemmOutT + Copy + Default + 'static,
    GemmExecutor<L, R, O>: Default,
{
    let executor = GemmExecutor::<L, R, O>::default();
    let left = executor.prepack_a(NdTensorView::from_data([m, k], left));
    let right = executor.prepack_b(NdTensorView::from_data([k, n], right));
    let mut out = Aligned::zeros(m * n);
    Way {
        name,
        call: Box::new(move || {
            let options = GemmOptions {
                beta,
                ..Default::default()
            };
            let (left, right) = (GemmInputA::Packed(&left), GemmInputB::Packed(&right));
            executor
                .gemm(&mut out, left, right, options)
                .expect("a product");
        }),
    }
}

/// `out += weights * patches` by the strides from patch to patch and from number to
/// number, and of the outputs from column to column and from row to row.
fn strided(
    [rows, columns, depth]: [usize; 3],
    weights: &[f32],
    (patches, patch_strides): (&[f32], [usize; 2]),
    (out, out_strides): (&mut [f32], [usize; 2]),
    threads: Threads,
) {
    assert!(weights.len() == rows * depth && patches.len() == columns * depth);
    assert!(out.len() == rows * columns);
    let [[next_patch, next], [next_column, next_row]] =
        [patch_strides, out_strides].map(|two| two.map(|stride| stride as isize));
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
            out.as_mut_ptr(),
            next_column,
            next_row,
            true,
            weights.as_ptr(),
            1,
            depth as isize,
            patches.as_ptr(),
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
