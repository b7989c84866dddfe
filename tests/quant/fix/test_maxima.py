"""Networks with max pools before their neurons, quantized: they lose next to nothing, and are files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import specified
import torch

from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph, nir_graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.primitives.fields import make_node
from inflor.converter.primitives.pool import max_pool
from inflor.converter.primitives.windows import Windows
from inflor.converter.simulate import execute
from inflor.quant import file
from inflor.quant.fix import pipeline
from inflor.quant.fix.calibrate import mean_current
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.passes.pipeline import fuse
from inflor.targets import registry, running
from inflor.targets.equivalence.compare import check

STEPS = 6
OVERLAPPING = Windows(kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))
SQUARE = Windows(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1))


def conv(rng: np.random.Generator, out: int, inner: int) -> nir.Conv2d:
    weight = rng.normal(size=(out, inner, 3, 3)) / np.sqrt(4 * inner)
    fields = {"input_shape": None, "weight": weight, "stride": 1, "padding": 1, "dilation": 1, "groups": 1}
    return make_node(nir.Conv2d, {**fields, "bias": rng.normal(size=out) / 10}, {})


def lif(shape: tuple[int, ...], soft: bool) -> nir.LIF:
    """A snnTorch Leaky with beta = 0.8."""
    full = [np.full(shape, value) for value in (5.0, 5.0, 0.0, 0.5, 0.0)]
    node = nir.LIF(*full)
    node.metadata = {"reset": "subtract", "reset_value": 0.5} if soft else {}
    return node


def tutorial(seed: int, overlapping: bool = True, flat: bool = True, soft: bool = True) -> Graph:
    """Conv2d, MaxPool2d, Leaky, twice, and a dense layer, as in snnTorch's tutorials."""
    rng = np.random.default_rng(seed)
    first = OVERLAPPING if overlapping else SQUARE
    nodes: dict[str, Any] = {"input": nir.Input(np.array([2, 10, 10]))}
    nodes |= {"conv1": conv(rng, 6, 2), "pool1": max_pool(first), "lif1": lif((6, 5, 5), soft)}
    nodes |= {"conv2": conv(rng, 8, 6), "pool2": max_pool(SQUARE)}
    flatten = make_node(nir.Flatten, {"input_type": {"input": np.array([8, 2, 2])}, "start_dim": 0, "end_dim": 2}, {})
    nodes |= {"flat": flatten, "lif2": lif((32,), soft)} if flat else {"lif2": lif((8, 2, 2), soft), "flat": flatten}
    nodes |= {"fc": nir.Affine(rng.normal(size=(4, 32)), rng.normal(size=4)), "out": nir.I(np.ones(4))}
    nodes["output"] = nir.Output(np.array([4]))
    metadata = {METADATA_KEY: ModelInfo(timesteps=STEPS).to_json()}
    return validate(nir_graph(nodes, itertools.pairwise(nodes), metadata), "tutorial.nir")


def predicted(network: IntegerNetwork, x: np.ndarray) -> np.ndarray:
    cpu = registry.load("cpu")
    return running.record(cpu, running.place(cpu, network), network, network.quantize_input(x)).predictions


@pytest.mark.parametrize(("overlapping", "flat", "soft"), [(True, True, True), (False, False, False)])
def test_eight_bits_keep_the_predictions(overlapping: bool, flat: bool, soft: bool, tmp_path: Path) -> None:
    graph = tutorial(0, overlapping, flat, soft)
    x = np.random.default_rng(1).normal(size=(400, 2, 10, 10)).astype(np.float32)
    network, report = quantize(graph, x[:128])
    due = execute.run(graph, torch.from_numpy(x[128:]), STEPS).potentials["out"][-1].argmax(1).numpy()
    assert (predicted(network, x[128:]) == due).mean() > 0.95
    assert all(layer.agreement is None or layer.agreement > 0.94 for layer in report.layers)
    assert all(layer.weight_snr_db is not None and layer.weight_snr_db > 38 for layer in report.layers)
    assert [[g.name for g in p.groups] for p in network.populations] == [[], ["pool1"], ["pool2"], []]
    path = tmp_path / "tutorial.int.nir"
    file.write(path, network)
    again = file.read(path)
    assert [p.groups for p in again.populations] == [p.groups for p in network.populations]
    assert [(q.name, q.group) for q in again.projections] == [(q.name, q.group) for q in network.projections]
    image = network.quantize_input(x[:1])[0]
    for name, due in specified.run(network, image).items():
        np.testing.assert_array_equal(specified.run(again, image)[name], due)


