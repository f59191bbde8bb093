//! Every weight reads back as it was stored.

use super::*;
use proptest::prelude::*;
use std::{vec, vec::Vec};
use zerocopy::IntoBytes;

#[test]
fn every_pair_of_weights_survives_the_row_encoding() {
    for target in Target::ALL {
        for a in -127..=127i8 {
            for b in [-127, -1, 0, 1, 127] {
                for w in [[a, b, 0, 0], [b, a, a, b], [0, 0, a, b], [a, a, a, a]] {
                    assert_eq!(target.decode_row_word(target.encode_row_word(w)), w);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn matrices_read_back(
        (rows, columns, weights) in (1usize..70, 1usize..30).prop_flat_map(|(r, c)| {
            (Just(r), Just(c), proptest::collection::vec(-127i8..=127, r * c))
        })
    ) {
        let kinds = Target::ALL.into_iter().flat_map(|t| WeightBits::ALL.map(|b| (t, b)));
        for (target, bits) in kinds {
            let (Some(stored), Some(kept)) = (ImageTarget::new(target), ImageWeights::new(bits))
            else {
                continue
            };
            let scale = 127 / bits.max() as i8;
            let weights: Vec<i8> = weights.iter().map(|w| w / scale).collect();
            let mut row_words = vec![0; target.row_words(bits, rows, columns)];
            let mut panel_words = vec![0u32; target.panel_words(bits, rows, columns)];
            target.encode_rows(bits, &weights, columns, &mut row_words);
            target.encode_panels(bits, &weights, columns, panel_words.as_mut_bytes());
            let m = Matrix {
                target: stored,
                bits: kept,
                rows,
                columns,
                panel_words: Some(&panel_words),
                row_words: Some(&row_words),
            };
            for (index, &w) in weights.iter().enumerate() {
                prop_assert_eq!(m.row_weight(index / columns, index % columns), w);
                prop_assert_eq!(m.panel_weight(index / columns, index % columns), w);
            }
            let sums = weights.chunks_exact(columns);
            let largest = sums.map(|r| r.iter().map(|w| u32::from(w.unsigned_abs())).sum()).max();
            prop_assert_eq!(m.validate(|_, _| ()), largest);
        }
    }
}
