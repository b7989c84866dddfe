"""The networks whose results golden.json holds: every trained family, and every neuron, operator and convention.

Weights, parameters and data are seeded whole numbers times a power of two, so that sums are exact in float32 and the
same on any processor. Steps times calibration samples is a power of two as well, for the sake of exact means.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import nir
import numpy as np

FEATURES, HIDDEN, CLASSES, STEPS = 6, 10, 3, 8

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Shape: TypeAlias = tuple[int, ...]
Nodes: TypeAlias = dict[str, nir.NIRNode]
Edges: TypeAlias = list[tuple[str, str]]


class Draw:
    """Draws from a seed that a name gives, on a grid of powers of two."""

    def __init__(self, name: str) -> None:
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def numbers(self, shape: Shape, least: float, most: float, grid: int = 6) -> Array:
        """float32 multiples of 2**-grid, from least to most."""
        whole = self.rng.integers(round(least * 2**grid), round(most * 2**grid) + 1, shape)
        return (whole * 2.0**-grid).astype(np.float32)

    def weights(self, shape: Shape, lean: float = 0.75) -> Array:
        """Of [outputs, inputs, ...], larger the fewer inputs there are, from -lean to 1 times that."""
        most = 2.0 ** round(np.log2(2.5 / np.sqrt(np.prod(shape[1:]))))
        return self.numbers(shape, -lean * most, most, grid=10)

    def affine(self, outputs: int, inputs: int, lean: float = 0.75) -> nir.Affine:
        return nir.Affine(self.weights((outputs, inputs), lean), self.numbers((outputs,), -0.125, 0.25))

    def linear(self, outputs: int, inputs: int, lean: float = 0.75) -> nir.Linear:
        return nir.Linear(self.weights((outputs, inputs), lean))

    def conv(self, size: Shape, outputs: int, inputs: int, kernel: int = 3, **options: Any) -> nir.NIRNode:
        """A Conv1d or Conv2d, by the dimensions of `size`, that keeps the size unless `options` say otherwise."""
        chosen = {"stride": 1, "padding": kernel // 2, "dilation": 1, "groups": 1} | options
        weight = self.weights((outputs, inputs // chosen["groups"], *len(size) * (kernel,)))
        bias = self.numbers((outputs,), -0.125, 0.25)
        if len(size) == 1:
            return nir.Conv1d(input_shape=size[0], weight=weight, bias=bias, **chosen)
        return nir.Conv2d(input_shape=size, weight=weight, bias=bias, **chosen)

    def neuron(self, kind: type[nir.NIRNode], shape: Shape, scale: float = 1.0, **given: Any) -> nir.NIRNode:
        """A neuron of a kind whose fields are drawn unless given; what is no field goes into its metadata.

        scale: of the time constants, which are 2 or 4 steps.
        """
        per_channel = (shape[0], *(1,) * (len(shape) - 1))
        drawn: dict[str, Callable[[], Any]] = {
            "r": lambda: self.numbers(per_channel, 0.75, 1.5, grid=3),
            "w_in": lambda: self.numbers(per_channel, 1.5, 2.5, grid=3),
            "v_threshold": lambda: self.numbers(per_channel, *((0.375, 1) if kind is nir.IF else (0.125, 0.5))),
            "v_reset": lambda: np.zeros(per_channel),
            "v_leak": lambda: np.zeros(per_channel),
            **dict.fromkeys(("tau", "tau_mem", "tau_syn"), lambda: scale * 2.0 ** self.rng.integers(1, 3, per_channel)),
        }
        fields = {name: given.pop(name, None) for name in FIELDS[kind]}
        values = {name: drawn[name]() if value is None else value for name, value in fields.items()}
        node = kind(**{name: np.array(np.broadcast_to(v, shape), np.float32) for name, v in values.items()})
        node.metadata = given
        return node


FIELDS: dict[type[nir.NIRNode], tuple[str, ...]] = {
    nir.IF: ("r", "v_threshold", "v_reset"),
    nir.LIF: ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    nir.CubaLIF: ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    nir.I: ("r",),
    nir.LI: ("tau", "r", "v_leak"),
    nir.CubaLI: ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
}
Build: TypeAlias = Callable[[Draw], tuple[Nodes, Edges]]


@dataclass(frozen=True)
class Network:
    """A network and how it is treated.

    build: its nodes and edges, for one that is written with nir. shape: of a sample or frame. frames: how many a sample
    has, 0 for one image. classes: as many as the (first) output has values. says_time: its metadata give the steps.
    train: the options of `inflor train`, for one that is exported. convert, quantize: options of these commands.
    loihi: options with which it runs in Lava too. exact: its potentials are exact in float32, and so the same on any
    processor. large: costs are not estimated. spikes_out: an output is of neurons that fire.
    """

    shape: Shape
    build: Build | None = None
    frames: int = 0
    classes: int = CLASSES
    says_time: bool = True
    train: tuple[str, ...] = ()
    convert: tuple[str, ...] = ()
    quantize: tuple[str, ...] = ()
    loihi: tuple[str, ...] | None = None
    exact: bool = True
    large: bool = False
    spikes_out: bool = False


def _chain(shape: Shape, *between: nir.NIRNode, outputs: Shape = (CLASSES,)) -> tuple[Nodes, Edges]:
    """input, a0, a1, ..., output, one behind the other."""
    nodes: Nodes = {"input": nir.Input(np.array(shape))}
    nodes |= {f"a{index}": node for index, node in enumerate(between)} | {"output": nir.Output(np.array(outputs))}
    return nodes, list(zip(nodes, list(nodes)[1:], strict=False))


def _dense(kind: type[nir.NIRNode], readout: type[nir.NIRNode] = nir.I, **given: Any) -> Build:
    """Two populations of a kind and a readout."""

    def build(draw: Draw) -> tuple[Nodes, Edges]:
        return _chain(
            (FEATURES,),
            draw.affine(HIDDEN, FEATURES),
            draw.neuron(kind, (HIDDEN,), **given),
            draw.affine(HIDDEN, HIDDEN),
            draw.neuron(kind, (HIDDEN,), **given),
            draw.affine(CLASSES, HIDDEN),
            draw.neuron(readout, (CLASSES,)),
        )

    return build


def _foreign(kind: type[nir.NIRNode], dt: float, cycle: bool = False, **given: Any) -> Build:
    """As a framework writes it: spiking to the end, times in its own unit."""

    def build(draw: Draw) -> tuple[Nodes, Edges]:
        options = {"scale": dt} | given
        nodes, edges = _chain(
            (FEATURES,),
            draw.affine(HIDDEN, FEATURES),
            draw.neuron(kind, (HIDDEN,), **options),
            draw.linear(CLASSES, HIDDEN, lean=0.5),
            draw.neuron(kind, (CLASSES,), **options),
        )
        if cycle:
            nodes["back"] = draw.affine(HIDDEN, HIDDEN)
            edges += [("a1", "back"), ("back", "a1")]
        return nodes, edges

    return build


def _rockpool(draw: Draw) -> tuple[Nodes, Edges]:
    """r = tau / dt exp(-dt / tau), from which the step of 1e-3 is recovered."""
    return _foreign(nir.CubaLIF, 1e-3, tau_mem=np.array(4e-3), r=np.array(4 * np.exp(-0.25)))(draw)


def _convolutions(draw: Draw) -> tuple[Nodes, Edges]:
    """Strides, thresholds per channel, soft resets of another value than the threshold."""
    soft = {"reset": "subtract", "reset_value": np.float32(1)}
    return _chain(
        (2, 8, 8),
        draw.conv((8, 8), 4, 2),
        draw.neuron(nir.IF, (4, 8, 8), **soft),
        draw.conv((8, 8), 6, 4, stride=2),
        draw.neuron(nir.IF, (6, 4, 4), reset="subtract"),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten(np.array([6, 2, 2]), 0, -1),
        draw.linear(CLASSES, 24),
        draw.neuron(nir.I, (CLASSES,)),
    )


def _groups_and_pools(draw: Draw) -> tuple[Nodes, Edges]:
    return _chain(
        (2, 8, 8),
        draw.conv((8, 8), 4, 2, dilation=2, padding="same"),
        draw.neuron(nir.IF, (4, 8, 8)),
        draw.conv((8, 8), 4, 4, groups=2, dilation=2, padding=2),
        draw.neuron(nir.LIF, (4, 8, 8), reset="subtract"),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        draw.conv((4, 4), 4, 4, kernel=1),
        draw.neuron(nir.IF, (4, 4, 4)),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([1, 1])),
        nir.Flatten(np.array([4, 3, 3]), 0, -1),
        draw.affine(CLASSES, 36),
        draw.neuron(nir.LI, (CLASSES,)),
    )


def _one_dimension(draw: Draw) -> tuple[Nodes, Edges]:
    return _chain(
        (2, 12),
        draw.conv((12,), 4, 2),
        draw.neuron(nir.IF, (4, 12), v_reset=-0.125),
        draw.conv((12,), 6, 4, stride=2, padding=1),
        draw.neuron(nir.LIF, (6, 6)),
        nir.Flatten(np.array([6, 6]), 0, -1),
        draw.affine(CLASSES, 36),
        draw.neuron(nir.I, (CLASSES,)),
    )


def _residual(draw: Draw) -> tuple[Nodes, Edges]:
    """Adds what passed a convolution to the spikes themselves, and to those that passed a 1x1 convolution."""
    shape = (4, 6, 6)
    nodes, edges = _chain(
        (1, 6, 6),
        draw.conv((6, 6), 4, 1),
        draw.neuron(nir.IF, shape, reset="subtract", reset_value=np.float32(1)),
        draw.conv((6, 6), 4, 4),
        draw.neuron(nir.IF, shape, reset="subtract"),
        draw.conv((6, 6), 6, 4, stride=2),
        draw.neuron(nir.IF, (6, 3, 3)),
        nir.Flatten(np.array([6, 3, 3]), 0, -1),
        draw.affine(CLASSES, 54),
        draw.neuron(nir.I, (CLASSES,)),
    )
    nodes["shortcut"] = draw.conv((6, 6), 6, 4, kernel=1, stride=2)
    return nodes, [*edges, ("a1", "a3"), ("a3", "shortcut"), ("shortcut", "a5")]


def _threshold_and_scale(draw: Draw) -> tuple[Nodes, Edges]:
    return _chain(
        (FEATURES,),
        nir.Scale(draw.numbers((FEATURES,), 0.5, 1)),
        draw.affine(HIDDEN, FEATURES),
        nir.Threshold(draw.numbers((HIDDEN,), 0, 0.5)),
        nir.Scale(draw.numbers((HIDDEN,), 0.25, 1)),
        draw.neuron(nir.IF, (HIDDEN,)),
        draw.affine(CLASSES, HIDDEN),
        nir.Threshold(draw.numbers((CLASSES,), 0, 0.5)),
    )


def _delays(draw: Draw, each: bool = False) -> tuple[Nodes, Edges]:
    """Three ways between two populations, of which two are late. each: every neuron its own delay."""
    nodes, edges = _dense(nir.LIF)(draw)
    late = draw.rng.integers(0, 3, HIDDEN) if each else np.full(HIDDEN, 2)
    more = {"late": nir.Delay(late.astype(np.float32)), "later": nir.Delay(np.full(HIDDEN, 3, np.float32))}
    nodes |= more | {"fast": draw.linear(HIDDEN, HIDDEN), "slow": draw.linear(HIDDEN, HIDDEN)}
    ways = [("a1", "late"), ("late", "fast"), ("fast", "a3"), ("a1", "slow"), ("slow", "later"), ("later", "a3")]
    return nodes, [*edges, *ways]


def _self_loop(draw: Draw) -> tuple[Nodes, Edges]:
    nodes, edges = _dense(nir.IF)(draw)
    nodes["back"] = draw.affine(HIDDEN, HIDDEN)
    return nodes, [*edges, ("a3", "back"), ("back", "a3")]


def _two_population_cycle(draw: Draw) -> tuple[Nodes, Edges]:
    """Each drives the other, one way with a delay; and the first drives itself."""
    nodes, edges = _dense(nir.CubaLIF, nir.CubaLI, reset="subtract")(draw)
    nodes |= {"back": draw.linear(HIDDEN, HIDDEN), "wait": nir.Delay(np.full(HIDDEN, 1, np.float32))}
    nodes["own"] = draw.linear(HIDDEN, HIDDEN)
    return nodes, [*edges, ("a3", "wait"), ("wait", "back"), ("back", "a1"), ("a1", "own"), ("own", "a1")]


def _integrator_in_the_middle(draw: Draw) -> tuple[Nodes, Edges]:
    nodes, edges = _dense(nir.IF)(draw)
    return nodes | {"a1": draw.neuron(nir.I, (HIDDEN,))}, edges


def _frames(draw: Draw) -> tuple[Nodes, Edges]:
    """Spiking to the end, and a second output of a readout."""
    nodes, edges = _chain(
        (FEATURES,),
        draw.affine(HIDDEN, FEATURES),
        draw.neuron(nir.LIF, (HIDDEN,), v_leak=0.125, v_reset=-0.25),
        draw.affine(CLASSES, HIDDEN, lean=0.25),
        draw.neuron(nir.IF, (CLASSES,)),
    )
    more = {
        "other": draw.linear(2, HIDDEN),
        "potential": draw.neuron(nir.LI, (2,)),
        "second": nir.Output(np.array([2])),
    }
    return nodes | more, [*edges, ("a1", "other"), ("other", "potential"), ("potential", "second")]


def _nested(draw: Draw) -> tuple[Nodes, Edges]:
    nodes, edges = _chain((HIDDEN,), draw.neuron(nir.IF, (HIDDEN,)), outputs=(HIDDEN,))
    inner = nir.NIRGraph(nodes, edges, type_check=False)
    last = draw.neuron(nir.IF, (CLASSES,))
    return _chain((FEATURES,), draw.affine(HIDDEN, FEATURES), inner, draw.affine(CLASSES, HIDDEN), last)


def _family(
    name: str, shape: Shape, channels: int, neuron: str, *quantize: str, loihi: tuple[str, ...] | None = None
) -> Network:
    """A trained family, narrow."""
    train = ("--model", name, "--channels", str(channels), "--neuron", neuron, "--timesteps", "4")
    return Network(shape, train=train, quantize=quantize, loihi=loihi, large=name not in ("mlp", "convnet", "resnet8"))


def _plain(build: Build, *quantize: str, shape: Shape = (FEATURES,), **options: Any) -> Network:
    return Network(shape, build, quantize=quantize, **options)


def _framework(build: Build, *convert: str, exact: bool = True) -> Network:
    """One whose file says nothing of time."""
    return Network((FEATURES,), build, frames=STEPS, says_time=False, convert=convert, exact=exact, spikes_out=True)


SOFT = {"reset": "subtract"}
REFRACTORY = {"reset": "subtract", "refractory": True}
NETWORKS: dict[str, Network] = {
    "mlp": _family("mlp", (FEATURES,), 12, "if", "--bits", "2", loihi=("--soft-reset", "stock")),
    "convnet": _family(
        *("convnet", (1, 8, 8), 4, "lif", "--bits", "4", "--granularity", "population"),
        *("--no-clip", "--no-compensation", "--no-bias-correction"),
    ),
    "resnet8": _family("resnet8", (1, 8, 8), 4, "srif"),
    "resnet18": _family("resnet18", (3, 8, 8), 2, "lif", "--no-clip"),
    "resnet19": _family("resnet19", (1, 8, 8), 2, "srif"),
    "resnet20": _family("resnet20", (1, 16, 16), 2, "srif", "--granularity", "population"),
    "resnet34": _family("resnet34", (1, 8, 8), 2, "if", "--no-clip"),
    "vgg11": _family("vgg11", (1, 32, 32), 2, "srif"),
    "vgg16": _family("vgg16", (3, 32, 32), 2, "lif", "--bits", "4", "--no-clip"),
    "if_zero": _plain(_dense(nir.IF, v_reset=-0.25), loihi=()),
    "if_subtract": _plain(_dense(nir.IF, **SOFT), "--bits", "4"),
    "convolutions": _plain(_convolutions, shape=(2, 8, 8)),
    "groups_and_pools": _plain(_groups_and_pools, shape=(2, 8, 8)),
    "one_dimension": _plain(_one_dimension, shape=(2, 12), frames=STEPS, loihi=()),
    "residual": _plain(_residual, shape=(1, 6, 6), loihi=()),
    "lif_leak": _plain(_dense(nir.LIF, nir.LI, v_leak=0.25, v_reset=-0.125), loihi=()),
    "lif_subtract": _plain(_dense(nir.LIF, nir.LI, **SOFT), "--decay-bits", "10", "--fraction-bits", "3"),
    "lif_exponential": Network(
        (FEATURES,),
        _dense(nir.LIF, nir.LI),
        says_time=False,
        convert=("--dt", "0.5", "--integration", "exponential", "--reset", "subtract"),
        exact=False,
    ),
    "cuba_zero": _plain(_dense(nir.CubaLIF, nir.CubaLI), loihi=(), exact=False),
    "cuba_refractory": _plain(
        *(_dense(nir.CubaLIF, nir.CubaLI, v_leak=0.125, **REFRACTORY), "--decay-bits", "16", "--fraction-bits", "2"),
        exact=False,
    ),
    "threshold_and_scale": _plain(_threshold_and_scale, spikes_out=True),
    "integrator_in_the_middle": _plain(_integrator_in_the_middle),
    "delays": _plain(_delays, loihi=()),
    "delay_of_each_neuron": _plain(lambda draw: _delays(draw, each=True)),
    "self_loop": _plain(_self_loop, loihi=()),
    "two_population_cycle": _plain(_two_population_cycle, exact=False),
    "frames": _plain(_frames, frames=STEPS, loihi=(), spikes_out=True),
    "nested": _plain(_nested, spikes_out=True),
    "from_snntorch": _framework(_foreign(nir.LIF, 1e-4, cycle=True), "--from", "snntorch", exact=False),
    "from_snntorch_zero": _framework(
        _foreign(nir.CubaLIF, 1e-4, cycle=True), "--from", "snntorch", "--reset", "zero", exact=False
    ),
    "from_norse": _framework(
        _foreign(nir.CubaLIF, 1e-6, v_leak=0.125, v_threshold=1.5), "--from", "norse", exact=False
    ),
    "from_spikingjelly": _framework(_foreign(nir.LIF, 1e-4, v_reset=0.125), "--from", "spikingjelly", exact=False),
    "from_sinabs": _framework(_foreign(nir.LIF, 1), "--from", "sinabs", exact=False),
    "from_rockpool": _framework(_rockpool, "--from", "rockpool", exact=False),
    "from_lava_dl": _framework(_foreign(nir.CubaLIF, 1), "--from", "lava-dl", exact=False),
}


def graph(name: str) -> nir.NIRGraph:
    """The graph of a network that is written with nir."""
    network = NETWORKS[name]
    assert network.build is not None
    nodes, edges = network.build(Draw(name))
    made = nir.NIRGraph(nodes, edges, type_check=False)
    if network.says_time:
        encoding = "frames" if network.frames else "direct"
        made.metadata = {"inflor": json.dumps({"schema": 1, "timesteps": STEPS, "encoding": encoding})}
    return made


_BALANCED = np.array([7, 6, 5, 3, 3, 0, 0, 0])
"""Of mean square 16: with either sign, a quarter of these has mean 0 and standard deviation 1, exactly."""


def data(name: str, samples: Sequence[int] = (16, 8)) -> dict[str, Array]:
    """Samples and labels for the train and the test split."""
    network, draw, arrays = NETWORKS[name], Draw(f"data of {name}"), {}
    for part, count in zip(("train", "test"), samples, strict=True):
        if network.frames:
            x = draw.rng.integers(0, 4, (count, network.frames, *network.shape)).astype(np.uint8)
        elif network.train:
            x = _standardised(draw, (count, *network.shape))
        else:
            x = draw.numbers((count, *network.shape), -1, 2, grid=3)
        arrays |= {f"x_{part}": x, f"y_{part}": np.arange(count) % network.classes}
    return arrays


def _standardised(draw: Draw, shape: Shape) -> Array:
    """Whose mean and deviation, per channel or of all, are 0 and 1: what the trainer measures does not round."""
    per_channel = (shape[1], shape[0] * int(np.prod(shape[2:]))) if len(shape) == 4 else (1, int(np.prod(shape)))
    values = np.resize(np.concatenate([_BALANCED, -_BALANCED]) / 4, per_channel)
    mixed = draw.rng.permuted(values, axis=1).astype(np.float32)
    return np.moveaxis(mixed.reshape(shape[1], shape[0], *shape[2:]), 0, 1) if len(shape) == 4 else mixed.reshape(shape)
