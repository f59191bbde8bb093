//! From sums of prediction digits to gates, and from accumulators to codes.
//!
//! Both are decided on the sums `s = sum w hb` themselves, by levels that are
//! computed once for a layer: with `z_hb = (s << shift) + bias`,
//!
//! ```text
//! z_hb > t      if and only if  s > floor((t - bias) / 2^shift)
//! code(z) >= 1  if and only if  z >= Z, for code() does not fall
//! ```
//!
//! so that an output that stays closed and whose code is 0, which most are, costs
//! a comparison and neither bias nor multiplication.

mod addend;
mod levels;
mod scale;

#[cfg(pg_isa = "dsp")]
pub(super) use addend::FRACTION;
pub use addend::{Addend, Mixed, added_codes};
pub use levels::{Decided, Level, Levels, PairLevel, Rows};
pub use scale::{Scale, codes};

#[cfg(test)]
mod tests {
    use super::levels::FARTHEST;
    use super::*;
    use crate::kernels::conv::MOST_ROWS;
    use crate::quant::Requant;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn levels_are_where_gate_and_code_change(
            (mult, pre, post) in (1u16 << 14..1 << 15, 0u8..=24, 0u8..=30),
            (bias, limit) in (-1_000_000..1_000_000, -3_000_000..3_000_000i64),
            shift in 0u8..=7,
            sum in -5_000_000..5_000_000i32,
        ) {
            let requant = Requant { mult, pre, post };
            let z = (sum << shift) + bias;
            prop_assert_eq!(
                sum > Level::above(limit, bias, shift),
                i64::from(z) > limit
            );
            let zero = Level::zero(requant);
            prop_assert_eq!(
                sum > Level::above(zero, bias, shift),
                requant.apply(z) >= 1
            );
            for z in [zero, zero + 1] {
                if let Ok(z) = i32::try_from(z) && z < 1 << 30 {
                    prop_assert_eq!(requant.apply(z) >= 1, i64::from(z) > zero);
                }
            }
            let scale = Scale::new(bias, requant);
            let range = (i32::from(i16::MIN), i32::from(i16::MAX));
            prop_assert_eq!(scale.apply(sum << shift, range), requant.apply(z).into());
            prop_assert_eq!(scale.apply(sum << shift, (0, 15)), requant.apply(z).clamp(0, 15).into());
        }
    }

    #[test]
    fn groups_open_whole() {
        let mut found = Decided::NONE;
        (0..MOST_ROWS).for_each(|row| found.open.push(row, row == 5));
        (0..MOST_ROWS).for_each(|row| found.live.push(row, row % 3 == 0));
        found.group(4, 10);
        assert_eq!(found.open.list(), [4, 5, 6, 7]);
        assert_eq!(found.live.list().get(..4), Some(&[0, 3, 9, 12][..]));
    }

    #[test]
    fn narrow_levels_are_those_of_wide_ones() {
        let far = FARTHEST as i32;
        let ends = [-far, -32768, -32767, -1, 0, 32766, 32767, far];
        for open in ends {
            for live in ends.map(|live| live.min(open)) {
                let level = Level { open, live };
                let pair = [PairLevel::of([level, Level::NONE])];
                for sum in [-32767, -1, 0, 1, 32766, 32767] {
                    let rows = |levels: Levels<'_>| {
                        let mut found = Decided::NONE;
                        found.find(levels, &[sum, 0]);
                        [found.open, found.live].map(|rows| rows.list().to_vec())
                    };
                    let wide = [level, Level::NONE];
                    assert_eq!(rows(Levels::Narrow(&pair)), rows(Levels::Wide(&wide)));
                }
            }
        }
    }
}
