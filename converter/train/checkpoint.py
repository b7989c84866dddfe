"""`model.pt`: a state dict and plain data that say what it belongs to. Written atomically, read without trust.

    {"format": "inflor-model", "schema": 1, "state_dict": {name: tensor},
     "config": {"architecture": ..., "neuron": ..., "info": ...}, "training": ...}

"training" stands only in the checkpoint of a running training. No pickle but torch's restricted one is ever loaded.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.reading.torch_archive import read_torch
from inflor.converter.train.architecture import Architecture, SpikingNetwork
from inflor.converter.train.layer import Layer
from inflor.converter.train.neurons import NeuronConfig

FORMAT = "inflor-model"
SCHEMA = 1
_MAX_LAYERS = 100_000


def save_model(
    path: str | os.PathLike[str],
    network: SpikingNetwork,
    info: ModelInfo,
    *,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write the network and what is known about it; `training` is what a checkpoint needs beside that to continue.

    Raises:
        InputError: `info` says another number of timesteps than the network, or the file cannot be written.
    """
    if info.timesteps != network.timesteps:
        raise InputError(f"the info says {info.timesteps} timesteps, the network runs {network.timesteps}", path=path)
    config = {
        "architecture": _architecture_as_dict(network.architecture),
        "neuron": dataclasses.asdict(network.neuron),
        "info": info.as_dict(),
    }
    content: dict[str, Any] = {
        "format": FORMAT,
        "schema": SCHEMA,
        # A pickle's bytes depend on which equal texts are one object; a fresh copy makes equal models equal files.
        "config": json.loads(json.dumps(config)),
        "state_dict": {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()},
    }
    if training is not None:
        content["training"] = dict(training)
    # Through memory: torch writes the file's name into a file, and reports a full disk as it would a bug.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_model(path: str | os.PathLike[str]) -> tuple[SpikingNetwork, ModelInfo]:
    """Read the network, in evaluation mode on the CPU, and its info from a `model.pt` or a training checkpoint.

    Raises:
        InputError: the file is missing, damaged, of another kind, or holds more than plain data and tensors that fit.
    """
    network, info, _ = load_checkpoint(path)
    return network, info


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[SpikingNetwork, ModelInfo, dict[str, Any] | None]:
    """Read what `load_model` reads, and what `save_model` was given as `training`; None where there is none.

    Raises:
        InputError: as `load_model`.
    """
    content = read_torch(path, "give a model.pt of inflor train")
    _check_keys(content, ("format", "schema", "config", "state_dict"), f"{path}", optional=("training",))
    if content["format"] != FORMAT:
        raise InputError(
            f"has the format {content['format']!r}, not {FORMAT!r}; give a file of inflor train", path=path
        )
    if content["schema"] != SCHEMA:
        raise InputError(f"has schema {content['schema']!r}, this version reads {SCHEMA}; update inflor", path=path)
    training = content.get("training")
    if training is not None and not isinstance(training, dict):
        raise InputError("its training part is not a dictionary", path=path)
    config = content["config"]
    _check_keys(config, ("architecture", "neuron", "info"), f"{path}: config")
    info = ModelInfo.from_plain(config["info"], str(path))
    try:
        architecture = _architecture_from_plain(config["architecture"])
        neuron = _neuron_from_plain(config["neuron"])
        # On the meta device nothing is allocated, however large a network the file claims.
        with torch.device("meta"):
            network = SpikingNetwork(architecture, neuron, info.timesteps)
    except (InputError, RuntimeError, OverflowError) as error:  # torch's own: sizes beyond what it can count
        raise InputError(f"{error}", path=path) from error
    _check_state(content["state_dict"], network.state_dict(), path)
    network.load_state_dict(content["state_dict"], assign=True)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return network.eval(), info, training


def _check_keys(value: Any, keys: tuple[str, ...], what: str, optional: tuple[str, ...] = ()) -> None:
    if not isinstance(value, dict):
        raise InputError(f"{what}: is not a dictionary with the keys {', '.join(keys)}")
    if missing := [key for key in keys if key not in value]:
        raise InputError(f"{what}: lacks {missing[0]!r}; give a file of inflor train")
    if unknown := [key for key in value if key not in (*keys, *optional)]:
        raise InputError(f"{what}: has an unknown entry {unknown[0]!r}")


def _check_state(state: Any, expected: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Check that the tensors are the expected ones (name, shape, dtype, layout, finite values); names what is wrong."""
    if not isinstance(state, dict):
        raise InputError("its state_dict is not a dictionary", path=path)
    if missing := [name for name in expected if name not in state]:
        raise InputError(f"lacks the weights {missing[0]!r}", path=path)
    if unknown := [name for name in state if name not in expected]:
        raise InputError(f"has weights {unknown[0]!r} that its architecture does not know", path=path)
    for name, like in expected.items():
        tensor = state[name]
        dense = isinstance(tensor, Tensor) and not tensor.is_nested and tensor.layout == torch.strided
        if not dense or tensor.device.type != "cpu":
            raise InputError(f"{name} is not a dense tensor", path=path)
        if tensor.shape != like.shape:
            raise InputError(
                f"{name} has shape {tuple(tensor.shape)}, its network needs {tuple(like.shape)}", path=path
            )
        if tensor.dtype != like.dtype:
            raise InputError(f"{name} has dtype {tensor.dtype}, its network needs {like.dtype}", path=path)
        if not tensor.is_contiguous():
            raise InputError(f"{name} is not contiguous, as the trainer writes it", path=path)
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{name} has values that are not finite; train again with a smaller learning rate", path=path
            )
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise InputError(f"{name} has negative variances", path=path)


def _architecture_as_dict(architecture: Architecture) -> dict[str, Any]:
    layers = [
        {
            "name": layer.name,
            "op": layer.op,
            "inputs": list(layer.inputs),
            "options": {key: list(v) if isinstance(v, tuple) else v for key, v in layer.options.items()},
        }
        for layer in architecture.layers
    ]
    return {
        "name": architecture.name,
        "input_shape": list(architecture.input_shape),
        "classes": architecture.classes,
        "nodes": layers,
    }


def _architecture_from_plain(plain: Any) -> Architecture:
    _check_types(plain, {"name": str, "input_shape": list, "classes": int, "nodes": list}, "architecture")
    if len(plain["nodes"]) > _MAX_LAYERS:
        raise InputError(f"architecture: {len(plain['nodes'])} layers are more than {_MAX_LAYERS}")
    layers = []
    for index, entry in enumerate(plain["nodes"]):
        _check_types(entry, {"name": str, "op": str, "inputs": list, "options": dict}, f"architecture: layer {index}")
        layers.append(Layer(entry["name"], entry["op"], tuple(map(str, entry["inputs"])), entry["options"]))
    return Architecture(plain["name"], tuple(plain["input_shape"]), plain["classes"], tuple(layers))


def _neuron_from_plain(plain: Any) -> NeuronConfig:
    forms: dict[str, Any] = {
        entry.name: (int, float) if isinstance(entry.default, float) else type(entry.default)
        for entry in dataclasses.fields(NeuronConfig)
    }
    _check_types(plain, forms, "neuron")
    return NeuronConfig(**plain)


def _check_types(value: Any, forms: Mapping[str, Any], what: str) -> None:
    _check_keys(value, tuple(forms), what)
    for key, form in forms.items():
        if not isinstance(value[key], form):
            raise InputError(f"{what}: {key} cannot be {value[key]!r}")
