//! Settings of a run that do not change its result.

use anyhow::{Result, ensure};
use burn::tensor::Device;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Name of what a run leaves at the end of its floating-point part.
pub(super) const FLOAT_CHECKPOINT: &str = "float.safetensors";

/// Where the arithmetic runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The processor, with kernels of our own.
    Cpu,
    /// The first Nvidia GPU. Needs the feature `cuda`.
    Cuda,
}

impl Backend {
    pub(super) fn device(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => anyhow::bail!(
                "this pg-host was built without CUDA; build it with --features cuda, or use --device cpu"
            ),
        }
    }
}

/// Settings of a run that do not change its result.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Directory with `manifest.csv`.
    pub data_dir: PathBuf,
    /// Directory for the checkpoint, the log and the model.
    pub out_dir: PathBuf,
    /// Where the arithmetic runs.
    pub backend: Backend,
    /// Continue the unfinished run in `out_dir`, if there is one.
    pub resume: bool,
    /// Start from the end of the floating-point part of the run in this
    /// directory, whose recipe differs only in what the quantised epochs read.
    pub float_from: Option<PathBuf>,
    /// Stop, with a checkpoint, after this many steps.
    pub stop_after: Option<u64>,
    /// Seconds between checkpoints; one is also written after every epoch.
    pub checkpoint_seconds: u64,
    /// The command, for the records.
    pub command: String,
    /// No progress bar and no lines.
    pub quiet: bool,
    /// Set to stop at the next step, with a checkpoint.
    pub stop: Arc<AtomicBool>,
}

impl TrainOptions {
    /// Settings for a run of `data_dir` into `out_dir` on the processor.
    pub fn new(data_dir: impl Into<PathBuf>, out_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            out_dir: out_dir.into(),
            backend: Backend::Cpu,
            resume: false,
            float_from: None,
            stop_after: None,
            checkpoint_seconds: 60,
            command: String::new(),
            quiet: false,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Where the unfinished run is kept.
    #[must_use]
    pub fn checkpoint_path(&self) -> PathBuf {
        self.out_dir.join("checkpoint.safetensors")
    }

    /// Where a run leaves the end of its floating-point part.
    pub(super) fn float_path(&self) -> PathBuf {
        self.out_dir.join(FLOAT_CHECKPOINT)
    }

    /// Refuses to go on with the unfinished run unless [`Self::resume`] is set.
    pub(super) fn ensure_resume(&self) -> Result<()> {
        ensure!(
            self.resume,
            "{} holds an unfinished run; continue it with --resume, or choose another output \
             directory, or remove it",
            self.checkpoint_path().display()
        );
        Ok(())
    }

    /// Whether the run stops before `step`: it was asked to, or has done enough.
    pub(super) fn stops_at(&self, step: u64) -> bool {
        self.stop.load(Ordering::Relaxed) || self.stop_after.is_some_and(|n| step >= n)
    }
}