def test_a_plain_reader_of_the_file_that_knows_the_maximum_computes_the_same(tmp_path: Path) -> None:
    """Without leaks, whose truncation plain NIR has not: the integer file in the float executor."""
    graph = tutorial(2, flat=False, soft=False)
    lifs = [(n, node) for n, node in graph.nodes.items() if isinstance(node, nir.LIF)]
    nodes = {n: nir.IF(np.ones(node.v_threshold.shape), node.v_threshold, node.v_reset) for n, node in lifs}
    graph = graph.with_nodes({n: validated(graph, n, node) for n, node in nodes.items()})
    x = np.random.default_rng(1).normal(size=(64, 2, 10, 10)).astype(np.float32)
    network, _ = quantize(graph, x)
    file.write(tmp_path / "n.int.nir", network)
    integers = network.quantize_input(x[:2])
    read = nir_file.read(tmp_path / "n.int.nir")
    run = execute.run(read, torch.from_numpy(integers).double(), STEPS, dtype=torch.float64)
    for sample, image in enumerate(integers):
        due = specified.run(network, image)
        for name in ("lif1", "lif2"):
            np.testing.assert_array_equal(run.spikes[name][:, sample].numpy(), due[name])


def validated(graph: Graph, name: str, node: nir.NIRNode) -> nir.NIRNode:
    node.input_type, node.output_type = graph.nodes[name].input_type, graph.nodes[name].output_type
    return node


def test_the_bias_is_corrected_behind_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of a maximum is not the maximum of means: with few bits, the mean current is met behind it."""
    graph = tutorial(3)
    x = np.random.default_rng(1).normal(size=(200, 2, 10, 10)).astype(np.float32)
    missing, given = pipeline._Quantizer._missing_current, dict[str, float]()

    def watched(self: Any, population: Any, unit: Any) -> Any:
        found = missing(self, population, unit)
        before = self.network.by_name[population.name].rule.bias
        given[population.name] = float(np.abs(found).max())
        assert not before.any()
        return found

    monkeypatch.setattr(pipeline._Quantizer, "_missing_current", watched)
    network, _ = quantize(graph, x, options=Options(bits=4))
    fused = fuse(graph)
    for name, size in given.items():
        population = network.by_name[name]
        held = population.rule.bias * population.broadcast(population.scale)
        assert 0 < float(np.abs(held - fused.bias[name]).max()) <= size + float(np.max(population.scale))


def test_the_mean_current_is_that_of_the_maxima() -> None:
    fused = fuse(tutorial(4))
    projection, (group,) = fused.projections[0], fused.groups["lif1"]
    population = Population(name="lif1", shape=(6, 5, 5), role="spiking", scale=np.ones(()), groups=(group,))
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(70, 2, 10, 10)).astype(np.float32))
    operator = projection.operators[0]
    made = torch.nn.functional.conv2d(x, torch.from_numpy(operator.weight).float(), padding=1)
    due = torch.nn.functional.max_pool2d(made, 3, 2, 1).double().mean((0, 2, 3)).numpy()
    np.testing.assert_allclose(mean_current([projection], [x], population), due, rtol=1e-5)


def test_an_image_that_is_pooled_and_paths_beside_a_pool(tmp_path: Path) -> None:
    """The Input straight into a pool, then a strided path past a pool, and two paths into it; equal on SpiNNaker."""
    rng = np.random.default_rng(7)
    beside = conv(rng, 6, 2)
    beside.stride = 2
    nodes = {"input": nir.Input(np.array([2, 10, 10])), "image": max_pool(SQUARE), "lif0": lif((2, 5, 5), True)}
    nodes |= {"conv1": conv(rng, 6, 2), "twin": conv(rng, 6, 2), "pool1": max_pool(OVERLAPPING), "beside": beside}
    flatten = make_node(nir.Flatten, {"input_type": {"input": np.array([6, 3, 3])}, "start_dim": 0, "end_dim": 2}, {})
    fc = nir.Affine(rng.normal(size=(4, 54)), rng.normal(size=4))
    nodes |= {"lif1": lif((6, 3, 3), True), "flat": flatten, "fc": fc, "out": nir.I(np.ones(4))}
    nodes["output"] = nir.Output(np.array([4]))
    edges = [("input", "image"), ("image", "lif0"), ("lif0", "conv1"), ("lif0", "twin"), ("conv1", "pool1")]
    edges += [("twin", "pool1"), ("pool1", "lif1"), ("lif0", "beside"), ("beside", "lif1")]
    edges += [("lif1", "flat"), ("flat", "fc"), ("fc", "out"), ("out", "output")]
    metadata = {METADATA_KEY: ModelInfo(timesteps=STEPS).to_json()}
    graph = validate(nir_graph(nodes, edges, metadata), "beside.nir")
    x = np.random.default_rng(1).normal(size=(300, 2, 10, 10)).astype(np.float32)
    network, _ = quantize(graph, x[:128])
    assert {q.group for q in network.incoming["lif1"]} == {"", "pool1"}
    assert [q.group for q in network.incoming["lif0"]] == ["image"]
    due = execute.run(graph, torch.from_numpy(x[128:]), STEPS).potentials["out"][-1].argmax(1).numpy()
    assert (predicted(network, x[128:]) == due).mean() > 0.95
    file.write(tmp_path / "n.int.nir", network)
    assert check(file.read(tmp_path / "n.int.nir"), ("cpu", "spinnaker"), network.quantize_input(x[:3])).equal
