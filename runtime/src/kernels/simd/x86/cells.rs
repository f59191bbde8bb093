//! The LSTM's cell in AVX2: eight units at a time, the integers of
//! [`crate::kernels::cell`].
//!
//! A product of two 16-bit numbers is `vpmaddwd` on 32-bit lanes: where one
//! factor is not negative, its upper half is zero and takes the other's sign
//! out of the sum. The units of two vectors of gates, four each, end in lanes
//! `0 1 4 5 | 2 3 6 7`; cell states are brought into that order and back.
#![allow(unsafe_code)]

use crate::activation::{C_TO_T, SIGMOID, TANH, Table};
use crate::kernels::cell::{self, Constants};
use core::arch::x86_64::*;

/// Units at a time.
const UNITS: usize = 8;

/// Constants of a layer, in every lane.
struct Lanes {
    post: __m128i,
    hidden_mult: __m256i,
    hidden_half: __m256i,
    hidden_post: __m128i,
    limit: __m256i,
}

/// See [`crate::kernels::Kernels::cells`].
#[target_feature(enable = "avx2")]
pub fn cells(
    constants: &Constants<'_>,
    preactivations: &[i16],
    state: &mut [i16],
    codes: &mut [i8],
) {
    let hidden = constants.hidden;
    let count = |shift: u8| _mm_cvtsi32_si128(i32::from(shift & 31));
    let lanes = Lanes {
        post: count(constants.post),
        hidden_mult: _mm256_set1_epi32(i32::from(hidden.mult)),
        hidden_half: _mm256_set1_epi32((1 << (hidden.post & 31)) >> 1),
        hidden_post: count(hidden.post),
        limit: _mm256_set1_epi32(i32::from(constants.limit)),
    };
    let gates = preactivations.as_chunks::<{ 4 * UNITS }>().0;
    let mults = constants.mult.as_chunks::<{ 4 * UNITS }>().0;
    let states = state.as_chunks_mut::<UNITS>().0;
    let outputs = codes.as_chunks_mut::<UNITS>().0;
    let mut done = 0;
    for (((gates, mults), state), codes) in gates.iter().zip(mults).zip(states).zip(outputs) {
        eight(&lanes, gates, mults, state, codes);
        done += UNITS;
    }
    // What does not fill a vector.
    let rest = Constants {
        mult: constants.mult.get(4 * done..).unwrap_or(&[]),
        ..*constants
    };
    cell::update(
        &rest,
        preactivations.get(4 * done..).unwrap_or(&[]),
        state.get_mut(done..).unwrap_or(&mut []),
        codes.get_mut(done..).unwrap_or(&mut []),
    );
}

