//! Layers between feature maps, from a layer record and its place.

use super::{biases, check, gate, invalid, matrix};
use crate::error::{ImageError, LayerField};
use crate::gate::GateKind;
use crate::image::bytes::Bytes;
use crate::image::graph::{FeatureMap, Graph};
use crate::image::record::{
    LayerRecord, MAX_COLUMNS, MAX_OUTPUTS, MAX_THRESHOLD, PlaceRecord, ViewRecord, kind,
};
use crate::layers::{
    AveragePool, Conv, ConvConfig, Depthwise, Ends, MapError, MapLayer, MapOp, MaxPool, Residual,
    Shift, View, Window,
};
use crate::layout::WeightBits;
use crate::quant::Split;

/// Bits of the digit of codes that no gate splits.
const WHOLE: u8 = 4;

/// One record with all it needs to be read.
struct Reader<'a, 'r> {
    bytes: Bytes<'a>,
    graph: Graph<'a>,
    index: u16,
    record: &'r LayerRecord,
    place: &'a PlaceRecord,
}

/// Reads a record as a layer between maps.
pub(super) fn layer<'a>(
    bytes: Bytes<'a>,
    graph: Graph<'a>,
    index: u16,
    record: &LayerRecord,
) -> Result<MapLayer<'a>, ImageError> {
    let place = graph
        .place(index)
        .ok_or(ImageError::Chain { layer: index })?;
    let r = Reader {
        bytes,
        graph,
        index,
        record,
        place,
    };
    let residual = (place.residual.channels > 0).then_some(place.residual.map);
    // Only channels can be moved where they lie.
    let in_place = place.input.map == place.output.map;
    if in_place && !(record.kind == kind::SHIFT && place.input == place.output) {
        return Err(ImageError::Map {
            map: place.output.map,
        });
    }
    let op = match record.kind {
        kind::CONV => r.conv().map(MapOp::Conv),
        kind::DEPTHWISE => r.depthwise().map(MapOp::Depthwise),
        kind::SHIFT => r.shift().map(MapOp::Shift),
        kind::MAX_POOL => r.max_pool().map(MapOp::MaxPool),
        _ => r.average_pool().map(MapOp::AveragePool),
    }?;
    Ok(MapLayer {
        input: place.input.map.into(),
        output: place.output.map.into(),
        residual: residual.map(usize::from),
        ends: r.ends()?,
        op,
    })
}

