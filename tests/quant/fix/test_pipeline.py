"""Quantizing whole networks: losslessness where nothing needs rounding, exact ratios, and refusals."""

from __future__ import annotations

import itertools
from dataclasses import replace

import nir
import numpy as np
import pytest
import torch
from on_target import placed
from specified import run_all

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import METADATA_KEY, ModelInfo
from inflor.converter.nir.validate import validate
from inflor.converter.simulate import execute
from inflor.converter.train import export
from inflor.converter.train.architecture import SpikingNetwork
from inflor.converter.train.networks import build
from inflor.converter.train.neurons import NeuronConfig
from inflor.quant.fix.options import Options
from inflor.quant.fix.pipeline import quantize
from inflor.quant.operators import Scale, weighted
from inflor.targets.cpu.emulator import states
from inflor.targets.equivalence import compare as equivalence
from inflor.targets.running import run


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
            assert np.array_equal(p.rule.reset_value, 2 * (p.rule.threshold + 1)), p.name
        for q in network.incoming[p.name]:
            operator = weighted(q.operators)
            assert operator is not None
            assert np.abs(operator.weight).max() <= limit
            if isinstance(operator, Scale):
                identities += 1
                integer_scale = np.broadcast_to(operator.weight << q.exponent, p.shape)
                assert np.array_equal(integer_scale, p.broadcast(2 * (p.rule.threshold + 1)))
            if granularity == "population" and p.kind == "if":
                assert p.rule.threshold.min() == p.rule.threshold.max()
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
    firing = [p for p in network.populations if p.role not in ("input", "readout")]
    assert {p.kind for p in firing} == {kind}
    assert {p.rule.reset_kind for p in firing} == {"zero"}
    assert all(layer.agreement > 0.96 for layer in report.layers if layer.agreement is not None)
    assert any((layer.spike_rate_float or 0) > 0.05 for layer in report.layers)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (quantize(random_graph("convnet"), IMAGES)[0] for _ in range(2))
    for a, b in zip(first.populations, second.populations, strict=True):
        assert np.array_equal(a.rule.bias, b.rule.bias)
        assert np.array_equal(a.rule.threshold, b.rule.threshold)


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_out_of_range_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match=f"`bits` {bits}.*2 to 8"):
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
        "late": nir.CubaLIF(tau_syn=one * 2, tau_mem=one * 2, r=one, v_leak=one * 0, v_threshold=one, v_reset=one * 0),
        "output": nir.Output(output_type={"output": np.array([3])}),
    }
    nodes["late"].metadata = {"late_current": 1}
    names = list(nodes)
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False), "late.nir")
    with pytest.raises(InputError, match=r"late\.nir: node 'late'.*the step before"):
        quantize(graph, np.ones((2, 3), np.float32))


def recurrent_graph(subtract: bool, leak: float, seed: int = 0) -> Graph:
    """Frames of 6, 20 recurrent current-based neurons with biases, 12 leaky ones behind a delay, 4 that integrate."""
    rng = np.random.default_rng(seed)

    def spread(low: float, high: float, size: int) -> np.ndarray:
        return rng.uniform(low, high, size)

    soft = {"reset": "subtract"} if subtract else {}
    nodes = {
        "input": nir.Input(input_type={"input": np.array([6])}),
        "w_in": nir.Affine(rng.normal(0, 1, (20, 6)), rng.normal(0.1, 0.1, 20)),
        "cuba": nir.CubaLIF(
            tau_syn=spread(3, 8, 20),
            tau_mem=spread(5, 30, 20),
            r=spread(2, 4, 20),
            v_leak=np.full(20, leak),
            v_threshold=spread(0.8, 1.2, 20),
            v_reset=np.full(20, 0.0 if subtract else -0.1),
            w_in=spread(0.9, 1.5, 20),
        ),
        "w_rec": nir.Affine(rng.normal(0, 0.2, (20, 20)), rng.normal(0, 0.05, 20)),
        "wait": nir.Delay(np.full(20, 2.0)),
        "w_2": nir.Linear(rng.normal(0, 0.6, (12, 20))),
        "lif": nir.LIF(
            tau=spread(4, 12, 12),
            r=np.full(12, 5.0),
            v_leak=np.zeros(12),
            v_threshold=np.ones(12),
            v_reset=np.zeros(12),
        ),
        "fc": nir.Linear(rng.normal(0, 0.5, (4, 12))),
        "readout": nir.CubaLI(tau_syn=np.full(4, 4.0), tau_mem=np.full(4, 20.0), r=np.full(4, 2.0), v_leak=np.zeros(4)),
        "output": nir.Output(output_type={"output": np.array([4])}),
    }
    for name in ("cuba", "lif"):
        nodes[name].metadata = dict(soft)
    path = ["input", "w_in", "cuba", "wait", "w_2", "lif", "fc", "readout", "output"]
    edges = [*itertools.pairwise(path), ("cuba", "w_rec"), ("w_rec", "cuba")]
    graph = validate(nir.NIRGraph(nodes, edges, type_check=False), "recurrent.nir")
    return replace(graph, info=ModelInfo(timesteps=40, dt=1.0))


