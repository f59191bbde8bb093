//! Finding rows that open and digits that changed, in AVX2: compared a vector
//! at a time, listed from the mask of the comparison.
#![allow(unsafe_code)]

use super::{VECTOR, WORDS, load, load_i16, store};
use crate::kernels::changes::{self, Found, Lists, Masks, ONES};
use crate::kernels::gate;
use crate::layout::Target;
use crate::quant::Split;
use core::arch::x86_64::*;

const HEIGHT: u32 = Target::Simd.panel() as u32;

/// The bits that are set in a byte, in ascending order.
static SET_BITS: [[u8; 8]; 256] = set_bits();

const fn set_bits() -> [[u8; 8]; 256] {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[byte][count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
}

/// See [`crate::kernels::Kernels::within`].
#[target_feature(enable = "avx2,popcnt")]
pub fn within(predictions: &[i16], thresholds: &[i16], open: &mut [u16]) -> usize {
    let rows = predictions.len().min(thresholds.len());
    if open.len() < rows {
        return gate::within(predictions, thresholds, open);
    }
    let a = predictions.as_chunks::<32>().0;
    let t = thresholds.as_chunks::<32>().0;
    let zero = _mm256_setzero_si256();
    let mut count = 0;
    let mut first = 0_u16;
    for (a, t) in a.iter().zip(t) {
        // -t < a < t, which no a fulfils for t <= 0.
        let inside = |half: usize| {
            let a = load_i16(&a.as_chunks().0[half]);
            let t = load_i16(&t.as_chunks().0[half]);
            let above = _mm256_cmpgt_epi16(a, _mm256_sub_epi16(zero, t));
            _mm256_and_si256(above, _mm256_cmpgt_epi16(t, a))
        };
        // Bytes 0 to 7 of either half, then 8 to 15.
        let packed = _mm256_packs_epi16(inside(0), inside(1));
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
        let mask = _mm256_movemask_epi8(bytes) as u32;
        // Eight rows are listed whatever their bits are, and those that are
        // not set overwritten: no branch has to be guessed. There is room: of
        // the rows before these, no more are listed than there are.
        for byte in mask.to_le_bytes() {
            let set = &SET_BITS[usize::from(byte)];
            if let Some(places) = open
                .get_mut(count..)
                .and_then(<[u16]>::first_chunk_mut::<8>)
            {
                // SAFETY: the references are to 8 and to 16 bytes.
                unsafe {
                    let set = _mm_cvtepu8_epi16(_mm_loadl_epi64(set.as_ptr().cast()));
                    let listed = _mm_add_epi16(set, _mm_set1_epi16(first as i16));
                    _mm_storeu_si128(places.as_mut_ptr().cast(), listed);
                }
            }
            count += byte.count_ones() as usize;
            first += 8;
        }
    }
    let (done, count) = (first as usize, count.min(open.len()));
    let rest = gate::within(
        predictions.get(done..rows).unwrap_or(&[]),
        thresholds.get(done..rows).unwrap_or(&[]),
        &mut open[count..],
    );
    for row in open[count..].iter_mut().take(rest) {
        *row += first;
    }
    count + rest
}

/// Bits that are set, in ascending order.
fn bits(mut mask: u32) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros());
        mask &= mask.wrapping_sub(1);
        bit
    })
}

/// See [`crate::kernels::Kernels::scan`].
#[target_feature(enable = "avx2")]
pub fn scan(
    split: Split,
    codes: &[u32],
    applied: &mut [u32],
    rest: &mut [u32],
    lists: &mut [u32],
) -> Found {
    let masks = Masks::new(split);
    let mut lists = Lists::new(lists);
    let mut columns = 0;
    let mut base = 0;
    let (vectors, codes_left) = codes.as_chunks::<WORDS>();
    let (states, applied_left) = applied.as_chunks_mut::<WORDS>();
    let (outputs, rest_left) = rest.as_chunks_mut::<WORDS>();
    for ((codes, applied), rest) in vectors.iter().zip(states).zip(outputs) {
        let v = _mm256_xor_si256(load(codes), _mm256_set1_epi8(i8::MIN));
        let (now, before) = (digits(masks, v), load(applied));
        store(applied, now);
        store(rest, remainders(masks, v));
        let same = _mm256_movemask_epi8(_mm256_cmpeq_epi8(now, before)) as u32;
        if same != u32::MAX {
            columns += same.count_zeros();
            for_each_unit(_mm256_subs_epu8(now, before), |byte| {
                lists.push_plus(base + byte * HEIGHT);
            });
            for_each_unit(_mm256_subs_epu8(before, now), |byte| {
                lists.push_minus(base + byte * HEIGHT);
            });
        }
        base += VECTOR as u32 * HEIGHT;
    }
    columns += changes::scan_words(
        masks,
        codes_left,
        applied_left,
        rest_left,
        base,
        HEIGHT,
        &mut lists,
    );
    lists.finish(columns)
}

/// [`Masks::digits`] of every word.
#[inline]
#[target_feature(enable = "avx2")]
fn digits(masks: Masks, v: __m256i) -> __m256i {
    if masks.shift == 0 {
        return v;
    }
    let shifted = |by: u32| _mm256_srl_epi32(v, _mm_cvtsi32_si128(by as i32));
    _mm256_add_epi32(
        _mm256_and_si256(shifted(masks.shift), splat(masks.digit)),
        _mm256_and_si256(shifted(masks.shift - 1), splat(ONES)),
    )
}

/// [`Masks::remainders`] of every word.
#[inline]
#[target_feature(enable = "avx2")]
fn remainders(masks: Masks, v: __m256i) -> __m256i {
    let (mask, half) = (splat(masks.remainder), splat(masks.half));
    let biased = _mm256_add_epi32(_mm256_and_si256(v, mask), half);
    _mm256_sub_epi8(_mm256_and_si256(biased, mask), half)
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word as i32)
}

/// Every byte as often as its number says: once those that are not zero, then
/// those that are not one, and so on. Seldom is there a second turn.
#[inline]
#[target_feature(enable = "avx2")]
fn for_each_unit(mut counts: __m256i, mut each: impl FnMut(u32)) {
    loop {
        let zero = _mm256_cmpeq_epi8(counts, _mm256_setzero_si256());
        let mask = !_mm256_movemask_epi8(zero) as u32;
        if mask == 0 {
            return;
        }
        for byte in bits(mask) {
            each(byte);
        }
        counts = _mm256_subs_epu8(counts, _mm256_set1_epi8(1));
    }
}