impl<'a> Reader<'a, '_> {
    fn map(&self, view: ViewRecord) -> Result<FeatureMap, ImageError> {
        let error = ImageError::Map { map: view.map };
        self.graph.map(view.map.into()).ok_or(error)
    }

    fn view(&self, view: ViewRecord) -> Result<View, ImageError> {
        let map = self.map(view)?;
        Ok(View {
            shape: map.shape,
            first: view.first.into(),
            step: view.step.into(),
            channels: view.channels.into(),
        })
    }

    fn window(&self) -> Window {
        Window {
            kernel: self.place.kernel.into(),
            stride: self.place.stride.into(),
            padding: self.place.padding.into(),
        }
    }

    fn ends(&self) -> Result<Ends, ImageError> {
        Ok(Ends {
            input: self.view(self.place.input)?,
            output: self.view(self.place.output)?,
            input_format: self.map(self.place.input)?.format,
            output_format: self.map(self.place.output)?.format,
        })
    }

    fn refused(&self, error: MapError) -> ImageError {
        ImageError::MapLayer {
            layer: self.index,
            error,
        }
    }

    /// That nothing else is stated than what `used` says.
    fn only(&self, used: LayerRecord, place: PlaceRecord) -> Result<(), ImageError> {
        let used = LayerRecord {
            kind: self.record.kind,
            ..used
        };
        let place = PlaceRecord {
            input: self.place.input,
            output: self.place.output,
            ..place
        };
        if *self.record == used && *self.place == place {
            Ok(())
        } else {
            Err(invalid(self.index, LayerField::Reserved))
        }
    }

    fn conv(&self) -> Result<Conv<'a>, ImageError> {
        let (r, place, index) = (self.record, self.place, self.index);
        let ends = self.ends()?;
        let window = self.window();
        let rows = ends.output.channels;
        let columns = (window.kernel * window.kernel).saturating_mul(ends.input.channels);
        if rows == 0 || columns == 0 || rows > MAX_OUTPUTS || columns > MAX_COLUMNS {
            return Err(invalid(index, LayerField::Width));
        }
        self.only(
            LayerRecord {
                gate: r.gate,
                msb_bits: r.msb_bits,
                layout: r.layout,
                gate_block: r.gate_block,
                panels: r.panels,
                rows: r.rows,
                bias: r.bias,
                thresholds: r.thresholds,
                requant: r.requant,
                row_sum: r.row_sum,
                weight_bits: r.weight_bits,
                ..LayerRecord::default()
            },
            PlaceRecord {
                residual: place.residual,
                residual_offset: place.residual_offset,
                residual_mult: place.residual_mult,
                residual_shift: place.residual_shift,
                residual_stride: place.residual_stride,
                group: place.group,
                ..self.windowed()
            },
        )?;
        let gate = gate(self.bytes, index, r, rows)?;
        let input = ends.input_format;
        // Without a gate there is no digit: the codes are taken as they are.
        let msb_bits = match gate.kind() {
            GateKind::Open if r.msb_bits == 0 => WHOLE.min(input.bits()),
            GateKind::Open => return Err(invalid(index, LayerField::Split)),
            _ => r.msb_bits,
        };
        let split = Split::new(input.bits(), msb_bits, input.signed());
        let residual = self.residual()?;
        Conv::new(ConvConfig {
            input: ends.input,
            output: ends.output,
            window,
            split: split.ok_or(invalid(index, LayerField::Split))?,
            gate,
            group: place.group.into(),
            weights: matrix(self.bytes, index, r, rows, columns)?,
            row_sum: r.row_sum,
            bias: self.bytes.slice(r.bias, rows)?,
            requant: self.bytes.slice(r.requant, rows)?,
            output_bits: ends.output_format.bits(),
            output_signed: ends.output_format.signed(),
            residual,
        })
        .map_err(|error| ImageError::Convolution {
            layer: index,
            error,
        })
    }

    fn residual(&self) -> Result<Option<Residual>, ImageError> {
        let place = self.place;
        if place.residual.channels == 0 {
            let unused = place.residual == ViewRecord::default()
                && (place.residual_offset, place.residual_mult) == (0, 0)
                && (place.residual_shift, place.residual_stride) == (0, 0);
            return if unused {
                Ok(None)
            } else {
                Err(invalid(self.index, LayerField::Reserved))
            };
        }
        // Added to where it lies, every code must be read before it is written.
        let in_place = place.residual.map == place.output.map;
        let same = place.residual == place.output
            && (place.residual_offset, place.residual_stride) == (0, 1);
        if in_place && !same {
            return Err(ImageError::Map {
                map: place.output.map,
            });
        }
        Ok(Some(Residual {
            view: self.view(place.residual)?,
            signed: self.map(place.residual)?.format.signed(),
            stride: place.residual_stride.into(),
            offset: place.residual_offset.into(),
            mult: place.residual_mult,
            shift: place.residual_shift,
        }))
    }

    fn depthwise(&self) -> Result<Depthwise<'a>, ImageError> {
        let (r, ends, window) = (self.record, self.ends()?, self.window());
        self.only(
            LayerRecord {
                rows: r.rows,
                bias: r.bias,
                requant: r.requant,
                row_sum: r.row_sum,
                ..LayerRecord::default()
            },
            self.windowed(),
        )?;
        let channels = ends.input.channels;
        Depthwise::new(
            ends,
            window,
            self.bytes
                .slice(r.rows, window.kernel * window.kernel * channels)?,
            self.bytes.slice(r.bias, channels)?,
            self.bytes.slice(r.requant, channels)?,
        )
        .map_err(|error| self.refused(error))
    }

    fn shift(&self) -> Result<Shift<'a>, ImageError> {
        let ends = self.ends()?;
        let offset = self.place.displacements;
        self.only(
            LayerRecord::default(),
            PlaceRecord {
                displacements: offset,
                ..PlaceRecord::default()
            },
        )?;
        let displacement = match offset {
            0 => None,
            _ => Some(self.bytes.slice(offset, ends.input.channels)?),
        };
        Shift::new(ends, displacement).map_err(|error| self.refused(error))
    }

    fn max_pool(&self) -> Result<MaxPool, ImageError> {
        self.only(LayerRecord::default(), self.windowed())?;
        MaxPool::new(self.ends()?, self.window()).map_err(|error| self.refused(error))
    }

    fn average_pool(&self) -> Result<AveragePool, ImageError> {
        let requant = self.record.hidden_requant;
        self.only(
            LayerRecord {
                hidden_requant: requant,
                ..LayerRecord::default()
            },
            self.windowed(),
        )?;
        let window = self.window();
        let whole = window.kernel == 0;
        if whole && (window.stride, window.padding) != (0, 0) {
            return Err(invalid(self.index, LayerField::Reserved));
        }
        let window = (!whole).then_some(window);
        AveragePool::new(self.ends()?, window, requant).map_err(|error| self.refused(error))
    }

    /// The place of a layer with a window and no more.
    fn windowed(&self) -> PlaceRecord {
        PlaceRecord {
            kernel: self.place.kernel,
            stride: self.place.stride,
            padding: self.place.padding,
            ..PlaceRecord::default()
        }
    }
}

/// Looks at every number of a layer.
pub(super) fn fields(r: &LayerRecord, op: &MapOp<'_>) -> Result<(), LayerField> {
    match op {
        MapOp::Conv(conv) => {
            let config = conv.config();
            biases(config.bias)?;
            check(
                config.weights.validate(|_, _| ()) == Some(config.row_sum),
                LayerField::Weight,
            )?;
            let range = -MAX_THRESHOLD..=MAX_THRESHOLD;
            let thresholds = config.gate.thresholds();
            check(
                thresholds.iter().all(|t| range.contains(t)),
                LayerField::Threshold,
            )?;
            check(
                config.weights.bits() == WeightBits::Eight,
                LayerField::Layout,
            )
        }
        MapOp::Depthwise(l) => {
            biases(l.bias())?;
            check(
                l.requant().iter().all(|q| q.is_valid()),
                LayerField::Requant,
            )?;
            check(l.row_sum() == Some(r.row_sum), LayerField::Weight)
        }
        MapOp::Shift(_) | MapOp::MaxPool(_) | MapOp::AveragePool(_) => Ok(()),
    }
}