FRAMES = (np.random.default_rng(5).random((24, 40, 6)) < 0.3).astype(np.float32)


@pytest.mark.parametrize(("subtract", "leak"), [(True, 0.0), (False, 0.2)])
def test_recurrent_current_based_networks_keep_their_rates(subtract: bool, leak: float) -> None:
    network, report = quantize(recurrent_graph(subtract, leak), FRAMES)
    cuba, lif, readout = (network.by_name[name] for name in ("cuba", "lif", "readout"))
    assert (cuba.kind, lif.kind, readout.kind) == ("cuba_lif", "lif", "readout")
    assert [p.rule.fraction_bits for p in (cuba, lif, readout)] == [6, 6, 6]
    assert {q.name: q.delay for q in network.projections} == {"w_in": 0, "w_rec": 1, "w_2": 2, "fc": 0}
    assert cuba.rule.drift.any() == bool(leak)
    for layer in report.layers:
        if layer.spike_rate_float is not None:
            assert layer.spike_rate_float > 0.02
            assert layer.spike_rate_integer == pytest.approx(layer.spike_rate_float, rel=0.05)
            assert layer.agreement is not None
            assert layer.agreement > 0.96
        assert layer.time_constant_error is not None
        assert layer.time_constant_error < 0.005  # half of 1/4096 of a decay that is no less than 1/30
    record = run(network, "cpu", FRAMES, keep_spikes=True)
    found = states(placed("cpu", network, profile="loihi"), network.quantize_input(FRAMES))
    assert record.spikes("cuba").mean() == pytest.approx(report.layers[0].spike_rate_integer)
    assert all(np.abs(s.v).max() < 1 << 23 for s in found.values())


def test_the_network_says_who_wrote_it() -> None:
    graph = recurrent_graph(True, 0.0)
    network, _ = quantize(replace(graph, info=replace(graph.info, version="")), FRAMES)
    assert network.info.version == ModelInfo().version


def test_finer_decays_follow_the_float_network_longer() -> None:
    graph = recurrent_graph(True, 0.0)
    errors = []
    for bits in (8, 12, 20):
        _, report = quantize(graph, FRAMES, options=Options(decay_bits=bits))
        errors.append(max(layer.time_constant_error for layer in report.layers))
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_a_threshold_node_has_no_memory() -> None:
    nodes = {
        "input": nir.Input(input_type={"input": np.array([3])}),
        "fc": nir.Linear(np.eye(3) * 0.37),
        "step": nir.Threshold(np.array([0.2, 0.37, 5.0])),
        "w": nir.Linear(np.ones((2, 3))),
        "sum": nir.I(r=np.ones(2)),
        "output": nir.Output(output_type={"output": np.array([2])}),
    }
    names = list(nodes)
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False), "step.nir")
    x = np.random.default_rng(0).uniform(-1, 2, (50, 3)).astype(np.float32)
    network, report = quantize(graph, x)
    assert report.layers[0].agreement is not None
    assert report.layers[0].agreement > 0.97
    spikes = run(network, "cpu", x, keep_spikes=True).spikes("step")
    assert (spikes == spikes[:, :1]).all()
    assert spikes[:, :, 0].any()
    assert not spikes[:, :, 2].any()


def test_a_bias_that_would_arrive_late_is_refused() -> None:
    one = np.ones(2)
    nodes = {
        "input": nir.Input(input_type={"input": np.array([2])}),
        "fc": nir.Affine(np.eye(2), one),
        "late": nir.Delay(one),
        "if": nir.IF(r=one, v_threshold=one, v_reset=one * 0),
        "output": nir.Output(output_type={"output": np.array([2])}),
    }
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False), "late.nir")
    with pytest.raises(InputError, match=r"late\.nir: node 'late': a bias before a Delay"):
        quantize(graph, np.ones((2, 2), np.float32))


