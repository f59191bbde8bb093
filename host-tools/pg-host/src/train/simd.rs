//! Code compiled once per instruction set, chosen when it runs.
use pulp::WithSimd;

/// Runs `op` compiled for this processor: AVX-512, AVX2 with FMA, NEON, or
/// plain code.
///
/// `pulp`'s own choice knows AVX2 only with its feature `x86-v3`, which nothing
/// else here asks for; the token exists without it.
#[inline(always)]
pub fn dispatch<O: WithSimd>(op: O) -> O::Output {
    #[cfg(target_arch = "x86_64")]
    if pulp::x86::V4::try_new().is_none()
        && let Some(simd) = pulp::x86::V3::try_new()
    {
        return pulp::Simd::vectorize(simd, op);
    }
    pulp::Arch::new().dispatch(op)
}
