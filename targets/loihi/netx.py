"""Writes an integer network as a netx file, the HDF5 that lava-dl's `netx.hdf5.Network` reads.

netx knows chains of convolutions and dense layers of current-based LIF neurons with hard reset: no soft reset, no
branches, no pooling. Pooling that folds exactly into a convolution or a dense layer is folded. Layout, as its reader
takes it: /layer/<i>/ with type (input, conv, flatten, dense), shape [C, H, W], weight, stride, padding, dilation,
groups, bias, and neuron/ (type CUBA, iDecay 4096: no current, vDecay, vThMant). The readout is a CUBA layer with a
threshold that it never reaches; its potential is the output.

Read it with `Network(net_config=path, input_message_bits=8, reset_interval=T, reset_offset=1)`: the offset 0 that is
the reader's default clears every layer one step early when frames come from a RingBuffer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from converter.errors import InputError
from converter.files import atomic_path
from quant.network import IntegerNetwork, Population
from targets.loihi.arithmetic import RANGES
from targets.loihi.linear import Kernel, compose
from targets.loihi.lowering import NEVER

NO_CURRENT = 4096
DENSE_WEIGHTS = (-256, 254)
"""What netx leaves alone in a matrix of both signs; it clips beyond."""


@dataclass(frozen=True, eq=False)
class _Layer:
    kind: str
    shape: tuple[int, ...]
    fields: dict[str, Any]
    neuron: dict[str, int | npt.NDArray[np.int64]] | None = None


def write(path: str | os.PathLike[str], network: IntegerNetwork) -> list[str]:
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
                for name, value in {"iDecay": NO_CURRENT, "refDelay": 1, **layer.neuron}.items():
                    neuron[name] = value
    notes = [
        f"read it with Network(net_config=..., input_message_bits={network.input_bits}, "
        f"reset_interval={network.info.timesteps}, reset_offset=1)"
    ]
    if any(p.decay.any() for p in network.populations):
        notes.append("leaks round to 1/64 of a unit on Loihi, to whole units in this project's integer network")
    return notes


def _text(group: h5py.Group, name: str, value: str) -> None:
    group.create_dataset(name, data=np.array([value.encode()]))


def _layers(network: IntegerNetwork) -> list[_Layer]:
    """One layer per population, in order, or the refusal."""
    source, *others = network.populations
    layers = [_Layer("input", source.shape, {})]
    for before, population in zip(network.populations, others, strict=False):
        incoming = network.incoming[population.name]
        if len(incoming) != 1 or incoming[0].source != before.name:
            raise _refusal(network, population, "has a branch or a shortcut, and netx knows chains only")
        neuron = _neuron(network, population)
        linear = compose(incoming[0].operators, before.shape)
        exponent = incoming[0].exponent
        if isinstance(linear, Kernel) and len(population.shape) == 3:
            layers.append(_Layer("conv", population.shape, _convolution(linear, exponent, population), neuron))
            continue
        if len(population.shape) != 1:
            raise _refusal(network, population, "is a map that no single convolution makes; netx has none for it")
        if len(before.shape) == 3:
            layers.append(_Layer("flatten", population.shape, {}))
        elif len(before.shape) == 2:
            raise _refusal(network, population, "follows a map of one dimension, which netx has not")
        weight = _dense(network, population, linear, exponent)
        layers.append(_Layer("dense", population.shape, {"weight": weight, **_bias(population)}, neuron))
    return layers


def _neuron(network: IntegerNetwork, population: Population) -> dict[str, int | npt.NDArray[np.int64]]:
    if population.reset == "subtract":
        raise _refusal(network, population, "has a soft reset; netx resets to zero only")
    if population.v_reset.any():
        raise _refusal(network, population, "resets to another potential than 0")
    bias = population.bias
    if bias.min() < RANGES["bias_mant"][0] or bias.max() > RANGES["bias_mant"][1]:
        raise _refusal(network, population, f"has biases beyond {RANGES['bias_mant']}; quantise with fewer bits")
    decays = np.unique(population.decay)
    if decays.size > 1:
        raise _refusal(network, population, "has more than one leak")
    if population.kind == "readout":
        return {"vDecay": int(decays[0]), "vThMant": NEVER}
    threshold = population.threshold
    if threshold.min() < RANGES["vth"][0] or threshold.max() > RANGES["vth"][1]:
        raise _refusal(network, population, f"has thresholds beyond {RANGES['vth']}; quantise with fewer bits")
    return {"vDecay": int(decays[0]), "vThMant": _per_channel(network, population, threshold)}


def _per_channel(network: IntegerNetwork, population: Population, values: npt.NDArray[np.int64]) -> Any:
    """One number, or one per channel: the reader's maps are [W, H, C], so an array of [C] broadcasts."""
    full = population.broadcast(values).reshape(population.shape[0], -1)
    if (full == full.flat[0]).all():
        return int(full.flat[0])
    if (full != full[:, :1]).any():
        raise _refusal(network, population, "has a threshold per neuron; netx takes one per channel at most")
    return full[:, 0].copy()


def _bias(population: Population) -> dict[str, npt.NDArray[np.int64]]:
    if not population.bias.any():
        return {}
    full = population.broadcast(population.bias)
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


def _dense(network: IntegerNetwork, population: Population, linear: Any, exponent: int) -> npt.NDArray[np.int64]:
    if isinstance(linear, Kernel):  # a map reduced to one dimension is a matrix too
        raise _refusal(network, population, "is a convolution into a vector")
    weight = np.asarray(linear.weight.toarray(), np.int64) << exponent
    if not weight.any():
        raise _refusal(network, population, "has no weight but 0, on which netx's reader fails")
    if weight.min() < DENSE_WEIGHTS[0] or weight.max() > DENSE_WEIGHTS[1]:
        raise _refusal(network, population, f"has weights beyond {DENSE_WEIGHTS}, which netx's reader clips")
    return weight


def _refusal(network: IntegerNetwork, population: Population, reason: str) -> InputError:
    file = f"{network.source}: " if network.source else ""
    return InputError(f"{file}node {population.name!r} {reason}; run it with --target loihi instead")
