//! Numbers for tests, by a fixed rule from a seed: shrinking the shape is what
//! helps.

pub struct Numbers(pub u64);

impl Numbers {
    /// From `low` to `high`.
    pub fn next(&mut self, low: i64, high: i64) -> i64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) as i64).rem_euclid(high - low + 1)
    }
}
