//! The networks that can be trained by name.
use super::{Conv, EDGE_BITS, Network, Node, Op, Pool, Quantiser, Shortcut};

/// Appends nodes and numbers maps.
struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Adds a node; the number of its map.
    fn push(&mut self, name: impl Into<String>, inputs: &[usize], op: Op) -> usize {
        self.nodes.push(Node {
            name: name.into(),
            inputs: inputs.to_vec(),
            op,
        });
        self.nodes.len()
    }

    /// Adds a convolution with padding for its kernel and a range of its own.
    fn conv(&mut self, name: &str, from: usize, channels: usize, kernel: usize) -> ConvBuilder<'_> {
        ConvBuilder {
            builder: self,
            name: name.into(),
            from,
            conv: Conv {
                channels,
                kernel,
                stride: 1,
                pad: kernel / 2,
                depthwise: false,
                gated: false,
                shortcut: None,
                quantiser: Quantiser {
                    clip: name.into(),
                    signed: false,
                    bits: None,
                },
            },
        }
    }

    /// Mean over the map and the head.
    fn finish(mut self, name: &str, input: [usize; 3], classes: usize, from: usize) -> Network {
        let quantiser = Quantiser {
            clip: "pool".into(),
            signed: false,
            bits: Some(EDGE_BITS),
        };
        let pooled = self.push("pool", &[from], Op::GlobalAverage { quantiser });
        self.push("head", &[pooled], Op::Dense);
        Network {
            name: name.into(),
            input,
            classes,
            nodes: self.nodes,
        }
    }
}

/// A convolution before it is added.
struct ConvBuilder<'a> {
    builder: &'a mut Builder,
    name: String,
    from: usize,
    conv: Conv,
}

impl ConvBuilder<'_> {
    fn stride(mut self, stride: usize) -> Self {
        self.conv.stride = stride;
        self
    }

    fn depthwise(mut self) -> Self {
        self.conv.depthwise = true;
        self
    }

    fn signed(mut self) -> Self {
        self.conv.quantiser.signed = true;
        self
    }

    fn clip(mut self, name: &str) -> Self {
        self.conv.quantiser.clip = name.into();
        self
    }

    fn shortcut(mut self, map: usize, stride: usize, first: usize) -> Self {
        self.conv.shortcut = Some(Shortcut { map, stride, first });
        self
    }

    fn add(self) -> usize {
        self.builder
            .push(self.name, &[self.from], Op::Conv(self.conv))
    }
}

/// Channels and first stride of the three stages of a CIFAR network.
const STAGES: [(usize, usize); 3] = [(16, 1), (32, 2), (64, 2)];

/// ResNet-20 for 32 x 32 images (He et al., CVPR 2016, section 4.2), with
/// shortcuts of option A: every other pixel, new channels half before and half
/// behind.
#[must_use]
pub fn resnet20(classes: usize) -> Network {
    let mut b = Builder::new();
    let mut x = b.conv("conv1", 0, 16, 3).add();
    let mut from = 16;
    for (stage, (channels, first)) in (1..).zip(STAGES) {
        for block in 0..3 {
            let stride = if block == 0 { first } else { 1 };
            let name = format!("layer{stage}.{block}");
            let y = b
                .conv(&format!("{name}.conv1"), x, channels, 3)
                .stride(stride)
                .add();
            x = b
                .conv(&format!("{name}.conv2"), y, channels, 3)
                .shortcut(x, stride, (channels - from) / 2)
                .add();
            from = channels;
        }
    }
    b.finish("resnet20", [32, 32, 3], classes, x)
}

/// Times that the first of two 1 x 1 convolutions widens a ShiftNet block.
const EXPANSION: usize = 3;