def test_a_path_over_two_closing_edges_takes_two_steps() -> None:
    """x -> l1 and l1 -> l2 both close a cycle, so that what x sends to n is two steps under way."""
    rng, ones, size = np.random.default_rng(1), np.ones(3), np.array([3])
    linear = [nir.Linear(rng.integers(-2, 3, (3, 3)).astype(float)) for _ in range(2)]
    nodes = {"input": nir.Input(size), "l2": linear[0], "n": nir.IF(ones, 2 * ones), "l1": linear[1]}
    nodes |= {"x": nir.IF(ones, 2 * ones), "output": nir.Output(size)}
    edges = [*itertools.pairwise(nodes), ("l1", "l2"), ("x", "l1")]
    graph = validate(nir.NIRGraph(nodes, edges, type_check=False), "two.nir")
    assert graph.recurrent == (("l1", "l2"), ("x", "l1"))
    graph = replace(graph, info=ModelInfo(timesteps=8, encoding="frames"))
    frames = rng.integers(-3, 4, (20, 8, 3)).astype(np.float32)
    network, _ = quantize(graph, frames)
    assert {(q.source, q.target): q.delay for q in network.projections}["x", "n"] == 2
    expected = execute.run(graph, frames.swapaxes(0, 1), 8).spikes
    found = run_all(network, network.quantize_input(frames))
    for name in ("n", "x"):
        assert expected[name].any()
        assert np.array_equal(found[name], expected[name].numpy().swapaxes(0, 1)), name


def test_numbers_too_far_apart_to_count_are_refused_by_node() -> None:
    nodes = {
        "input": nir.Input(np.array([3])),
        "w": nir.Affine(np.array([[1e30, -2e30, 3e30]]), np.array([0.1])),
        "if": nir.IF(np.ones(1), np.ones(1)),
        "output": nir.Output(np.array([1])),
    }
    graph = validate(nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False), "far.nir")
    with pytest.raises(InputError, match=r"node 'if': .*too far apart"):
        quantize(graph, np.random.default_rng(0).normal(0, 1, (10, 3)).astype(np.float32))


def chain(neuron: nir.NIRNode, readout: nir.NIRNode, weights: np.ndarray, last: nir.NIRNode, timesteps: int) -> Graph:
    """Input -> Linear -> neuron -> a linear node -> readout -> Output."""
    nodes = {
        "input": nir.Input({"input": np.array([weights.shape[1]])}),
        "w": nir.Linear(weights),
        "n": neuron,
        "last": last,
        "readout": readout,
        "output": nir.Output(None),
    }
    made = nir.NIRGraph(
        nodes, list(itertools.pairwise(nodes)), metadata={METADATA_KEY: ModelInfo(timesteps=timesteps).to_json()}
    )
    return validate(made, "chain.nir")


@pytest.mark.parametrize(("r", "tau"), [([1.0, 4.0, 0.25], [4.0] * 3), ([1.0] * 3, [2.0, 8.0, 30.0])])
def test_readouts_of_different_gains_are_compared_at_their_scales(r: list[float], tau: list[float]) -> None:
    rng = np.random.default_rng(0)
    fire = nir.IF(np.ones(6), np.ones(6))
    readout = nir.LI(np.array(tau), np.array(r), np.zeros(3))
    graph = chain(fire, readout, rng.normal(size=(6, 6)), nir.Linear(rng.normal(size=(3, 6))), 8)
    x = rng.uniform(0, 1, (200, 6)).astype(np.float32)
    network, report = quantize(graph, x)
    real = execute.run(graph, x, 8).logits["output"].argmax(1).numpy()
    for target in ("cpu", "spinnaker"):
        assert (run(network, target, x).predictions == real).mean() > 0.97
    assert report.agreement > 0.97
    raw = run(network, "cpu", x).outputs["readout"][:, -1].argmax(1)
    assert (raw == real).mean() < 0.95  # the scales do matter here


def test_states_that_fade_slowly_stay_within_half_of_24_bits() -> None:
    rng = np.random.default_rng(0)
    fire = nir.LIF(np.full(20, 5.0), np.ones(20), np.zeros(20), np.full(20, 0.3), np.zeros(20))
    five = np.ones(5)
    readout = nir.CubaLI(10 * five, 60 * five, five, 0 * five, five)
    graph = chain(fire, readout, rng.normal(size=(20, 16)), nir.Linear(rng.uniform(0.1, 1, (5, 20))), 100)
    x = rng.uniform(0, 1, (32, 16)).astype(np.float32)
    network, report = quantize(graph, x)
    found = states(placed("cpu", network), network.quantize_input(x))["readout"]
    assert 1 << 20 < np.abs(found.v).max() <= 1 << 22
    layer = report.layers[-1]
    assert layer.narrowed
    assert layer.largest_mantissa == np.abs(weighted(network.projections[-1].operators).weight).max()


