"""Writes an integer network as a netx file, the HDF5 that lava-dl's `netx.hdf5.Network` reads.

netx knows chains of convolutions and dense layers of current-based LIF neurons with hard reset: no soft reset, no
branches, no pooling, and recurrence only from a dense layer to itself, one step late. Pooling that folds exactly into a
convolution or a dense layer is folded. Layout, as its reader takes it: /layer/<i>/ with type (input, conv, flatten,
dense, dense_rec), shape [C, H, W], weight, weight_rec, stride, padding, dilation, groups, bias (of the potential), and
neuron/ (type CUBA, iDecay and vDecay of 4096, vThMant). The readout is a CUBA layer with a threshold that it never
reaches; its potential is the output.

Read it with `Network(net_config=path, input_message_bits=8, reset_interval=T, reset_offset=1)`: the offset 0 that is
the reader's default clears every layer one step early when frames come from a RingBuffer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.targets.loihi.layout.linear import Kernel, Linear_, compose
from inflor.targets.loihi.numbers import RANGES, decays, finest_shift, has_current, misfits
from inflor.targets.loihi.simulate.build import NEVER
from inflor.targets.loihi.widths import INPUT_SHIFT

DENSE_WEIGHTS = (-256, 254)
"""What netx leaves alone in a matrix of both signs; it clips beyond."""


@dataclass(frozen=True, eq=False)
class _Layer:
    kind: str
    shape: tuple[int, ...]
    fields: dict[str, Any]
    neuron: dict[str, int | npt.NDArray[np.int64]] | None = None


def write(network: IntegerNetwork, path: str | os.PathLike[str]) -> list[str]:
    """Write `network`; returns notes for the user.

    Raises:
        InputError: netx cannot express it; names the first node that it cannot, and why. Or the file cannot be written.
    """
    layers = _layers(network)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        for number, layer in enumerate(layers):
            group = file.create_group(f"layer/{number}")
            _text(group, "type", layer.kind)
            group["shape"] = np.array(layer.shape)
            for name, value in layer.fields.items():
                group[name] = value
            if layer.neuron is not None:
                neuron = group.create_group("neuron")
                _text(neuron, "type", "CUBA")
                for name, value in {"refDelay": 1, **layer.neuron}.items():
                    neuron[name] = value
    notes = [
        f"read it with Network(net_config=..., input_message_bits={network.input_bits}, "
        f"reset_interval={network.info.timesteps}, reset_offset=1)"
    ]
    if any(layer.kind == "dense_rec" for layer in layers):
        notes.append(
            "run one sample at a time: nothing in the reader keeps a recurrent layer's last spikes out of the next one"
        )
    return notes


def _text(group: h5py.Group, name: str, value: str) -> None:
    group.create_dataset(name, data=np.array([value.encode()]))


def _layers(network: IntegerNetwork) -> list[_Layer]:
    """One layer per population, in order, or the refusal."""
    source, *others = network.populations
    layers = [_Layer("input", source.shape, {})]
    for before, population in zip(network.populations, others, strict=False):
        back = [q for q in network.incoming[population.name] if q.source == population.name]
        incoming = [q for q in network.incoming[population.name] if q not in back]
        if len(incoming) != 1 or incoming[0].source != before.name or len(back) > 1:
            raise _refusal(network, population, "has a branch or a shortcut, and netx knows chains only")
        if incoming[0].delay or any(q.delay != 1 for q in back):
            raise _refusal(network, population, "has a delayed projection; netx knows no delay but that of recurrence")
        neuron = _neuron(network, population)
        linear = compose(incoming[0].operators, before.shape)
        exponent = incoming[0].exponent
        if back and len(population.shape) != 1:
            raise _refusal(network, population, "is a recurrent map; netx knows recurrence of dense layers only")
        if isinstance(linear, Kernel) and len(population.shape) == 3:
            layers.append(_Layer("conv", population.shape, _convolution(linear, exponent, population), neuron))
            continue
        if len(population.shape) != 1:
            raise _refusal(network, population, "is a map that no single convolution makes; netx has none for it")
        if len(before.shape) == 3:
            layers.append(_Layer("flatten", population.shape, {}))
        elif len(before.shape) == 2:
            raise _refusal(network, population, "follows a map of one dimension, which netx has not")
        matrices = [linear, *(compose(q.operators, population.shape) for q in back)]
        exponents = [exponent, *(q.exponent for q in back)]
        names = ("weight", "weight_rec")[: len(matrices)]
        weights = dict(zip(names, _dense(network, population, matrices, exponents), strict=True))
        layers.append(
            _Layer("dense_rec" if back else "dense", population.shape, {**weights, **_bias(population)}, neuron)
        )
    return layers


def _neuron(network: IntegerNetwork, population: Population) -> dict[str, int | npt.NDArray[np.int64]]:
    if population.groups:
        raise _refusal(network, population, "takes the maximum of currents; netx knows sums only, and no pooling")
    if population.rule.reset_kind == "subtract":
        raise _refusal(network, population, "has a soft reset; netx resets to zero only")
    if population.rule.v_reset.any():
        raise _refusal(network, population, "resets to another potential than 0")
    twelve = decays(population)
    if twelve is None:
        raise _refusal(network, population, f"has decays of {population.rule.decay_bits} bits; netx has 12")
    for misfit in misfits(population):
        mend = "quantize it with `fraction_bits=6`" if misfit.limit == "leak" else "quantize it anew"
        raise _refusal(network, population, f"has {misfit.limit} {misfit.number}, allowed is {misfit.allowed}; {mend}")
    if population.rule.bias.any() and has_current(population):
        raise _refusal(network, population, "has a bias of its current; that of netx is one of the potential")
    bias = _potential_bias(population)
    if bias is None or bias.min() < RANGES["bias_mant"][0] or bias.max() > RANGES["bias_mant"][1]:
        what = f"has biases beyond whole units of {RANGES['bias_mant']}; quantize with fewer bits"
        raise _refusal(network, population, what)
    current, leak = (_per_channel(network, population, decay, "a decay") for decay in twelve)
    threshold = population.rule.threshold if population.role != "readout" else np.asarray(NEVER)
    return {
        "iDecay": current,
        "vDecay": leak,
        "vThMant": _per_channel(network, population, threshold, "a threshold"),
    }


def _potential_bias(population: Population) -> npt.NDArray[np.int64] | None:
    """What is added to v at every step, in units of a; None where it is no whole number of them."""
    drift = population.rule.drift << finest_shift(population)
    return None if (drift % (1 << INPUT_SHIFT)).any() else population.rule.bias + (drift >> INPUT_SHIFT)


def _per_channel(network: IntegerNetwork, population: Population, values: npt.NDArray[np.int64], what: str) -> Any:
    """One number, or one per channel: the reader's maps are [W, H, C], so an array of [C] broadcasts."""
    full = population.broadcast(values).reshape(population.shape[0], -1)
    if (full == full.flat[0]).all():
        return int(full.flat[0])
    if (full != full[:, :1]).any():
        raise _refusal(network, population, f"has {what} per neuron; netx takes one per channel at most")
    return full[:, 0].copy()