/// Displacements of a 3 x 3 neighbourhood, dealt out evenly over `channels`.
fn neighbourhood(channels: usize) -> Vec<[i8; 2]> {
    const DELTAS: [i8; 3] = [-1, 0, 1];
    (0..channels)
        .map(|c| {
            // Runs of channels, the first ones longer where 9 does not divide them.
            let cell = c * 9 / channels;
            [DELTAS[cell / 3], DELTAS[cell % 3]]
        })
        .collect()
}

/// ShiftResNet-20 for 32 x 32 images (Wu et al., CVPR 2018): the 3 x 3
/// convolutions of ResNet-20's blocks become 1 x 1 convolution, shift,
/// 1 x 1 convolution, with an expansion of 3 and one such module a block; its
/// stride is in the second convolution.
#[must_use]
pub fn shiftnet20(classes: usize) -> Network {
    let mut b = Builder::new();
    let mut x = b.conv("conv1", 0, 16, 3).add();
    let mut from = 16;
    for (stage, (channels, first)) in (1..).zip(STAGES) {
        for block in 0..3 {
            let stride = if block == 0 { first } else { 1 };
            let name = format!("layer{stage}.{block}");
            let middle = EXPANSION * channels;
            let y = b.conv(&format!("{name}.conv1"), x, middle, 1).add();
            let displacement = neighbourhood(middle);
            let y = b.push(format!("{name}.shift"), &[y], Op::Shift { displacement });
            x = b
                .conv(&format!("{name}.conv2"), y, channels, 1)
                .stride(stride)
                .shortcut(x, stride, (channels - from) / 2)
                .add();
            from = channels;
        }
    }
    b.finish("shiftnet20", [32, 32, 3], classes, x)
}

/// `ShuffleNet` V2 0.5x (Ma et al., ECCV 2018) for images of 224 x 224, or of
/// another size that 32 divides. The maps of a stage share one range, because
/// its units interleave them.
#[must_use]
pub fn shufflenet_v2_05x(classes: usize, size: usize) -> Network {
    let mut b = Builder::new();
    let mut x = b.conv("conv1", 0, 24, 3).stride(2).add();
    let pool = Pool {
        kernel: 3,
        stride: 2,
        pad: 1,
    };
    x = b.push("maxpool", &[x], Op::MaxPool(pool));
    for (stage, channels, units) in [(2, 48, 4), (3, 96, 8), (4, 192, 4)] {
        let half = channels / 2;
        let clip = format!("stage{stage}");
        for unit in 0..units {
            let name = format!("stage{stage}.{unit}");
            let (left, right, stride) = if unit == 0 {
                let y = b
                    .conv(
                        &format!("{name}.left.depthwise"),
                        x,
                        input_channels(stage),
                        3,
                    )
                    .depthwise()
                    .signed()
                    .stride(2)
                    .add();
                let left = b
                    .conv(&format!("{name}.left.conv"), y, half, 1)
                    .clip(&clip)
                    .add();
                (left, x, 2)
            } else {
                let mut part = |side: &str, first| {
                    let op = Op::Channels {
                        first,
                        channels: half,
                    };
                    b.push(format!("{name}.{side}"), &[x], op)
                };
                (part("left", 0), part("right", half), 1)
            };
            let y = b.conv(&format!("{name}.right.conv1"), right, half, 1).add();
            let y = b
                .conv(&format!("{name}.right.depthwise"), y, half, 3)
                .depthwise()
                .signed()
                .stride(stride)
                .add();
            let y = b
                .conv(&format!("{name}.right.conv2"), y, half, 1)
                .clip(&clip)
                .add();
            x = b.push(format!("{name}.shuffle"), &[left, y], Op::Interleave);
        }
    }
    x = b.conv("conv5", x, 1024, 1).add();
    b.finish("shufflenet-v2-0.5x", [size, size, 3], classes, x)
}

/// Channels that a stage of `ShuffleNet` V2 0.5x reads.
fn input_channels(stage: usize) -> usize {
    match stage {
        2 => 24,
        3 => 48,
        _ => 96,
    }
}
