"""Quantising whole networks: losslessness where nothing needs rounding, exact ratios, and refusals."""

from __future__ import annotations

import itertools
from dataclasses import replace

import nir
import numpy as np
import pytest
import torch

from converter import execute, export
from converter.architecture import SpikingNetwork
from converter.errors import InputError
from converter.graph import Graph
from converter.metadata import ModelInfo
from converter.networks import build
from converter.neurons import NeuronConfig
from converter.validate import validate
from quant.operators import Scale, weighted
from quant.quantize import Options, quantize
from targets.running import run


def random_graph(name: str = "resnet8", shape: tuple[int, ...] = (1, 9, 7), kind: str = "srif") -> Graph:
    """An exported network whose tdBN statistics come from data, so that its neurons fire."""
    torch.manual_seed(1)
    network = SpikingNetwork(build(name, shape, 5, channels=4), NeuronConfig.preset(kind), 4)
    with torch.no_grad():
        network.train()
        for _ in range(15):
            network(torch.randn(32, *shape))
    network.eval()
    return export.to_nir(network, ModelInfo(timesteps=4))[0]


IMAGES = np.random.default_rng(0).normal(size=(48, 1, 9, 7)).astype(np.float32)


def test_integer_valued_weights_lose_nothing() -> None:
    """Weights, biases, thresholds and images on an integer grid: the integer network fires the float one's spikes."""
    rng = np.random.default_rng(2)
    t = np.array([200, 127, 180])[:, None, None]
    unit = 0.5 / t
    weight = rng.integers(-126, 127, (3, 1, 3, 3))
    weight[:, 0, 0, 0] = 127  # the largest weight sets the grid
    shape, image = (3, 6, 6), 0.25
    threshold = np.full(shape, np.nextafter(np.float32(0.5), np.float32(0)))
    soft = {"reset": "subtract", "reset_value": 1.0, "threshold": 0.5}
    readout = rng.integers(-126, 127, (4, 108))
    readout[:, 0] = 127
    nodes = {
        "input": nir.Input(input_type={"input": np.array([1, 6, 6])}),
        "conv": nir.Conv2d(
            (6, 6), weight * unit[..., None] / image, 1, 1, 1, 1, (rng.integers(-40, 40, (3, 1, 1)) * unit).ravel()
        ),
        "srif": nir.IF(r=np.ones(shape), v_threshold=threshold, v_reset=np.zeros(shape), metadata=soft),
        "flatten": nir.Flatten({"input": np.array(shape)}, 0, -1),
        "fc": nir.Affine(readout * 0.01, rng.integers(-90, 90, 4) * 0.01),
        "readout": nir.I(r=np.ones(4)),
        "output": nir.Output(output_type={"output": np.array([4])}),
    }
    names = list(nodes)
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False), "grid.nir")
    graph = replace(graph, info=ModelInfo(timesteps=6))
    x = (rng.integers(-127, 128, (20, 1, 6, 6)) * image).astype(np.float32)
    x[0, 0, 0, 0] = 127 * image
    network, report = quantize(graph, x, options=Options(correct_bias=False))
    assert network.by_name["srif"].scale.ravel() == pytest.approx(unit.ravel())
    record = run(network, "cpu", x, keep_spikes=True)
    expected = execute.run(graph, x, 6, dtype=torch.float64)
    np.testing.assert_array_equal(record.spikes("srif"), expected.spikes["srif"].transpose(0, 1).numpy())
    assert 0.02 < record.spikes("srif").mean() < 0.6
    held = record.outputs["readout"][:, -1] * network.by_name["readout"].scale
    np.testing.assert_allclose(held, expected.potentials["readout"][-1].numpy(), rtol=1e-6, atol=1e-6)
    assert [layer.agreement for layer in report.layers if layer.agreement is not None] == [1.0]


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("granularity", ["channel", "population"])
def test_ratios_are_exact_in_a_residual_network(bits: int, granularity: str) -> None:
    graph = random_graph()
    network, report = quantize(graph, IMAGES, options=Options(bits=bits, granularity=granularity))  # type: ignore[arg-type]
    limit = 2 ** (bits - 1) - 1
    identities = 0
    for p in network.populations:
        if p.kind == "if":
            assert np.array_equal(p.reset_value, 2 * (p.threshold + 1)), p.name
        for q in network.incoming[p.name]:
            operator = weighted(q.operators)
            assert operator is not None
            assert np.abs(operator.weight).max() <= limit
            if isinstance(operator, Scale):
                identities += 1
                integer_scale = np.broadcast_to(operator.weight << q.exponent, p.shape)
                assert np.array_equal(integer_scale, p.broadcast(2 * (p.threshold + 1)))
            if granularity == "population" and p.kind == "if":
                assert p.threshold.min() == p.threshold.max()
    assert identities == 1
    assert all(layer.exact_ratios for layer in report.layers)


