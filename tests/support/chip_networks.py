"""Draws small integer networks whose sums fit the registers of a chip, with images to run them on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from small_networks import network, population

from inflor.quant.ir.network import Projection
from inflor.quant.ir.neuron import ZERO, SetTo
from inflor.quant.operators import Conv, Flatten, Linear, Scale, SumPool


@st.composite
def networks(draw, leaky=True, largest_population=150):
    """A network and int8 inputs [samples, *shape]."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from(((2, 5, 7), (1, 6, 6), (4, 4, 3), (3, 9), (7,), (2, 8, 5))))
    made = [population("input", shape, "input")]
    projections = []
    for number in range(draw(st.integers(1, 4))):
        name = f"n{number}"
        source = made[-1]
        chain = _chain(draw, rng, source.shape)
        target = _through(chain, source.shape)
        if min(target) < 1 or np.prod(target) > largest_population:
            chain = (Scale("s", rng.integers(-60, 61, (source.shape[0], *(1,) * (len(source.shape) - 1)))),)
            target = source.shape
        projections.append(Projection(source.name, name, _lighter(chain, source), exponent=draw(st.integers(0, 1))))
        for other in draw(st.permutations(made))[: draw(st.integers(0, 2))]:
            chain = _shortcut(draw, rng, other.shape, target)
            if chain is not None:
                projections.append(
                    Projection(other.name, name, _lighter(chain, other), exponent=draw(st.integers(0, 2)))
                )
        made.append(_neurons(draw, rng, name, target, leaky))
    classes = draw(st.integers(1, 4))
    for other in {made[-1].name, draw(st.sampled_from(made)).name}:
        shape_in = next(p.shape for p in made if p.name == other)
        limit = 7 if other == "input" else 127  # a graded input weighs 128 times a spike
        weight = rng.integers(-limit, limit + 1, (classes, int(np.prod(shape_in))))
        projections.append(Projection(other, "out", (Flatten("f", 0, len(shape_in) - 1), Linear("l", weight))))
    made.append(population("out", (classes,), "readout", bias=rng.integers(-300, 300, classes)))
    net = network(made, projections, draw(st.integers(1, 5)))
    samples = draw(st.integers(1, 3))
    return net, rng.integers(-128, 128, (samples, *shape)).astype(np.int8)


@st.composite
def networks_in_time(draw, stock):
    """A network of leaky, current-based and recurrent populations with delays, and int8 images or frames.

    stock: of the kinds only that stock neurons can be.
    """
    net, images = draw(networks(leaky=False))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = tuple(_with_memory(draw, rng, p, stock) if p.role != "input" else p for p in net.populations)
    projections = [replace(q, delay=draw(st.sampled_from((0, 0, 0, 1, 3)))) for q in net.projections]
    hidden = [p for p in made if p.role not in ("input", "readout")]
    for index, source in enumerate(hidden):
        for target in hidden[: index + 1]:
            chain = _shortcut(draw, rng, source.shape, target.shape) if draw(st.booleans()) else None
            if chain is not None:
                least = net.depth[source.name] - net.depth[target.name] + 1
                projections.append(
                    Projection(source.name, target.name, chain, exponent=0, delay=least + draw(st.integers(0, 2)))
                )
    timesteps = draw(st.integers(2, 7))
    net = network(made, projections, timesteps)
    if draw(st.booleans()):
        images = rng.integers(-128, 128, (len(images), timesteps, *images.shape[1:])).astype(np.int8)
    return net, images


def _with_memory(draw, rng, neurons, stock):
    """The same neurons with leaks, a synaptic current and a drift; or as they are."""
    readout = neurons.role == "readout"
    kind = draw(st.sampled_from(("same", "leaky", "current", "current")))
    if kind == "same":
        return neurons
    bits = draw(st.sampled_from((12, 12, 15, 10)))
    per = draw(st.sampled_from(((), neurons.shape)))

    def decays():
        least, most = draw(st.sampled_from(((0, 0), (1, 4096), (4096, 4096), (1, 400), (300, 2000))))
        return (rng.integers(least, most + 1, per) << 3) >> (15 - bits)

    return neurons.with_rule(
        decay=decays(),
        current_decay=decays() if kind == "current" else None,
        drift=rng.integers(-4000, 4001, per) if draw(st.booleans()) else np.zeros((), np.int64),
        fraction_bits=6 if stock else draw(st.sampled_from((6, 6, 0, 3))),
        decay_bits=bits,
        refractory=not (stock or readout) and draw(st.booleans()),
        reset=SetTo(ZERO) if stock and not readout else neurons.rule.reset,
    )