def test_what_only_adds_up_gets_no_bias_that_would_break_ties() -> None:
    rng = np.random.default_rng(0)
    nodes = {
        "input": nir.Input({"input": np.array([12])}),
        "w": nir.Linear(rng.normal(size=(10, 12))),
        "n": nir.IF(np.ones(10), np.full(10, 0.7)),
        "same": nir.Scale(np.ones(10)),
        "output": nir.Output(None),
    }
    made = nir.NIRGraph(
        nodes, list(itertools.pairwise(nodes)), metadata={METADATA_KEY: ModelInfo(timesteps=8).to_json()}
    )
    graph = validate(made, "chain.nir")
    x = rng.uniform(0, 1, (300, 12)).astype(np.float32)
    network, report = quantize(graph, x)
    assert not network.by_name[network.outputs[0]].rule.bias.any()
    assert report.agreement > 0.97


def test_thresholds_of_one_channel_are_counted_from_the_least() -> None:
    """In any order: none is rounded away beside a large one."""
    rng = np.random.default_rng(0)
    weights = np.repeat(rng.normal(size=(1, 9)), 4, axis=0)
    x = rng.uniform(0, 1, (100, 9)).astype(np.float32)
    for thresholds in ([300, 1, 0.1, 0.02], [0.02, 0.1, 1, 300]):
        fire = nir.IF(np.ones(4), np.array(thresholds))
        graph = chain(fire, nir.I(np.ones(2)), weights, nir.Linear(rng.normal(size=(2, 4))), 6)
        network, report = quantize(graph, x, options=Options(granularity="population"))
        held = network.by_name["n"].rule.threshold + 1.0
        assert held.min() >= 64
        np.testing.assert_allclose(held / held.min(), np.array(thresholds) / 0.02, rtol=0.02)
        assert report.layers[0].agreement > 0.98


def test_fewer_fraction_bits_leave_slow_neurons_finer_weights() -> None:
    rng = np.random.default_rng(0)
    fire = nir.LIF(np.full(30, 50.0), np.ones(30), np.zeros(30), np.full(30, 0.3), np.zeros(30))
    weights = rng.normal(size=(30, 20)) * 0.67
    graph = chain(fire, nir.I(np.ones(4)), weights, nir.Linear(rng.normal(size=(4, 30))), 60)
    x = rng.normal(size=(100, 20)).astype(np.float32)
    found = [quantize(graph, x, options=Options(fraction_bits=bits)) for bits in (6, 2)]
    coarse, fine = (report.layers[0] for _, report in found)
    assert coarse.narrowed
    assert coarse.largest_mantissa < 48 < 96 < fine.largest_mantissa  # the input gave up levels of its own for these
    assert fine.weight_snr_db > coarse.weight_snr_db + 6
    assert fine.agreement > coarse.agreement
    network = found[1][0]
    inputs = network.quantize_input(x[:3])
    same = equivalence.check(network, ["cpu", "spinnaker"], inputs)
    assert same.equal
    chosen, report = quantize(graph, x)
    rule = chosen.by_name["n"].rule if "n" in chosen.by_name else chosen.populations[1].rule
    assert rule.fraction_bits < 6
    assert 2 * report.layers[0].largest_mantissa >= 127
    assert report.layers[0].weight_snr_db > coarse.weight_snr_db + 6
    with pytest.raises(InputError, match="`fraction_bits` 17"):
        Options(fraction_bits=17)


def test_bits_of_one_population() -> None:
    rng = np.random.default_rng(0)
    fire = nir.IF(np.ones(12), np.full(12, 0.5), np.zeros(12))
    graph = chain(fire, nir.I(np.ones(4)), rng.normal(size=(12, 6)), nir.Linear(rng.normal(size=(4, 12))), 6)
    x = rng.normal(size=(50, 6)).astype(np.float32)
    names = [layer.population for layer in quantize(graph, x)[1].layers]
    network, report = quantize(graph, x, options=Options(bits=8, layer_bits={names[0]: 3}))
    assert [layer.bits for layer in report.layers] == [3, 8]
    assert [network.by_name[name].weight_bits for name in names] == [3, 8]
    assert report.layers[0].largest_mantissa <= 3 < 64 < report.layers[1].largest_mantissa
    with pytest.raises(InputError, match=rf"`bits` nobody=4: there is no such population .*name one of {names[0]}"):
        quantize(graph, x, options=Options(layer_bits={"nobody": 4}))
    with pytest.raises(InputError, match=r"`bits` n=9: weights have 2 to 8 bits"):
        Options(layer_bits={"n": 9})
