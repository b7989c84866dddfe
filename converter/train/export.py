"""A trained network as a NIR graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Edge, Graph, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.fold_norms import Norm, fold_norms, folding_note
from inflor.converter.primitives.fields import make_node
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.layer import INPUT, Layer, Shape
from inflor.converter.train.neurons import NeuronConfig
from inflor.converter.train.tdbn import TDBatchNorm

OUTPUT = "output"
SOFT_RESET = "Soft reset"
"""How the note about it begins."""

Float32 = npt.NDArray[np.float32]


def to_nir(network: SpikingNetwork, info: ModelInfo) -> tuple[Graph, list[str]]:
    """Export a network with its current weights (design section 3); nodes keep the architecture's names.

    A normalization is folded into the layer before it, whose name stays. The graph's info says dt = 1 step and the
    network's own timesteps and architecture.

    Returns:
        The graph, and notes for the user: what changed its form, and why the spikes stay the same.

    Raises:
        InputError: a weight is not finite, or a node is called "output"; names the node.
    """
    architecture = network.architecture
    shapes = architecture.shapes()
    nodes: dict[str, Any] = {INPUT: nir.Input(np.array(architecture.input_shape))}
    edges: list[Edge] = []
    for node in architecture.layers:
        if node.name == OUTPUT:
            raise InputError(f"{architecture.name}: node {OUTPUT!r}: NIR's output has that name; choose another")
        nodes[node.name] = _node(node, network.layers[node.name], shapes[node.inputs[0]], network.neuron)
        edges += [(source, node.name) for source in node.inputs]
    nodes[OUTPUT] = nir.Output(np.array(shapes[architecture.readout]))
    edges.append((architecture.readout, OUTPUT))
    info = replace(info, dt=1.0, timesteps=network.timesteps, stage="float", architecture=architecture.name, known=True)
    graph = nir_graph(nodes, edges, {METADATA_KEY: info.to_json()})
    return validate(run_passes(graph, [fold_norms(architecture.name)]), architecture.name), _notes(network)


def strict_threshold(threshold: float) -> np.float32:
    """The v_threshold for which NIR's v > v_threshold is the same as v >= threshold: the largest float32 below it."""
    return np.nextafter(np.float32(threshold), np.float32(-np.inf))


def _node(node: Layer, layer: nn.Module, shape: Shape, neuron: NeuronConfig) -> nir.NIRNode | Norm:
    if node.op in ("conv", "linear"):
        return _weighted(layer, shape)
    if node.op == "norm":
        return _norm(layer)
    if node.op == "neuron":
        return neuron_node(neuron, shape)
    if node.op == "readout":
        return make_node(nir.I, {"r": np.ones(shape, np.float32)})
    if node.op == "flatten":
        return make_node(nir.Flatten, {"input_type": {"input": shape}, "start_dim": 0, "end_dim": len(shape) - 1})
    pool = {"kernel_size": "kernel", "stride": "stride", "padding": "padding"}
    return make_node(nir.AvgPool2d, {field: np.array(node.options[option]) for field, option in pool.items()})


def _weighted(layer: nn.Module, shape: Shape) -> nir.NIRNode:
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    weight = _array(layer.weight)
    bias = None if layer.bias is None else _array(layer.bias)
    if isinstance(layer, nn.Linear):
        if bias is None:
            return make_node(nir.Linear, {"weight": weight})
        return make_node(nir.Affine, {"weight": weight, "bias": bias})
    values: dict[str, Any] = {
        "input_shape": shape[1:],
        "weight": weight,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "groups": layer.groups,
        "bias": np.zeros(len(weight), np.float32) if bias is None else bias,
    }
    return make_node(nir.Conv2d, values)


def _norm(layer: nn.Module) -> Norm:
    assert isinstance(layer, TDBatchNorm)
    return Norm(
        gamma=_array(layer.weight),
        beta=_array(layer.bias),
        mean=_array(layer.running_mean),
        var=_array(layer.running_var),
        eps=layer.eps,
        alpha=layer.alpha,
        threshold=layer.threshold,
    )


def neuron_node(neuron: NeuronConfig, shape: Shape) -> nir.NIRNode:
    """SRIF and IF as nir.IF; LIF as nir.LIF that leaks to v_reset, NIR's Euler step being the trained one.

    NIR: tau dv/dt = (v_leak - v) + r I;  with dt = 1: v += (v_leak - v + I) / tau.
    """

    def full(value: float | np.float32) -> Float32:
        return np.full(shape, value, np.float32)

    metadata: dict[str, Any] = {"threshold": neuron.threshold}
    if neuron.reset == "subtract":
        metadata |= {"reset": "subtract", "reset_value": neuron.reset_value}
    fields: Mapping[str, Any] = {
        "r": full(1),
        "v_threshold": full(strict_threshold(neuron.threshold)),
        "v_reset": full(neuron.v_reset),
    }
    if neuron.kind == "lif":
        return make_node(nir.LIF, {**fields, "tau": full(neuron.tau), "v_leak": full(neuron.v_reset)}, metadata)
    return make_node(nir.IF, fields, metadata)


def _array(values: Tensor) -> Float32:
    """A copy: later training must not change the graph."""
    return np.array(values.detach().cpu().numpy(), np.float32)


def _notes(network: SpikingNetwork) -> list[str]:
    neuron = network.neuron
    notes = [
        f"Neurons fire at {neuron.threshold} and above, NIR's strictly above v_threshold: it is written as "
        f"{strict_threshold(neuron.threshold)!s}, the largest float32 below. The spikes are the same."
    ]
    if neuron.mpr:
        notes.append(
            "The membrane-potential rectifier is dropped: phi(u) >= 0.5 exactly where u >= 0.5, so it changes "
            "gradients in training and never a spike."
        )
    if neuron.reset == "subtract":
        notes.append(
            f"{SOFT_RESET}: a spike takes {neuron.reset_value:g} off the potential. NIR has no field for that; it "
            "stands in each neuron's metadata (reset, reset_value, threshold). A reader that ignores them resets to "
            f"{neuron.v_reset:g} instead and computes other spikes; `portable=True` spells it out for such readers."
        )
    ops = [node.op for node in network.architecture.layers]
    if count := ops.count("norm"):
        notes.append(folding_note(count))
    if any(node.op == "avgpool" and any(node.options["padding"]) for node in network.architecture.layers):
        notes.append("Padded average pools count the zeros of the padding in the mean; NIR does not say so either way.")
    return notes
