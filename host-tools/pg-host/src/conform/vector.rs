//! Reading vectors.

use anyhow::{Context, Result, bail, ensure};
use npyz::npz::NpzArchive;
use npyz::{DType, TypeChar};
use pg_runtime::image::record::MAX_THRESHOLD;
use pg_runtime::quant::Split;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

type Archive = NpzArchive<BufReader<File>>;

/// One gated convolution and its expected results.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Images, channels, height, width.
    pub input: [usize; 4],
    /// Output channels, channels of a group, kernel, kernel.
    pub kernel: [usize; 4],
    /// Activation codes, in the order of `input`, as stored bytes.
    pub activation: Vec<i8>,
    /// Weights, in the order of `kernel`.
    pub weight: Vec<i8>,
    /// Thresholds: an output opens where its prediction, in accumulator units,
    /// is larger. A real threshold t and an integer z: z > t if z > floor(t).
    pub thresholds: Vec<i32>,
    /// The split of the activations.
    pub split: Split,
    /// Distance of the windows.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Shape of the expected results.
    pub output: [usize; 4],
    /// Expected predictions: sums of weights times prediction digits, in
    /// accumulator units.
    pub predictions: Vec<i64>,
    /// Expected gates, 1 for open.
    pub mask: Vec<i64>,
    /// Expected accumulators.
    pub accumulators: Vec<i64>,
}

impl Vector {
    /// Reads an `.npz` file with the arrays `activation` (u8, or i8 for signed
    /// codes), `weight`, `threshold`, `msb_accumulator`, `mask`, `accumulator`,
    /// `bits` (B, digit bits, ...), `stride`, `padding`, `groups`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, an array is missing or of another shape, or
    /// a number is out of its range.
    pub fn read(path: &Path) -> Result<Self> {
        let mut archive = Archive::open(path)
            .with_context(|| format!("cannot read {} as an .npz file", path.display()))?;
        let archive = &mut archive;
        let activation = integers(archive, "activation")?;
        let weight = integers(archive, "weight")?;
        let bits = integers(archive, "bits")?;
        let &[activation_bits, msb_bits, ..] = bits.values.as_slice() else {
            bail!(
                "bits has {} numbers, not B and the digit's",
                bits.values.len()
            );
        };
        let split = u8::try_from(activation_bits)
            .ok()
            .zip(u8::try_from(msb_bits).ok())
            .and_then(|(bits, msb)| Split::new(bits, msb, activation.signed))
            .with_context(|| {
                format!("no split of {activation_bits} bits into {msb_bits} and the rest")
            })?;
        let (low, high) = split.range();
        let range = i64::from(low)..=i64::from(high);
        if let Some(code) = activation.values.iter().find(|code| !range.contains(code)) {
            bail!("activation {code} is no code of {activation_bits} bits");
        }
        if let Some(w) = weight.values.iter().find(|w| !(-127..=127).contains(*w)) {
            bail!("weight {w}: the runtime has weights from -127 to 127");
        }
        let vector = Self {
            input: activation.shape("activation")?,
            kernel: weight.shape("weight")?,
            activation: activation.values.iter().map(|&q| q as i8).collect(),
            weight: weight.values.iter().map(|&w| w as i8).collect(),
            thresholds: thresholds(archive)?,
            split,
            stride: number(archive, "stride")?,
            padding: number(archive, "padding")?,
            groups: number(archive, "groups")?,
            output: integers(archive, "accumulator")?.shape("accumulator")?,
            predictions: integers(archive, "msb_accumulator")?.values,
            mask: integers(archive, "mask")?.values,
            accumulators: integers(archive, "accumulator")?.values,
        };
        vector.check()?;
        Ok(vector)
    }

    fn check(&self) -> Result<()> {
        let [_, channels, ..] = self.input;
        let [outputs, per_group, kernel, other] = self.kernel;
        ensure!(
            kernel == other,
            "a kernel of {kernel} x {other} is not square"
        );
        ensure!(
            self.groups > 0
                && outputs.is_multiple_of(self.groups)
                && per_group * self.groups == channels,
            "{channels} channels do not fall into {} groups of {per_group}, or {outputs} outputs \
             into as many",
            self.groups
        );
        ensure!(self.stride > 0, "a stride of 0");
        ensure!(
            self.thresholds.len() == outputs,
            "{} thresholds for {outputs} output channels",
            self.thresholds.len()
        );
        let count: usize = self.output.iter().product();
        for (name, values) in [
            ("msb_accumulator", &self.predictions),
            ("mask", &self.mask),
            ("accumulator", &self.accumulators),
        ] {
            ensure!(
                values.len() == count,
                "{name} has {} numbers, accumulator {count}",
                values.len()
            );
        }
        Ok(())
    }