def _lighter(chain, source):
    """Weights of a tenth where the source is graded, so that stock neurons can hold the sums."""
    if source.role != "input":
        return chain
    return tuple(replace(op, weight=op.weight // 10) if hasattr(op, "weight") else op for op in chain)


def _through(chain, shape):
    for operator in chain:
        shape = operator.output_shape(shape)
    return shape


def _conv(draw, rng, shape):
    dims = len(shape) - 1
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if shape[0] % g == 0]))
    out = groups * draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    stride, dilation = (tuple(draw(st.integers(1, 2)) for _ in range(dims)) for _ in range(2))
    padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(dims))
    return Conv("c", rng.integers(-60, 61, (out, shape[0] // groups, *kernel)), stride, padding, dilation, groups)


def _pool(draw, shape):
    dims = len(shape) - 1
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    return SumPool("p", kernel, tuple(draw(st.integers(1, 3)) for _ in range(dims)), (0,) * dims)


def _chain(draw, rng, shape):
    if len(shape) == 1:
        return (Linear("l", rng.integers(-60, 61, (draw(st.integers(1, 8)), shape[0]))),)
    kind = draw(st.sampled_from(("conv", "conv", "pool conv", "conv pool", "linear", "pool linear")))
    chain = []
    for word in kind.split():
        here = _through(chain, shape)
        if min(here) < 1:
            return tuple(chain)
        if word == "linear":
            size = int(np.prod(here))
            chain += [
                Flatten("f", 0, len(here) - 1),
                Linear("l", rng.integers(-60, 61, (draw(st.integers(1, 8)), size))),
            ]
        else:
            chain.append(_conv(draw, rng, here) if word == "conv" else _pool(draw, here))
    return tuple(chain)


def _shortcut(draw, rng, shape, target):
    """A chain from `shape` to `target`, or None."""
    if shape == target:
        per_neuron = draw(st.booleans())
        return (Scale("s", rng.integers(-60, 61, shape if per_neuron else (shape[0], *(1,) * (len(shape) - 1)))),)
    if len(target) == 1:
        return (Flatten("f", 0, len(shape) - 1), Linear("l", rng.integers(-60, 61, (target[0], int(np.prod(shape))))))
    for stride in (1, 2, 3) if len(shape) == len(target) else ():
        dims = len(shape) - 1
        chain = (
            Conv(
                "c",
                rng.integers(-60, 61, (target[0], shape[0], *(1,) * dims)),
                (stride,) * dims,
                ((0, 0),) * dims,
                (1,) * dims,
                1,
            ),
        )
        if _through(chain, shape) == target:
            return chain
    return None


def _neurons(draw, rng, name, shape, leaky):
    per = (shape[0], *(1,) * (len(shape) - 1)) if draw(st.booleans()) else shape
    threshold = rng.integers(0, 200, per)
    bias = rng.integers(-30, 31, per) if draw(st.booleans()) else 0
    kinds = ("subtract", "subtract", "zero", "zero with v_reset", *(("leaky",) if leaky else ()))
    kind = draw(st.sampled_from(kinds))
    if kind == "subtract":
        return population(name, shape, "spiking", threshold, "subtract", 2 * (threshold + 1), bias=bias)
    v_reset = rng.integers(-20, 1, per) if kind == "zero with v_reset" else 0
    decay = draw(st.integers(1, 4096)) if kind == "leaky" else 0
    return population(name, shape, "spiking", threshold, "zero", 0, v_reset, bias, decay)
