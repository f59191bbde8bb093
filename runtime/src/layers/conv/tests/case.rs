//! Random layers.

use crate::gate::GateKind;
use crate::layers::conv::Residual;
use crate::layers::numbers::Numbers;
use crate::layers::{Shape, View, Window};
use crate::quant::{Requant, Split};
use proptest::prelude::*;
use proptest::sample::select;
use std::vec;
use std::vec::Vec;

/// A layer and its inputs, owned.
#[derive(Clone, Debug)]
pub struct Case {
    pub input: View,
    pub output: View,
    pub window: Window,
    pub split: Split,
    pub kind: GateKind,
    pub block: usize,
    pub group: usize,
    pub thresholds: Vec<i32>,
    pub weights: Vec<i8>,
    pub rows: bool,
    pub bias: Vec<i32>,
    pub requant: Vec<Requant>,
    pub output_bits: u8,
    pub output_signed: bool,
    pub residual: Option<(Residual, bool)>,
    pub codes: Vec<i8>,
    pub residual_codes: Vec<i8>,
}

/// Mostly small, often zero, sometimes an extreme.
fn code(n: &mut Numbers, (low, high): (i16, i16)) -> i8 {
    let (low, high) = (i64::from(low), i64::from(high));
    let value = match n.next(0, 5) {
        0 => high,
        1 => low,
        2 => n.next(low, high),
        3 => n.next(low, high) / 4,
        _ => 0,
    };
    value as i8
}

prop_compose! {
    fn splits()(bits in 2u8..=8, msb in 1u8..=8, signed: bool) -> Split {
        let split = Split::new(bits, msb.min(bits), signed);
        split.unwrap_or_else(|| Split::new(8, 7, false).unwrap())
    }
}

fn view(map: (usize, usize), channels: usize, step: usize, first: usize, spare: usize) -> View {
    let shape = Shape {
        height: map.0,
        width: map.1,
        channels: first + (channels - 1) * step + 1 + spare,
    };
    View {
        shape,
        first,
        step,
        channels,
    }
}

prop_compose! {
    pub fn cases()(
        split in splits(),
        (height, width) in (1usize..9, 1usize..9),
        (kernel, stride, padding) in (1usize..5, 1usize..4, 0usize..4),
        (channels, outputs) in (
            select(vec![1usize, 2, 3, 4, 8, 12, 16, 33]),
            select(vec![1usize, 3, 8, 10, 16, 17, 40, 70]),
        ),
        steps in (1usize..3, 1usize..3, 0usize..5, 0usize..3, 0usize..5),
        (kind, group, block) in (
            select(vec![GateKind::Open, GateKind::Above]),
            select(vec![1usize, 1, 4, 8, 16]),
            select(vec![1usize, 1, 3, 16]),
        ),
        (rows, largest, output_bits, output_signed) in (
            any::<bool>(), select(vec![7i64, 40, 127]), 2u8..=8, any::<bool>(),
        ),
        residual in select(vec![0, 0, 1, 2]),
        seed: u64,
    ) -> Case {
        let mut n = Numbers(seed);
        let window = Window { kernel, stride, padding };
        let plain = steps.0 == 1 && steps.2 > 2;
        let input = if plain {
            view((height, width), channels, 1, 0, 0)
        } else {
            view((height, width), channels, steps.0, steps.2, steps.3)
        };
        let map = (window.outputs(height), window.outputs(width));
        let output = view(map, outputs, steps.1, steps.4, steps.3);
        let columns = kernel * kernel * channels;
        let count = outputs.div_ceil(block);
        let thresholds = if kind == GateKind::Open { 0 } else { count };
        let extreme = n.next(0, 7);
        let mut weight = || match extreme {
            0 => largest as i8,
            1 => -largest as i8,
            _ => n.next(-largest, largest) as i8,
        };
        let weights = (0..outputs * columns).map(|_| weight()).collect();
        let all = match n.next(0, 7) {
            0 => Some(split.range().1 as i8),
            1 => Some(split.range().0 as i8),
            _ => None,
        };
        let codes = (0..input.shape.len())
            .map(|_| all.unwrap_or_else(|| code(&mut n, split.range())))
            .collect();
        let residual = (residual > 0).then(|| {
            let in_place = residual == 1;
            let (stride, offset, view) = if in_place {
                (1, 0, output)
            } else {
                let stride = n.next(1, 2) as usize;
                let some = n.next(1, outputs as i64) as usize;
                let edge = |outputs: usize| outputs.saturating_sub(1) * stride + 1;
                let v = view((edge(map.0), edge(map.1)), some, 1, steps.3, 0);
                (stride, n.next(0, (outputs - some) as i64) as usize, v)
            };
            let residual = Residual {
                view,
                signed: n.next(0, 1) == 1,
                stride,
                offset,
                mult: n.next(0, 32_767) as u16,
                shift: n.next(0, 14) as u8,
            };
            (residual, in_place)
        });
        let residual_length = residual.map_or(0, |(r, _)| r.view.shape.len());
        Case {
            thresholds: (0..thresholds).map(|_| n.next(-3000, 3000) as i32).collect(),
            bias: (0..outputs).map(|_| n.next(-900, 900) as i32).collect(),
            requant: (0..outputs)
                .map(|_| Requant {
                    mult: n.next(1 << 14, (1 << 15) - 1) as u16,
                    pre: n.next(0, 4) as u8,
                    post: n.next(16, 20) as u8,
                })
                .collect(),
            residual_codes: (0..residual_length).map(|_| n.next(-128, 127) as i8).collect(),
            input, output, window, split, kind, block, group, weights, rows,
            output_bits, output_signed, residual, codes,
        }
    }
}