def _bias(population: Population) -> dict[str, npt.NDArray[np.int64]]:
    bias = _potential_bias(population)
    if bias is None or not bias.any():
        return {}
    full = population.broadcast(bias)
    if len(population.shape) == 3:
        flat = full.reshape(population.shape[0], -1)
        return {"bias": flat[:, 0].copy() if (flat == flat[:, :1]).all() else full.transpose(2, 1, 0).copy()}
    return {"bias": full.copy()}


def _convolution(kernel: Kernel, exponent: int, population: Population) -> dict[str, Any]:
    return {
        "weight": kernel.weight << exponent,
        "stride": np.array(kernel.stride),
        "padding": np.array(kernel.padding),
        "dilation": np.array(kernel.dilation),
        "groups": kernel.groups,
        **_bias(population),
    }


def _dense(
    network: IntegerNetwork, population: Population, matrices: Sequence[Linear_], exponents: Sequence[int]
) -> list[npt.NDArray[np.int64]]:
    """The weights of what comes in and of the recurrence, as netx's reader takes them without a change."""
    weights = []
    for matrix, exponent in zip(matrices, exponents, strict=True):
        if isinstance(matrix, Kernel):  # a map reduced to one dimension is a matrix too
            raise _refusal(network, population, "is a convolution into a vector")
        weights.append(np.asarray(matrix.weight.toarray(), np.int64) << exponent)
    together = np.concatenate([w.ravel() for w in weights])
    if not together.any():
        raise _refusal(network, population, "has no weight but 0, on which netx's reader fails")
    if together.min() < DENSE_WEIGHTS[0] or together.max() > DENSE_WEIGHTS[1]:
        raise _refusal(network, population, f"has weights beyond {DENSE_WEIGHTS}, which netx's reader clips")
    for weight in weights:
        least = -int(weight.min())
        if weight.max() <= 0 < least and least & (least - 1) == 0:  # it becomes -256 of 0 to -255
            raise _refusal(
                network, population, f"has inhibitory weights only, down to {-least}, which its reader clips"
            )
    return weights


def _refusal(network: IntegerNetwork, population: Population, reason: str) -> InputError:
    file = f"{network.source}: " if network.source else ""
    return InputError(f"{file}node {population.name!r} {reason}; run it with `target='loihi'` instead")
