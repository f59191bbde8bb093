//! Counters that cost nothing when nobody asks.

/// What one layer did in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerCounts {
    /// Gated outputs computed.
    pub outputs: u32,
    /// Of these, outputs that got the update pass.
    pub open: u32,
    /// Input columns of the layer.
    pub columns: u32,
    /// Columns that the prediction pass applied: digits that changed
    /// (recurrent layers) or are not zero (dense layers).
    pub columns_applied: u32,
    /// Multiply-accumulates executed by both passes: a column applied costs
    /// one per output, an open output one per column.
    pub macs: u32,
    /// Multiply-accumulates of the same step done densely.
    pub dense_macs: u32,
}

/// Receives the counts of every layer after every step.
///
/// [`NoProbe`] has [`Probe::ENABLED`] false, and the counting code is then
/// compiled out.
pub trait Probe {
    /// Whether the layers should count at all.
    const ENABLED: bool;
    /// Called once per layer and step; `layer` is its index in the image.
    fn layer(&mut self, layer: usize, counts: LayerCounts);
}

/// The probe that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    const ENABLED: bool = false;
    #[inline(always)]
    fn layer(&mut self, _: usize, _: LayerCounts) {}
}

impl<F: FnMut(usize, LayerCounts)> Probe for F {
    const ENABLED: bool = true;
    fn layer(&mut self, layer: usize, counts: LayerCounts) {
        self(layer, counts);
    }
}
