//! A model with one LSTM, and input that makes it work at given rates.

use pg_host::image::{
    DenseSpec, GateSpec, ImageBytes, ImageSpec, LayerSpec, LstmGateSpec, LstmSpec, TestSpec,
    WeightCopies, build,
};
use pg_runtime::engine::Engine;
use pg_runtime::gate::GateKind;
use pg_runtime::kernels::{Kernels, Selected};
use pg_runtime::layers::{DenseOutput, Strategy};
use pg_runtime::layout::WeightBits;
use pg_runtime::probe::LayerCounts;
use pg_runtime::quant::{Requant, Split};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Frames of a stream; it runs forth and back, so that it never jumps.
const FRAMES: usize = 256;
/// Halvings of an interval until a rate is met.
const TURNS: usize = 18;

/// What a layer does in a step, on average.
pub struct Rates {
    /// Columns that the prediction pass applies.
    pub changed: f64,
    /// Rows that get the update pass.
    pub open: f64,
}

/// Tries the middle of an interval, then that of its upper half if `more`.
fn bisect(mut low: f64, mut high: f64, mut more: impl FnMut(f64) -> bool) {
    for _ in 0..TURNS {
        let middle = f64::midpoint(low, high);
        if more(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// A model, its thresholds, and its input.
pub struct Stream {
    lstm: LstmSpec,
    threshold: f64,
    frames: Vec<Vec<i8>>,
}

impl Stream {
    /// A model of this size, with input and thresholds that meet the rates.
    pub fn new(inputs: usize, hidden: usize, rates: Rates) -> Self {
        let mut stream = Self {
            lstm: lstm(inputs, hidden),
            threshold: 100.0,
            frames: vec![],
        };
        // Each rate depends a little on the other's setting.
        for _ in 0..3 {
            // The more inputs move, the more hidden units do.
            let image = stream.gated();
            bisect(0.0, 1.0, |moving| {
                stream.frames = walk(inputs, moving);
                stream.measure(&image).changed < rates.changed
            });
            // The larger the thresholds, the more rows open.
            bisect(0.0, f64::from(i16::MAX), |threshold| {
                stream.threshold = threshold;
                stream.measure(&stream.gated()).open < rates.open
            });
        }
        stream
    }

    /// The model with every gate open.
    pub fn open(&self) -> ImageBytes {
        image(&self.lstm, LstmGateSpec::open())
    }

    /// The model with its thresholds.
    pub fn gated(&self) -> ImageBytes {
        let gate = LstmGateSpec {
            kind: GateKind::Within,
            group: 1,
            // Between two whole numbers some rows have one, some the other.
            thresholds: (0..4 * self.lstm.hidden)
                .map(|row| (self.threshold + f64::from(row as u32 * 5 % 8) / 8.0) as i16)
                .collect(),
        };
        image(&self.lstm, gate)
    }

    fn measure(&self, image: &ImageBytes) -> Rates {
        let image = image.image().expect("a valid image");
        let mut arena = vec![0; image.arena_bytes() / 4];
        let mut engine = Engine::new(&image, &mut arena).expect("an arena of the right size");
        engine.set_strategy(Strategy::Delta);
        self.rates(&mut engine)
    }

    /// The rates of an engine over the stream, there and back.
    pub fn rates(&self, engine: &mut Engine<'_, '_>) -> Rates {
        let mut total = LayerCounts::default();
        let mut frames = self.frames();
        for turn in 0..3 * FRAMES {
            let counted = |layer: usize, counts: LayerCounts| {
                // The first frames come from silence.
                if layer == 0 && turn >= FRAMES {
                    total.outputs += counts.outputs;
                    total.open += counts.open;
                    total.columns += counts.columns;
                    total.columns_applied += counts.columns_applied;
                }
            };
            engine
                .push_probed(frames.next_frame(), &mut { counted })
                .expect("the right length");
        }
        Rates {
            changed: f64::from(total.columns_applied) / f64::from(total.columns),
            open: f64::from(total.open) / f64::from(total.outputs),
        }
    }

    /// The input, without end.
    pub fn frames(&self) -> Frames<'_> {
        Frames {
            frames: &self.frames,
            next: 0,
        }
    }
}

/// An endless walk over frames.
pub struct Frames<'s> {
    frames: &'s [Vec<i8>],
    next: usize,
}

impl Frames<'_> {
    pub fn next_frame(&mut self) -> &[i8] {
        let at = self.next % (2 * FRAMES);
        self.next += 1;
        &self.frames[at.min(2 * FRAMES - 1 - at)]
    }
}

/// Inputs of which a share moves every frame, by up to a digit, about zero.
fn walk(inputs: usize, moving: f64) -> Vec<Vec<i8>> {
    let rng = &mut StdRng::seed_from_u64(2);
    let mut now: Vec<i8> = vec![0; inputs];
    (0..FRAMES)
        .map(|_| {
            for code in &mut now {
                if rng.random_bool(moving) {
                    *code = (i16::from(*code) * 3 / 4 + rng.random_range(-32..=32)) as i8;
                }
            }
            now.clone()
        })
        .collect()
}

/// Weights as large as a narrow layer may have them.
fn lstm(inputs: usize, hidden: usize) -> LstmSpec {
    let rng = &mut StdRng::seed_from_u64(1);
    let split = Split::new(8, 3, true).expect("a valid split");
    let (rows, columns) = (4 * hidden, inputs + hidden);
    let largest = (30_000 / (split.largest_digit() as usize * columns)).min(127) as i8;
    LstmSpec {
        inputs,
        hidden,
        split,
        gate: LstmGateSpec::open(),
        weights: (0..rows * columns)
            .map(|_| rng.random_range(-largest..=largest))
            .collect(),
        bias: (0..rows)
            .map(|_| rng.random_range(-200..200) << split.shift())
            .collect(),
        pre: split.shift(),
        lift: 0,
        // Preactivations below 1 in Q20, so that few units are saturated.
        mult: (0..rows)
            .map(|_| rng.random_range(1 << 9..1 << 10))
            .collect(),
        post: 0,
        hidden_requant: Requant {
            mult: 127 << 8,
            pre: 0,
            post: 23,
        },
        copies: WeightCopies::Two,
        weight_bits: WeightBits::Eight,
    }
}

/// The model: the LSTM and a head of two classes, small beside it.
fn image(lstm: &LstmSpec, gate: LstmGateSpec) -> ImageBytes {
    let head = DenseSpec {
        inputs: lstm.hidden,
        outputs: 2,
        split: lstm.split,
        gate: GateSpec::open(),
        weights: vec![1; 2 * lstm.hidden],
        bias: vec![0; 2],
        requant: vec![
            Requant {
                mult: 1 << 14,
                pre: 0,
                post: 14,
            };
            2
        ],
        output: DenseOutput::Logits,
        weight_bits: WeightBits::Eight,
    };
    let spec = ImageSpec {
        graph: None,
        layers: vec![
            LayerSpec::Lstm(LstmSpec {
                gate,
                ..lstm.clone()
            }),
            LayerSpec::Dense(head),
        ],
        labels: vec!["no".into(), "yes".into()],
        audio: None,
        detector: None,
        test: TestSpec::Frames(vec![]),
    };
    build(&spec, Selected::TARGET).expect("an image that the runtime takes")
}
