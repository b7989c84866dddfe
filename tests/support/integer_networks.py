"""Draws small integer networks of every construct that the targets must compute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.neuron import ZERO, NeuronRule, SetTo, Subtract
from inflor.quant.operators import Conv, Flatten, Linear, Operator, Scale, SumPool, output_shape


@st.composite
def integer_networks(
    draw: st.DrawFn,
    leaky: bool = True,
    hard_reset: bool = True,
    one_dimensional: bool = True,
    asymmetric: bool = True,
    delays: bool = False,
    current: bool = False,
    recurrent: bool = False,
) -> IntegerNetwork:
    """One to three spiking layers, residual joins of unequal depth, a readout.

    current: populations with a synaptic current, drifts, fraction bits, other widths of decays and refractory steps.
    recurrent: projections back, each with a delay, to the population itself or to one before it.

    Convolutions of odd shapes, strides, paddings, dilations and groups, sum pools, thresholds and biases per channel
    or per neuron, weights of 2 to 8 bits with exponents, T from 1 to 8.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = draw(st.integers(2, 8))
    flat = one_dimensional and draw(st.booleans())
    shape = (
        (draw(st.integers(1, 6)),)
        if flat
        else (draw(st.integers(1, 4)), draw(st.integers(3, 8)), draw(st.integers(3, 7)))
    )
    unit = np.asarray(0.0123)
    populations = [Population(name="input", shape=shape, role="input", scale=unit, weight_bits=0)]
    projections: list[Projection] = []
    for depth in range(draw(st.integers(1, 3))):
        source = populations[-1]
        name = f"n{depth + 1}"
        operators = _chain(draw, rng, source.shape, f"w{depth + 1}", bits, asymmetric)
        target = output_shape(operators, source.shape)
        delay = draw(st.integers(0, 2)) if delays else 0
        incoming = [Projection(source.name, name, operators, exponent=draw(st.integers(0, 3)), delay=delay)]
        for other in populations[1:]:
            if draw(st.booleans()):
                skip = _shortcut(draw, rng, other.shape, target, f"{other.name}_{name}", bits)
                if skip is not None:
                    incoming.append(Projection(other.name, name, skip, exponent=draw(st.integers(0, 3))))
        projections += incoming
        populations.append(_neurons(draw, rng, name, target, bits, leaky, hard_reset, current))
        for other in populations[1:] if recurrent else ():
            if draw(st.booleans()):
                back = _shortcut(draw, rng, target, other.shape, f"back_{name}_{other.name}", bits)
                if back is not None:
                    delay = draw(st.integers(1, 3))
                    projections.append(
                        Projection(name, other.name, back, exponent=draw(st.integers(0, 3)), delay=delay)
                    )
    source = populations[-1]
    final: tuple[Operator, ...] = (Linear("w_out", _weights(rng, (draw(st.integers(1, 4)), source.size), bits)),)
    if len(source.shape) > 1:
        final = (Flatten("flatten_out", 0, len(source.shape) - 1), *final)
    projections.append(Projection(source.name, "readout", final, exponent=draw(st.integers(0, 2))))
    outputs = output_shape(final, source.shape)
    bias = rng.integers(-50, 51, outputs)
    rule, scale = NeuronRule(bias=bias), np.asarray(0.5)
    last = Population(name="readout", shape=outputs, role="readout", rule=rule, scale=scale, weight_bits=bits)
    populations.append(_with_current(draw, rng, last) if current else last)
    info = ModelInfo(timesteps=draw(st.integers(1, 8)), stage="integer")
    return IntegerNetwork(tuple(populations), tuple(projections), ("readout",), info, input_bits=8, source="drawn")


def without_readout(network: IntegerNetwork) -> IntegerNetwork:
    """The same network, whose answer is what its last population fires."""
    kept = tuple(p for p in network.populations if p.role != "readout")
    projections = tuple(q for q in network.projections if network.by_name[q.target].role != "readout")
    return replace(network, populations=kept, projections=projections, outputs=(kept[-1].name,))


def images(network: IntegerNetwork, count: int, seed: int = 0, frames: bool = False) -> np.ndarray:
    """Random quantized inputs [count, *shape], or [count, T, *shape]; the ends of the range are among them."""
    shape = (network.info.timesteps,) * frames + network.inputs[0].shape
    x = np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)
    x[0].flat[:2] = (127, -128)[: x[0].size]
    return x


