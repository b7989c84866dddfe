"""Networks of ours, with random weights, as files for other frameworks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nir
import numpy as np
import torch

from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.pipelines import for_readers
from inflor.converter.train import export
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.networks import NETWORKS
from inflor.converter.train.neurons import NeuronConfig


def _trained(model: str, shape: tuple[int, ...], neuron: NeuronConfig) -> Graph:
    torch.manual_seed(0)
    network = SpikingNetwork(NETWORKS[model](shape, 10), neuron, 12).eval()
    return export.to_nir(network, ModelInfo())[0]


def _recurrent() -> Graph:
    rng = np.random.default_rng(0)
    one = np.ones(16, np.float32)
    nodes = {
        "input": nir.Input(np.array([10])),
        "fc": nir.Affine(rng.normal(0, 1, (16, 10)).astype(np.float32), rng.normal(0, 0.3, 16).astype(np.float32)),
        "lif": nir.CubaLIF(2 * one, 4 * one, 4 * one, 0 * one, 1.5 * one, 0 * one, 2 * one),
        "back": nir.Linear(rng.normal(0, 0.5, (16, 16)).astype(np.float32)),
        "output": nir.Output(np.array([16])),
    }
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    graph.metadata = {METADATA_KEY: ModelInfo(timesteps=12).to_json()}
    return validate(graph, "recurrent")


LIF, SRIF = NeuronConfig.preset("lif", tau=1.8), NeuronConfig.preset("srif")
GRAPHS: dict[str, Callable[[], Graph]] = {
    "dense, zero": partial(_trained, "mlp", (1, 8, 8), LIF),
    "dense without leak, zero": partial(_trained, "mlp", (1, 8, 8), NeuronConfig.preset("if")),
    "dense, subtract": partial(_trained, "mlp", (1, 8, 8), SRIF),
    "convolutional, zero": partial(_trained, "convnet", (1, 8, 8), LIF),
    "convolutional, subtract": partial(_trained, "convnet", (1, 8, 8), SRIF),
    "recurrent, zero": _recurrent,
}


def write(graph: Graph, path: Path, dt: float) -> None:
    """The portable form in a reader's unit of time, without our metadata: NIR alone must say it all."""
    plain = run_passes(graph, for_readers(portable=True, step=dt))
    nodes = {name: _bare(node) for name, node in plain.nodes.items()}
    nir_file.write(path, nodes, plain.edges, ModelInfo(known=False))


def _bare(node: nir.NIRNode) -> nir.NIRNode:
    bare = copy.copy(node)
    bare.metadata = {}
    return bare