    /// Checks the shape of the expected results.
    pub(super) fn expect_shape(&self, shape: [usize; 4]) -> Result<()> {
        ensure!(
            self.output == shape,
            "the expected results have the shape {:?}, this convolution gives {shape:?}",
            self.output
        );
        Ok(())
    }

    /// The codes of an image, pixel by pixel.
    pub(super) fn image(&self, image: usize) -> Vec<i8> {
        let [_, channels, height, width] = self.input;
        let pixels = height * width;
        let codes = &self.activation[image * channels * pixels..][..channels * pixels];
        (0..pixels * channels)
            .map(|k| codes[k % channels * pixels + k / channels])
            .collect()
    }

    /// The weights of a group, row by row, columns in the order of the runtime.
    pub(super) fn weights_of(&self, group: usize) -> Vec<i8> {
        let [outputs, channels, kernel, _] = self.kernel;
        let (rows, taps) = (outputs / self.groups, kernel * kernel);
        let weights = &self.weight[group * rows * channels * taps..][..rows * channels * taps];
        (0..rows * taps * channels)
            .map(|k| {
                let (row, column) = (k / (taps * channels), k % (taps * channels));
                let (tap, channel) = (column / channels, column % channels);
                weights[(row * channels + channel) * taps + tap]
            })
            .collect()
    }
}

/// An array of integers.
struct Integers {
    shape: Vec<u64>,
    signed: bool,
    values: Vec<i64>,
}

impl Integers {
    fn shape(&self, name: &str) -> Result<[usize; 4]> {
        let shape: Vec<usize> = self.shape.iter().map(|&n| n as usize).collect();
        (shape.as_slice().try_into())
            .map_err(|_| anyhow::anyhow!("{name} has the shape {shape:?}, not four numbers"))
    }
}

fn integers(archive: &mut Archive, name: &str) -> Result<Integers> {
    let file = (archive.by_name(name))
        .with_context(|| format!("reading {name}"))?
        .with_context(|| format!("there is no array {name}"))?;
    let DType::Plain(dtype) = file.dtype() else {
        bail!("{name} is not an array of integers");
    };
    ensure!(
        file.order() == npyz::Order::C,
        "{name} is in Fortran's order; save it in C's"
    );
    let shape = file.shape().to_vec();
    let kind = (dtype.type_char(), dtype.size_field());
    let values = match kind {
        (TypeChar::Uint, 1) => widen(file.into_vec::<u8>()),
        (TypeChar::Bool, _) => widen(file.into_vec::<bool>()),
        (TypeChar::Int, 1) => widen(file.into_vec::<i8>()),
        (TypeChar::Uint, 2) => widen(file.into_vec::<u16>()),
        (TypeChar::Int, 2) => widen(file.into_vec::<i16>()),
        (TypeChar::Int, 4) => widen(file.into_vec::<i32>()),
        (TypeChar::Int, 8) => file.into_vec::<i64>(),
        _ => bail!("{name} is not an array of integers of up to 64 bits"),
    };
    Ok(Integers {
        shape,
        signed: kind.0 == TypeChar::Int,
        values: values.with_context(|| format!("reading {name}"))?,
    })
}

fn widen<T: Into<i64>>(values: std::io::Result<Vec<T>>) -> std::io::Result<Vec<i64>> {
    Ok(values?.into_iter().map(Into::into).collect())
}

fn number(archive: &mut Archive, name: &str) -> Result<usize> {
    let array = integers(archive, name)?;
    match array.values.as_slice() {
        &[value] => usize::try_from(value).with_context(|| format!("{name} is {value}")),
        values => bail!("{name} has {} numbers, not one", values.len()),
    }
}

/// Thresholds as integers.
fn thresholds(archive: &mut Archive) -> Result<Vec<i32>> {
    let file = (archive.by_name("threshold"))
        .context("reading threshold")?
        .context("there is no array threshold")?;
    let DType::Plain(dtype) = file.dtype() else {
        bail!("threshold is not an array of real numbers");
    };
    let values: Vec<f64> = match (dtype.type_char(), dtype.size_field()) {
        (TypeChar::Float, 8) => file.into_vec::<f64>().context("reading threshold")?,
        (TypeChar::Float, 4) => {
            let values = file.into_vec::<f32>().context("reading threshold")?;
            values.into_iter().map(f64::from).collect()
        }
        _ => bail!("threshold is not an array of real numbers of 32 or 64 bits"),
    };
    let limit = f64::from(MAX_THRESHOLD);
    (values.into_iter())
        .map(|t| {
            ensure!(!t.is_nan(), "a threshold is not a number");
            // No accumulator is beyond the limit.
            Ok(t.floor().clamp(-limit, limit) as i32)
        })
        .collect()
}