def _weights(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    limit = 2 ** (bits - 1) - 1
    return rng.integers(-limit, limit + 1, shape)


def _chain(
    draw: st.DrawFn, rng: np.random.Generator, shape: tuple, name: str, bits: int, asymmetric: bool
) -> tuple[Operator, ...]:
    if len(shape) == 1:
        return (Linear(name, _weights(rng, (draw(st.integers(1, 6)), shape[0]), bits)),)
    before: tuple[Operator, ...] = ()
    if draw(st.booleans()) and min(shape[1:]) >= 2:
        pool = SumPool(
            f"{name}_pool", (2, draw(st.integers(1, 2))), (draw(st.integers(1, 2)),) * 2, (draw(st.integers(0, 1)), 0)
        )
        before, shape = (pool,), pool.output_shape(shape)
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if shape[0] % g == 0]))
    kernel = tuple(draw(st.integers(1, min(3, n + 1))) for n in shape[1:])
    dilation = tuple(draw(st.integers(1, 2)) for _ in kernel)
    padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in kernel)
    if not asymmetric or draw(st.booleans()):
        padding = tuple((before_, before_) for before_, _ in padding)
    missing = [
        max(0, d * (k - 1) + 1 - n - sum(p)) for n, k, d, p in zip(shape[1:], kernel, dilation, padding, strict=True)
    ]
    padding = tuple((a + -(-m // 2), b + -(-m // 2)) for (a, b), m in zip(padding, missing, strict=True))
    weight = _weights(rng, (groups * draw(st.integers(1, 3)), shape[0] // groups, *kernel), bits)
    conv = Conv(name, weight, tuple(draw(st.integers(1, 2)) for _ in kernel), padding, dilation, groups)
    after: tuple[Operator, ...] = ()
    if draw(st.integers(0, 4)) == 0 and min(conv.output_shape(shape)[1:]) >= 2:
        after = (SumPool(f"{name}_after", (2, 2), (1, 1), (0, 0)),)
    return (*before, conv, *after)


def _shortcut(
    draw: st.DrawFn, rng: np.random.Generator, shape: tuple, target: tuple, name: str, bits: int
) -> tuple[Operator, ...] | None:
    """A residual branch from `shape` to `target`: an identity where the shapes agree, else a 1x1 convolution."""
    if shape == target and draw(st.booleans()):
        limit = 2 ** (bits - 1) - 1
        return (Scale(name, rng.integers(1, limit + 1, (shape[0], *(1,) * (len(shape) - 1)))),)
    if len(shape) == 1:
        return (Linear(name, _weights(rng, (target[0], shape[0]), bits)),)
    for stride in (1, 2, 3):
        conv = Conv(
            name, _weights(rng, (target[0], shape[0], 1, 1), bits), (stride, stride), ((0, 0), (0, 0)), (1, 1), 1
        )
        if conv.output_shape(shape) == target:
            return (conv,)
    return None


def _neurons(
    draw: st.DrawFn,
    rng: np.random.Generator,
    name: str,
    shape: tuple,
    bits: int,
    leaky: bool,
    hard_reset: bool,
    current: bool,
) -> Population:
    per = {"one": (), "channel": (shape[0], *(1,) * (len(shape) - 1)), "neuron": shape}
    peak = 40 * 2 ** (bits - 1)

    def values(low: int, high: int) -> np.ndarray:
        return np.asarray(rng.integers(low, high + 1, per[draw(st.sampled_from(sorted(per)))]))

    threshold = values(1, peak)
    zero_reset = hard_reset and draw(st.booleans())
    decay = values(1, 4095) if leaky and draw(st.integers(0, 3)) == 0 else ZERO
    soft, v_reset = Subtract(2 * (threshold + 1)), values(-peak // 4, 0) if zero_reset and draw(st.booleans()) else ZERO
    rule = NeuronRule(
        threshold=threshold,
        reset=SetTo(v_reset) if zero_reset else soft,
        bias=values(-peak // 2, peak // 2) if draw(st.booleans()) else ZERO,
        decay=decay,
    )
    neurons = Population(name=name, shape=shape, role="spiking", rule=rule, scale=np.asarray(0.5), weight_bits=bits)
    return _with_current(draw, rng, neurons) if current and draw(st.booleans()) else neurons


def _with_current(draw: st.DrawFn, rng: np.random.Generator, neurons: Population) -> Population:
    """The same neurons with every part of the state that the others do without."""
    decay_bits = draw(st.sampled_from([12, 12, 15, 20]))
    per = (neurons.shape, ())[draw(st.integers(0, 1))]

    def decays() -> np.ndarray:
        least, most = draw(st.sampled_from([(0, 0), (1, 1 << decay_bits), (1 << decay_bits,) * 2, (1, 50)]))
        return np.asarray(rng.integers(least, most + 1, per))

    spiking = neurons.role == "spiking"
    return neurons.with_rule(
        decay=decays(),
        current_decay=decays(),
        drift=np.asarray(rng.integers(-200, 201, per)) if draw(st.booleans()) else ZERO,
        fraction_bits=draw(st.sampled_from([0, 3, 6])),
        decay_bits=decay_bits,
        refractory=spiking and draw(st.booleans()),
    )
