//! Reading a test vector: arrays of integers and reals from an NPZ file.

use anyhow::{Context, Result, bail, ensure};
use npyz::npz::NpzArchive;
use npyz::{DType, NpyFile, Order};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Most elements of an array: a damaged header must not fill the memory.
const LARGEST: u64 = 1 << 28;

/// An array of integers, in the order of its shape.
#[derive(Clone, Debug)]
pub struct Integers {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<i64>,
    /// Whether the elements are signed bytes.
    pub signed_bytes: bool,
}

/// A convolution with what must come out of it.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Codes, [N, C, H, W].
    pub activation: Integers,
    /// Codes, [O, C / groups, k, k].
    pub weight: Integers,
    /// Threshold of every output channel, in accumulator units.
    pub thresholds: Vec<f64>,
    /// Predictions with the shift applied, [N, O, H, W].
    pub msb_accumulator: Integers,
    /// Outputs that open, likewise.
    pub mask: Integers,
    /// Accumulators, likewise.
    pub accumulator: Integers,
    /// Bits of a code, and of its prediction digit.
    pub bits: [u8; 2],
    /// Vertical and horizontal.
    pub stride: [usize; 2],
    /// Vertical and horizontal.
    pub padding: [usize; 2],
    /// Groups of channels.
    pub groups: usize,
}

type Archive = NpzArchive<BufReader<File>>;

impl Vector {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it is no NPZ archive, an array is missing, or shapes do not fit.
    pub fn read(path: &Path) -> Result<Self> {
        let mut npz = NpzArchive::open(path).context("not an NPZ archive")?;
        let bits = integers(&mut npz, "bits")?.values;
        ensure!(bits.len() >= 2, "'bits' must be [B, B_hb, ...]");
        let small = |n: i64| u8::try_from(n).with_context(|| format!("{n} bits"));
        let vector = Self {
            bits: [small(bits[0])?, small(bits[1])?],
            activation: integers(&mut npz, "activation")?,
            weight: integers(&mut npz, "weight")?,
            thresholds: reals(&mut npz, "threshold")?,
            msb_accumulator: integers(&mut npz, "msb_accumulator")?,
            mask: integers(&mut npz, "mask")?,
            accumulator: integers(&mut npz, "accumulator")?,
            stride: pair(&mut npz, "stride")?,
            padding: pair(&mut npz, "padding")?,
            groups: pair(&mut npz, "groups")?[0],
        };
        if npz.array_names().any(|name| name == "dilation") {
            let dilation = pair(&mut npz, "dilation")?;
            ensure!(dilation == [1, 1], "dilated convolutions are not supported");
        }
        vector.check()?;
        Ok(vector)
    }

    /// Images, input channels, height and width.
    #[must_use]
    pub fn input(&self) -> [usize; 4] {
        four(&self.activation.shape)
    }

    /// Output channels, input channels of a group, height and width.
    #[must_use]
    pub fn kernel(&self) -> [usize; 4] {
        four(&self.weight.shape)
    }

    /// Images, output channels, height and width.
    #[must_use]
    pub fn output(&self) -> [usize; 4] {
        four(&self.accumulator.shape)
    }

    fn check(&self) -> Result<()> {
        for (name, array) in [("activation", &self.activation), ("weight", &self.weight)] {
            ensure!(
                array.shape.len() == 4 && !array.values.is_empty(),
                "'{name}' must have four dimensions, none of them 0; it has {:?}",
                array.shape
            );
        }
        let ([n, c, h, w], [o, part, kh, kw]) = (self.input(), self.kernel());
        let groups = self.groups;
        ensure!(
            groups > 0 && c == part * groups && o.is_multiple_of(groups),
            "{c} input and {o} output channels do not fit {groups} groups of {part}"
        );
        ensure!(!self.stride.contains(&0), "'stride' is 0");
        let edges = [h, w].into_iter().zip([kh, kw]).zip(self.padding);
        let mut edges = edges.zip(self.stride).map(|(((edge, k), p), s)| {
            let room = (edge + 2 * p).checked_sub(k);
            room.map_or(0, |room| room / s + 1)
        });
        let expected = [n, o, edges.next().unwrap_or(0), edges.next().unwrap_or(0)];
        for (name, array) in [
            ("msb_accumulator", &self.msb_accumulator),
            ("mask", &self.mask),
            ("accumulator", &self.accumulator),
        ] {
            ensure!(
                array.shape == expected,
                "'{name}' must be of {expected:?}, it is of {:?}",
                array.shape
            );
        }
        let thresholds = self.thresholds.len();
        ensure!(
            thresholds == o || thresholds == 1,
            "{thresholds} thresholds for {o} output channels"
        );
        Ok(())
    }
}

