"""Training steps of the project's networks in PyTorch, to compare with `pg-host train`.

    pip install torch
    python tests/compare/torch_steps.py --threads 2

prints the median time of a step (forward, backward, update) of ResNet-20 at
batch 128 in single precision, with 8-bit fake quantisation of weights and
activations, and precision-gated at 4/3 bits (two convolutions, one of the
digits and one of the rest, as the published simulation computes it), and of
the Penn Treebank LSTM (20 streams of 35 words). The data are random numbers:
what they are does not change what a step costs. On the other side,

    pg-host train cifar10-resnet20 --data cifar10 --out t --stop-after 60
    pg-host train ptb-lstm300 --data ptb --out t --stop-after 200

print the median of their steps.
"""

import argparse
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


class Round(torch.autograd.Function):
    """Rounding whose gradient is one."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Gate(torch.autograd.Function):
    """One above zero; the gradient is that of a sigmoid of slope 5."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(5.0 * x)
        return gradient * 5.0 * s * (1.0 - s)


def weights(w):
    """Eight bits, symmetric, a scale per output channel."""
    scale = w.detach().abs().amax(dim=(1, 2, 3), keepdim=True) / 127.0
    return Round.apply(w / scale) * scale


class Conv(nn.Module):
    """3x3 convolution and batch norm in the arithmetic of `mode`."""

    def __init__(self, inputs, outputs, stride, mode, bits, msb):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.mode, self.bits, self.msb = mode, bits, msb
        self.clip = nn.Parameter(torch.tensor(4.0))
        self.threshold = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        c = self.conv
        if self.mode == "float":
            return self.norm(c(x))
        w = weights(c.weight)
        levels = 2**self.bits - 1
        step = self.clip / levels
        codes = Round.apply(torch.minimum(x.clamp(min=0), self.clip) / step)
        if self.mode == "uniform":
            return self.norm(F.conv2d(codes * step, w, None, c.stride, 1))
        low = 2 ** (self.bits - self.msb)
        digit = codes + ((codes / low).floor() * low - codes).detach()
        z_hb = F.conv2d(digit * step, w, None, c.stride, 1)
        z_lb = F.conv2d((codes - digit) * step, w, None, c.stride, 1)
        deviation = z_hb.detach().std(dim=(0, 2, 3), keepdim=True)
        mask = Gate.apply(z_hb / deviation - self.threshold[None, :, None, None])
        return self.norm(z_hb + mask * z_lb)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, *arithmetic):
        super().__init__()
        self.first = Conv(inputs, outputs, stride, *arithmetic)
        self.second = Conv(outputs, outputs, 1, *arithmetic)
        self.stride, self.pad = stride, (outputs - inputs) // 2

    def forward(self, x):
        short = x[:, :, :: self.stride, :: self.stride]
        short = F.pad(short, (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(self.second(F.relu(self.first(x))) + short)


class ResNet20(nn.Module):
    def __init__(self, *arithmetic):
        super().__init__()
        self.stem = Conv(3, 16, 1, "float", 8, 8)
        blocks, inputs = [], 16
        for outputs in (16, 32, 64):
            for k in range(3):
                stride = 2 if k == 0 and outputs != 16 else 1
                blocks.append(Block(inputs, outputs, stride, *arithmetic))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.stem(x)))
        return self.head(x.mean(dim=(2, 3)))


class Words(nn.Module):
    """Embedding, LSTM and projection, all of them of the published sizes."""

    def __init__(self, words=10000, units=300):
        super().__init__()
        self.embedding = nn.Embedding(words, units)
        self.lstm = nn.LSTM(units, units)
        self.head = nn.Linear(units, words)

    def forward(self, x):
        y, _ = self.lstm(F.dropout(self.embedding(x), 0.5))
        return self.head(F.dropout(y, 0.5)).flatten(0, 1)


def median_step(network, x, labels, steps, rate):
    """Median seconds of a step, after five that do not count."""
    optimiser = torch.optim.SGD(network.parameters(), lr=rate)
    times = []
    for step in range(steps + 5):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(x), labels).backward()
        optimiser.step()
        if step >= 5:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", choices=["resnet20", "lstm"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    print(f"PyTorch {torch.__version__}, {options.threads} threads, median of {options.steps} steps")
    if options.only != "lstm":
        x, labels = torch.randn(128, 3, 32, 32), torch.randint(10, (128,))
        for mode, bits, msb in (("float", 8, 8), ("uniform", 8, 8), ("pg", 4, 3)):
            for layout in (torch.contiguous_format, torch.channels_last):
                network = ResNet20(mode, bits, msb).to(memory_format=layout)
                inputs = x.to(memory_format=layout)
                t = median_step(network, inputs, labels, options.steps, 1e-3)
                name = "channels last" if layout is torch.channels_last else "channels first"
                print(f"ResNet-20, batch 128, {mode:<7} {name:<14} {1e3 * t:8.1f} ms")
    if options.only != "resnet20":
        x, labels = torch.randint(10000, (35, 20)), torch.randint(10000, (700,))
        t = median_step(Words(), x, labels, options.steps, 1e-1)
        print(f"LSTM-300, 20 x 35 words, float                {1e3 * t:8.1f} ms")


if __name__ == "__main__":
    main()