/// Eight units.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(
    lanes: &Lanes,
    gates: &[i16; 4 * UNITS],
    mults: &[u16; 4 * UNITS],
    state: &mut [i16; UNITS],
    codes: &mut [i8; UNITS],
) {
    let (a0, a1) = halves(gates);
    let (m0, m1) = halves(mults);
    let lower = _mm256_set1_epi32(0xffff);
    let even = |a, m| _mm256_madd_epi16(a, _mm256_and_si256(m, lower));
    let odd = |a, m| _mm256_madd_epi16(a, _mm256_andnot_si256(lower, m));
    let (ti, tg) = deinterleave(even(a0, m0), even(a1, m1));
    let (tf, to) = deinterleave(odd(a0, m0), odd(a1, m1));
    let t = |product| clamp(_mm256_sra_epi32(product, lanes.post));
    let (i, f) = (interpolate(&SIGMOID, t(ti)), interpolate(&SIGMOID, t(tf)));
    let (g, o) = (interpolate(&TANH, t(tg)), interpolate(&SIGMOID, t(to)));

    // SAFETY: the reference is to 16 bytes.
    let c = unsafe { _mm_loadu_si128(state.as_ptr().cast()) };
    let c = _mm256_cvtepi16_epi32(exchange(c));
    let sum = _mm256_add_epi32(
        _mm256_madd_epi16(f, c),
        _mm256_srai_epi32::<4>(_mm256_madd_epi16(i, g)),
    );
    let c = _mm256_srai_epi32::<15>(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << 14)));
    // Saturates to 16 bits.
    let c = pack(c);
    // SAFETY: the reference is to 16 bytes.
    unsafe { _mm_storeu_si128(state.as_mut_ptr().cast(), exchange(c)) };

    let c = _mm256_slli_epi32::<{ C_TO_T as i32 }>(_mm256_cvtepi16_epi32(c));
    let tanh = interpolate(&TANH, clamp(c));
    let p = _mm256_srai_epi32::<15>(_mm256_madd_epi16(o, tanh));
    let code = _mm256_add_epi32(_mm256_madd_epi16(lanes.hidden_mult, p), lanes.hidden_half);
    let code = _mm256_sra_epi32(code, lanes.hidden_post);
    let code = _mm256_min_epi32(code, lanes.limit);
    let code = _mm256_max_epi32(code, _mm256_sign_epi32(lanes.limit, _mm256_set1_epi32(-1)));
    let code = exchange(pack(code));
    // SAFETY: the reference is to the 8 bytes that are written.
    unsafe { _mm_storel_epi64(codes.as_mut_ptr().cast(), _mm_packs_epi16(code, code)) };
}

/// The two vectors of 32 numbers of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn halves<T>(lanes: &[T; 4 * UNITS]) -> (__m256i, __m256i) {
    const { assert!(size_of::<T>() == 2) };
    let first = lanes.as_ptr().cast::<__m256i>();
    // SAFETY: the reference is to 64 bytes.
    unsafe { (_mm256_loadu_si256(first), _mm256_loadu_si256(first.add(1))) }
}

/// The even and the odd lanes of two vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn deinterleave(a: __m256i, b: __m256i) -> (__m256i, __m256i) {
    let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
    let even = _mm256_shuffle_ps::<0b10_00_10_00>(a, b);
    let odd = _mm256_shuffle_ps::<0b11_01_11_01>(a, b);
    (_mm256_castps_si256(even), _mm256_castps_si256(odd))
}

/// From natural order to `0 1 4 5 2 3 6 7`, and back.
#[inline]
#[target_feature(enable = "avx2")]
fn exchange(units: __m128i) -> __m128i {
    _mm_shuffle_epi32::<0b11_01_10_00>(units)
}

/// To 16 bits, saturated.
#[inline]
#[target_feature(enable = "avx2")]
fn pack(lanes: __m256i) -> __m128i {
    _mm_packs_epi32(
        _mm256_castsi256_si128(lanes),
        _mm256_extracti128_si256::<1>(lanes),
    )
}

/// Into the tables' range, Q20 in `[-8, 8)` less its first point, which has the
/// value of the second.
#[inline]
#[target_feature(enable = "avx2")]
fn clamp(t: __m256i) -> __m256i {
    let t = _mm256_min_epi32(t, _mm256_set1_epi32((1 << 23) - 1));
    _mm256_max_epi32(t, _mm256_set1_epi32(1 - (1 << 23)))
}

/// `table` at `t`, which is [`clamp`]ed; see [`crate::activation`].
#[inline]
#[target_feature(enable = "avx2")]
fn interpolate(table: &Table, t: __m256i) -> __m256i {
    let point = _mm256_add_epi32(t, _mm256_set1_epi32((1 << 23) - 1));
    let segment = _mm256_srli_epi32::<16>(point);
    // SAFETY: a point is below 2^24, so that a segment is below 256, the
    // length of a table.
    let word = unsafe { _mm256_i32gather_epi32::<4>(table.as_ptr().cast(), segment) };
    let slope = _mm256_and_si256(word, _mm256_set1_epi32(0xffff));
    let y = _mm256_add_epi32(word, _mm256_mullo_epi32(slope, point));
    _mm256_srai_epi32::<16>(y)
}