fn four(shape: &[usize]) -> [usize; 4] {
    shape.try_into().unwrap_or([0; 4])
}

/// Opens an array, its size checked.
fn open<'a>(npz: &'a mut Archive, name: &str) -> Result<NpyFile<impl Read + 'a>> {
    let array = npz
        .by_name(name)
        .with_context(|| format!("cannot read the array '{name}'"))?;
    let array = array.with_context(|| format!("no array '{name}'"))?;
    let count = (array.shape().iter()).try_fold(1u64, |all, &n| all.checked_mul(n));
    ensure!(
        count.is_some_and(|n| n <= LARGEST),
        "the array '{name}' is too large: {:?}",
        array.shape()
    );
    ensure!(
        array.order() == Order::C || array.shape().len() < 2,
        "the array '{name}' is in Fortran order"
    );
    Ok(array)
}

/// Name of the type of an array's elements, as `u1` or `f8`.
fn kind(dtype: &DType) -> String {
    let text = dtype.descr();
    text.trim_matches(|c| "'<>|=".contains(c)).to_owned()
}

fn integers(npz: &mut Archive, name: &str) -> Result<Integers> {
    let array = open(npz, name)?;
    let shape = array.shape().iter().map(|&n| n as usize).collect();
    let kind = kind(&array.dtype());
    macro_rules! read {
        ($t:ty) => {{
            let values = array.into_vec::<$t>();
            let values = values.with_context(|| format!("reading '{name}'"))?;
            values.into_iter().map(i64::from).collect()
        }};
    }
    let values = match kind.as_str() {
        "b1" => read!(bool),
        "u1" => read!(u8),
        "u2" => read!(u16),
        "u4" => read!(u32),
        "i1" => read!(i8),
        "i2" => read!(i16),
        "i4" => read!(i32),
        "i8" => read!(i64),
        _ => bail!("'{name}' must hold integers, not {kind}"),
    };
    Ok(Integers {
        shape,
        values,
        signed_bytes: kind == "i1",
    })
}

fn reals(npz: &mut Archive, name: &str) -> Result<Vec<f64>> {
    let array = open(npz, name)?;
    let kind = kind(&array.dtype());
    match kind.as_str() {
        "f8" => array
            .into_vec()
            .with_context(|| format!("reading '{name}'")),
        "f4" => {
            let values = array.into_vec::<f32>();
            let values = values.with_context(|| format!("reading '{name}'"))?;
            Ok(values.into_iter().map(f64::from).collect())
        }
        _ => {
            drop(array);
            let values = integers(npz, name)?.values;
            Ok(values.into_iter().map(|n| n as f64).collect())
        }
    }
}

/// One number, or two.
fn pair(npz: &mut Archive, name: &str) -> Result<[usize; 2]> {
    let values = integers(npz, name)?.values;
    let [first, second] = match values[..] {
        [one] => [one, one],
        [first, second] => [first, second],
        _ => bail!("'{name}' must be one number or two"),
    };
    let size = |n: i64| {
        let size = usize::try_from(n).ok().filter(|&n| n <= 1 << 14);
        size.with_context(|| format!("'{name}' is {n}"))
    };
    Ok([size(first)?, size(second)?])
}
