//! The layer against its definition, on random shapes.

mod case;
mod naive;

use super::*;
use crate::gate::Gate;
use crate::kernels::{Kernels, dsp::Dsp, swar::Swar};
use crate::layout::{Matrix, WeightBits};
use case::{Case, cases};
use proptest::prelude::*;
use std::vec::Vec;
use std::{format, vec};
use zerocopy::IntoBytes;

/// What a layer gives.
type Result = (Vec<i8>, Vec<ConvOutput>);

impl Case {
    fn run<K: ConvKernels>(&self, counts: &mut LayerCounts) -> Result {
        let target = K::TARGET;
        let (rows, columns) = (
            self.output.channels,
            self.weights.len() / self.output.channels,
        );
        let mut panels = vec![0u32; target.panel_words(WeightBits::Eight, rows, columns)];
        let mut stored = vec![0u32; target.row_words(WeightBits::Eight, rows, columns)];
        target.encode_panels(
            WeightBits::Eight,
            &self.weights,
            columns,
            panels.as_mut_bytes(),
        );
        target.encode_rows(WeightBits::Eight, &self.weights, columns, &mut stored);
        let with_rows = self.rows && target == crate::kernels::Selected::TARGET;
        let weights = Matrix::from_words(
            target,
            WeightBits::Eight,
            rows,
            columns,
            Some(&panels),
            with_rows.then_some(&stored),
        );
        let sums = self.weights.chunks(columns);
        let sums = sums.map(|row| row.iter().map(|w| u32::from(w.unsigned_abs())).sum());
        let conv = Conv::new(ConvConfig {
            input: self.input,
            output: self.output,
            window: self.window,
            split: self.split,
            gate: Gate {
                kind: self.kind,
                block: if self.kind == GateKind::Open {
                    1
                } else {
                    self.block
                },
                thresholds: if self.kind == GateKind::Open {
                    &[]
                } else {
                    &self.thresholds
                },
            },
            group: self.group,
            weights: weights.unwrap(),
            row_sum: sums.max().unwrap(),
            bias: &self.bias,
            requant: &self.requant,
            output_bits: self.output_bits,
            output_signed: self.output_signed,
            residual: self.residual.map(|(r, _)| r),
        });
        let conv = conv.unwrap();
        let (mut codes, mut outputs) = (self.start(), vec![]);
        let start = codes.clone();
        let mut scratch = vec![0x5555_5555; conv.scratch_words()];
        let residual = match self.residual {
            Some((_, false)) => Some(&self.residual_codes[..]),
            _ => None,
        };
        let mut visitor = |output| outputs.push(output);
        *counts = conv.run_on::<K>(
            &mut scratch,
            &self.codes,
            residual,
            &mut codes,
            Some(&mut visitor),
        );
        // Nobody looking, the same.
        let mut unseen = start;
        let again = conv.run_on::<K>(&mut scratch, &self.codes, residual, &mut unseen, None);
        assert_eq!((&unseen, again), (&codes, *counts));
        (codes, outputs)
    }
}

/// Several panels show a pixel's outputs in order.
fn check<K: ConvKernels>(case: &Case) -> std::result::Result<(), TestCaseError> {
    let mut counts = LayerCounts::default();
    let (got, mut want) = (case.run::<K>(&mut counts), case.naive());
    if case.kind == GateKind::Open && case.rows && K::TARGET == Selected::TARGET {
        // Dot products make no prediction.
        want.1.iter_mut().for_each(|output| output.z_hb = output.z);
    }
    prop_assert_eq!(&got.1, &want.1, "{}", format!("{:?}", K::TARGET));
    prop_assert_eq!(&got.0, &want.0);
    let open = want.1.iter().filter(|o| o.open).count();
    prop_assert_eq!(counts.open as usize, open);
    prop_assert_eq!(counts.outputs as usize, want.1.len());
    let columns = case.weights.len() / case.output.channels;
    prop_assert_eq!(counts.dense_macs as usize, columns * want.1.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn convolutions_equal_their_definition(case in cases()) {
        check::<Selected>(&case)?;
        check::<Swar>(&case)?;
        check::<Dsp>(&case)?;
    }

    #[test]
    fn open_gates_give_the_plain_convolution(mut case in cases()) {
        let mut counts = LayerCounts::default();
        case.kind = GateKind::Open;
        let open = case.run::<Selected>(&mut counts);
        case.kind = GateKind::Above;
        case.thresholds = vec![i32::MIN; case.output.channels.div_ceil(case.block)];
        let gated = case.run::<Selected>(&mut counts);
        prop_assert_eq!(open.0, gated.0);
        prop_assert!(gated.1.iter().all(|o| o.open));
    }

    #[test]
    fn closed_gates_give_the_prediction(mut case in cases()) {
        case.kind = GateKind::Above;
        case.thresholds = vec![i32::MAX; case.output.channels.div_ceil(case.block)];
        let outputs = case.run::<Selected>(&mut LayerCounts::default()).1;
        prop_assert!(outputs.iter().all(|o| !o.open && o.z == o.z_hb));
    }
}
