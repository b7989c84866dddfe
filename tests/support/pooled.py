"""Draws small networks whose neurons take maxima of currents, and computes a maximum with loops."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import strategies as st

from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.primitives.windows import Windows
from inflor.quant.ir.network import IntegerNetwork, Population, Projection, check_network
from inflor.quant.ir.neuron import ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.ir.ports import Group
from inflor.quant.operators import Conv, Flatten, Linear, Scale, SumPool


@st.composite
def windows(draw: st.DrawFn, sizes: tuple[int, ...] = (5, 6), largest: int = 3) -> Windows:
    """Windows over a map of these sizes, of which each holds something."""
    kernel = tuple(draw(st.integers(1, min(largest, n))) for n in sizes)
    dilation = tuple(draw(st.integers(1, 2 if 2 * (k - 1) < n else 1)) for n, k in zip(sizes, kernel, strict=True))
    found = Windows(
        kernel=kernel,
        stride=tuple(draw(st.integers(1, 3)) for _ in sizes),
        padding=tuple(draw(st.integers(0, d * (k - 1) // 2)) for k, d in zip(kernel, dilation, strict=True)),
        dilation=dilation,
        ceil_mode=draw(st.booleans()),
    )
    if min(found.pooled((1, *sizes))) < 1 or not found.hold_something((1, *sizes)):
        return Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1))
    return found


def maximum(x: np.ndarray, windows: Windows, out: tuple[int, ...]) -> np.ndarray:
    """The maximum over every window of a map [C, H, W], place by place; `out`: how many windows there are."""
    result = np.zeros((len(x), *out), x.dtype)
    for c, i, j in product(range(len(x)), *map(range, out)):
        seen = []
        for a, b in product(*map(range, windows.kernel)):
            y = i * windows.stride[0] + a * windows.dilation[0] - windows.padding[0]
            z = j * windows.stride[1] + b * windows.dilation[1] - windows.padding[1]
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                seen.append(x[c, y, z])
        result[c, i, j] = max(seen)
    return result


@st.composite
def pooled_networks(draw: st.DrawFn, in_time: bool = False, largest: int = 3) -> IntegerNetwork:
    """A pooled first layer, a second with several projections into its group and beside it, a readout.

    in_time: with delays, and projections that lead back into a group.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    populations = [Population(name="input", shape=(2, 5, 6), role="input", scale=np.ones(()), weight_bits=0)]
    first = Group(name="pool1", shape=(2, 5, 6), windows=draw(windows(largest=largest)))
    populations.append(_neurons(draw, rng, "n1", first.pooled, (first,), 900))
    delays = st.integers(0, 2) if in_time else st.just(0)
    projections = [Projection("input", "n1", (_conv(rng, "w1", 2, 2, 30),), group="pool1", delay=draw(delays))]
    if in_time and draw(st.booleans()):
        back = _to_map(rng, "back", first.pooled, first.shape)
        projections.append(Projection("n1", "n1", back, group="pool1", exponent=5, delay=1))
    second = Group(name="pool2", shape=first.pooled, windows=draw(windows(first.pooled[1:], largest)))
    shape = second.pooled
    if draw(st.booleans()):
        shape = (int(np.prod(shape)),)
    populations.append(_neurons(draw, rng, "n2", shape, (second,), 60))
    projections.append(
        Projection("n1", "n2", (_conv(rng, "w2", 2, 2, 60),), exponent=1, group="pool2", delay=draw(delays))
    )
    if draw(st.booleans()):
        projections.append(Projection("n1", "n2", (Scale("s", rng.integers(-60, 61, (2, 1, 1))),), group="pool2"))
    if draw(st.booleans()):  # the graded input, which arrives a hop earlier, into the same group
        projections.append(Projection("input", "n2", _to_map(rng, "w3", (2, 5, 6), second.shape), group="pool2"))
    if draw(st.booleans()):
        flat = (Flatten("f3", 0, 2), Linear("w4", rng.integers(-40, 41, (int(np.prod(shape)), 60))))
        if len(shape) == 1:
            projections.append(Projection("input", "n2", flat))
    if in_time and len(shape) == 1 and draw(st.booleans()):
        back = (Linear("again", rng.integers(-40, 41, (shape[0], shape[0]))),)
        projections.append(Projection("n2", "n2", back, delay=draw(st.integers(1, 2))))
    last = (Linear("w5", rng.integers(-100, 101, (3, int(np.prod(shape))))),)
    last = last if len(shape) == 1 else (Flatten("f5", 0, 2), *last)
    projections.append(Projection("n2", "out", last))
    rule = NeuronRule(bias=rng.integers(-50, 50, 3))
    populations.append(Population(name="out", shape=(3,), role="readout", rule=rule, scale=np.ones(())))
    info = ModelInfo(timesteps=draw(st.integers(2, 5)), stage="integer")
    network = IntegerNetwork(tuple(populations), tuple(projections), ("out",), info, source="drawn")
    check_network(network)
    return network


def _to_map(rng: np.random.Generator, name: str, shape: tuple, target: tuple) -> tuple:
    """To a map of the same channels, of any size."""
    if shape == target:
        return (SumPool(f"{name}_sum", (1, 1), (1, 1), (0, 0)), _conv(rng, name, 2, 2, 7))
    stride = tuple(-(-n // m) for n, m in zip(shape[1:], target[1:], strict=True))
    padding = tuple((1, (m - 1) * s + 3 - n - 1) for n, m, s in zip(shape[1:], target[1:], stride, strict=True))
    return (Conv(name, rng.integers(-7, 8, (2, 2, 3, 3)), stride, padding, (1, 1), 1),)


def _conv(rng: np.random.Generator, name: str, out: int, inner: int, most: int) -> Conv:
    return Conv(name, rng.integers(-most, most // 2, (out, inner, 3, 3)), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)


def _neurons(
    draw: st.DrawFn, rng: np.random.Generator, name: str, shape: tuple, groups: tuple, unit: int
) -> Population:
    per = draw(st.sampled_from([(), (shape[0], *(1,) * (len(shape) - 1)), shape]))
    threshold = rng.integers(unit // 2, 2 * unit, per)
    soft = draw(st.booleans())
    rule = NeuronRule(
        threshold=np.asarray(threshold),
        reset=Subtract(np.asarray(2 * threshold)) if soft else SetTo(ZERO),
        bias=np.asarray(rng.integers(-unit, unit, per)) if draw(st.booleans()) else ZERO,
        decay=np.asarray(rng.integers(1, 4096, per)) if draw(st.booleans()) else ZERO,
    )
    return Population(name=name, shape=shape, role="spiking", rule=rule, scale=np.ones(()), groups=groups)