def test_more_bits_lose_less() -> None:
    graph = random_graph("convnet")
    snr = []
    for bits in (2, 4, 6, 8):
        _, report = quantize(graph, IMAGES, options=Options(bits=bits))
        snr.append(np.mean([layer.weight_snr_db for layer in report.layers]))
    assert all(later > earlier + 6 for earlier, later in itertools.pairwise(snr))


def test_bias_correction_brings_the_rate_back() -> None:
    graph = random_graph("convnet")

    def drift(correct: bool) -> float:
        _, report = quantize(graph, IMAGES, options=Options(bits=3, correct_bias=correct))
        rates = [(a.spike_rate_float, a.spike_rate_integer) for a in report.layers if a.spike_rate_float is not None]
        return float(np.mean([abs(a - b) for a, b in rates]))

    assert drift(True) < drift(False)


@pytest.mark.parametrize("kind", ["if", "lif"])
def test_hard_reset_and_leaky_networks_keep_their_spikes(kind: str) -> None:
    network, report = quantize(random_graph("convnet", kind=kind), IMAGES)
    firing = [p for p in network.populations if p.kind not in ("input", "readout")]
    assert {p.kind for p in firing} == {kind}
    assert {p.reset for p in firing} == {"zero"}
    assert all(layer.agreement > 0.96 for layer in report.layers if layer.agreement is not None)
    assert any((layer.spike_rate_float or 0) > 0.05 for layer in report.layers)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (quantize(random_graph("convnet"), IMAGES)[0] for _ in range(2))
    for a, b in zip(first.populations, second.populations, strict=True):
        assert np.array_equal(a.bias, b.bias)
        assert np.array_equal(a.threshold, b.threshold)


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_out_of_range_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match=f"--bits {bits}.*2 to 8"):
        Options(bits=bits)


def test_calibration_data_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"calibration data is \(4, 3, 3\).*'input'"):
        quantize(random_graph(), np.zeros((4, 3, 3), np.float32))


@pytest.mark.parametrize(("value", "message"), [(0.0, "all zero"), (np.nan, "not finite")])
def test_useless_calibration_data_is_refused(value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quantize(random_graph(), np.full((4, 1, 9, 7), value, np.float32))


def test_a_neuron_without_an_integer_form_is_named() -> None:
    one = np.ones(3)
    nodes = {
        "input": nir.Input(input_type={"input": np.array([3])}),
        "fc": nir.Linear(np.eye(3)),
        "cuba": nir.CubaLIF(tau_syn=one, tau_mem=one, r=one, v_leak=one * 0, v_threshold=one, v_reset=one * 0),
        "output": nir.Output(output_type={"output": np.array([3])}),
    }
    names = list(nodes)
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False), "cuba.nir")
    with pytest.raises(InputError, match=r"cuba\.nir: node 'cuba'"):
        quantize(graph, np.ones((2, 3), np.float32))
