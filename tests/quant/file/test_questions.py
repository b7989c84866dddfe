"""The answers of docs/integer-network.md to ten questions about the format, one test each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
import small_networks
import specified
from on_target import placed, recorded

from inflor.converter.datasets.load import load
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.primitives.windows import Windows
from inflor.quant import file
from inflor.quant.fix.pipeline import quantize
from inflor.quant.ir.network import IntegerNetwork, Population, Projection
from inflor.quant.ir.ports import Group
from inflor.quant.operators import Linear, Scale
from inflor.targets import running


def through(path: Path, populations: list[Population], projections: list[Projection], steps: int = 4) -> Graph:
    """A network of these parts, written and read back as a graph."""
    made = small_networks.network(populations, projections, steps)
    file.write(path, replace(made, info=replace(made.info, stage="integer")))
    return nir_file.read(path)


def ones(source: str, target: str, size: int = 1, weight: int = 1, delay: int = 0) -> Projection:
    return Projection(
        source, target, (Linear(f"{source}_{target}", weight * np.eye(size, dtype=np.int64)),), exponent=0, delay=delay
    )


def source(size: int = 1) -> Population:
    return small_networks.population("input", (size,), "input")


def spiking(name: str = "n", size: int = 1, **rule: object) -> Population:
    return small_networks.population(name, (size,), "spiking", 3, "zero").with_rule(**rule)


def test_1_inputs_are_rounded_half_to_even_and_clipped() -> None:
    made = small_networks.network(
        [replace(source(7), scale=np.asarray(0.5)), spiking(size=7)], [ones("input", "n", 7)], 1
    )
    x = np.array([[0.25, 0.75, -0.25, -0.75, 1.25, 1e3, -1e3]], np.float32)
    assert made.quantize_input(x).tolist() == [[0, 2, 0, -2, 2, 127, -128]]
    assert replace(made, input_bits=4).quantize_input(x).tolist() == [[0, 2, 0, -2, 2, 7, -8]]


def test_2_bytes_of_images_are_divided_by_255_those_of_frames_are_counts(tmp_path: Path) -> None:
    x, y = np.arange(60, dtype=np.uint8).reshape(20, 3), np.arange(20) % 2
    np.savez(tmp_path / "images.npz", x=np.tile(x[:, :, None], (1, 1, 3)), y=y)
    images = load(tmp_path / "images.npz")
    assert images.shape == (1, 3, 3)
    assert np.allclose(np.unique([*images.x_train, *images.x_test]) * 255, np.arange(60))
    np.savez(tmp_path / "frames.npz", x=np.tile(x[:, None], (1, 4, 1)), y=y)
    frames = load(tmp_path / "frames.npz", frame=(3,))
    assert (frames.timesteps, np.unique([*frames.x_train, *frames.x_test]).tolist()) == (4, list(range(60)))
    digits = load("digits").x_test * 16
    assert np.array_equal(digits, np.rint(digits))
    assert digits.max() == 16


def test_3_in_a_refractory_step_the_current_goes_on_and_the_neuron_can_fire_again() -> None:
    neurons = spiking(threshold=np.asarray(3), current_decay=np.asarray(0), refractory=True)
    made = small_networks.network([source(), neurons], [ones("input", "n")], 3)
    u, v = specified.states(made, np.array([[4], [1], [0]], np.int8))["n"]
    assert u.ravel().tolist() == [4, 5, 5]
    assert v.ravel().tolist() == [4, 0, 5]
    soft = small_networks.population("n", (1,), "spiking", 3, "subtract", 4).with_rule(refractory=True)
    made = small_networks.network([source(), soft], [ones("input", "n")], 3)
    assert specified.run(made, np.array([[9], [50], [0]], np.int8))["n"].ravel().tolist() == [1, 1, 0]


def test_4_the_threshold_is_shifted_and_the_comparison_strict() -> None:
    made = small_networks.network([source(), spiking(fraction_bits=2, drift=np.asarray(1))], [ones("input", "n")], 1)
    assert [specified.run(made, np.array([a], np.int8))["n"].item() for a in (2, 3)] == [0, 1]  # 9 and 13 against 12


def test_5_a_bias_on_the_way_back_acts_from_the_first_step(tmp_path: Path) -> None:
    back = ones("n", "n", weight=0, delay=1)
    graph = through(tmp_path / "n.int.nir", [source(), spiking()], [back, ones("input", "n")])
    assert graph.recurrent == (("n_n", "n"),)
    (name,) = [n for n in graph.nodes if n == "n_n"]
    affine = nir.Affine(weight=np.zeros((1, 1), np.int64), bias=np.array([4]))
    affine.metadata = graph.nodes[name].metadata
    made = file.from_graph(replace(graph, nodes={**graph.nodes, name: affine}))
    assert specified.run(made, np.zeros(1, np.int8))["n"].ravel().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("shape", [(), (1, 1), (3, 1), (3, 4), (4,)])
def test_6_arrays_in_the_metadata_broadcast_to_the_neurons(shape: tuple[int, ...], tmp_path: Path) -> None:
    neurons = small_networks.population("n", (3, 4), "spiking", 3, "zero", decay=1)
    into = Projection("input", "n", (Scale("w", np.ones((1, 1), np.int64)),))
    graph = through(tmp_path / "n.int.nir", [small_networks.population("input", (3, 4), "input"), neurons], [into])
    decay = np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape)
    graph.nodes["n"].metadata["decay"] = decay
    held = file.from_graph(graph).by_name["n"]
    assert np.array_equal(held.broadcast(held.rule.decay), np.broadcast_to(decay, (3, 4)))


def test_7_time_constants_and_gains_are_ignored_and_there_is_no_threshold_node(tmp_path: Path) -> None:
    cuba = spiking("cuba", decay=np.asarray(700), current_decay=np.asarray(900), fraction_bits=6)
    parts = (
        [source(), spiking("lif", decay=np.asarray(500)), cuba],
        [ones("input", "lif"), ones("lif", "cuba", weight=5)],
    )
    graph = through(tmp_path / "n.int.nir", *parts)
    before = file.from_graph(graph)
    for name in ("lif", "cuba"):
        for field in {"tau", "tau_mem", "tau_syn", "r", "w_in", "v_leak"} & vars(graph.nodes[name]).keys():
            setattr(graph.nodes[name], field, getattr(graph.nodes[name], field) * 3 + 1)
    after, x = file.from_graph(graph), np.array([60], np.int8)
    assert {n: v.tolist() for n, v in specified.run(before, x).items()} == {
        n: v.tolist() for n, v in specified.run(after, x).items()
    }
    threshold = nir.Threshold(threshold=np.array([3]))
    with pytest.raises(InputError, match="node 'lif': a Threshold has no integer form"):
        file.from_graph(replace(graph, nodes={**graph.nodes, "lif": threshold}))


def test_7_a_threshold_node_becomes_a_neuron_that_keeps_nothing(tmp_path: Path) -> None:
    nodes = {
        "input": nir.Input(np.array([2])),
        "w": nir.Linear(np.array([[1.0, 0.5], [0.0, 1.0]])),
        "t": nir.Threshold(np.array([0.5, 0.5])),
        "output": nir.Output(np.array([2])),
    }
    nir.write(tmp_path / "t.nir", nir.NIRGraph(nodes, [("input", "w"), ("w", "t"), ("t", "output")]))
    x = np.random.default_rng(0).uniform(0, 1, (8, 2)).astype(np.float32)
    made, _ = quantize(nir_file.read(tmp_path / "t.nir"), x)
    assert made.by_name["t"].kind == "lif"
    assert (made.by_name["t"].rule.decay == 1 << made.by_name["t"].rule.decay_bits).all()
    file.write(tmp_path / "t.int.nir", made)
    assert type(nir.read(str(tmp_path / "t.int.nir")).nodes["t"]) is nir.LIF


def outcome(made: IntegerNetwork, x: np.ndarray) -> int:
    record = recorded("cpu", placed("cpu", made), x[None].astype(np.int8))
    return int(record.predictions[0])


def test_8_the_class_is_the_largest_value_at_its_scale_or_the_most_spikes_the_first_of_equals() -> None:
    fires = small_networks.network([source(3), spiking(size=3)], [ones("input", "n", 3)], 4)
    counts = specified.run(fires, np.array([2, 4, 4], np.int8))["n"].sum(0)
    assert (counts[0] < counts[1] == counts[2], outcome(fires, np.array([2, 4, 4]))) == (True, 1)
    readout = replace(small_networks.population("n", (3,), "readout"), scale=np.array([1.0, 4.0, 1.0]))
    reads = small_networks.network([source(3), readout], [ones("input", "n", 3)], 4)
    assert outcome(reads, np.array([7, 2, 7])) == 1  # 28, 4 * 8, 28
    assert outcome(reads, np.array([7, 1, 7])) == 0


def test_9_a_record_holds_outputs_of_readouts_only(tmp_path: Path) -> None:
    found = {}
    for output in (spiking(), small_networks.population("n", (1,), "readout")):
        made = small_networks.network([source(), output], [ones("input", "n")], 2)
        out = tmp_path / f"{output.role}.h5"
        running.run(made, "cpu", np.ones((1, 1), np.float32), out=out)
        with h5py.File(out) as record:
            found[output.role] = ("outputs" in record, "spikes" in record["populations/n"])
    assert found == {"spiking": (False, True), "readout": (True, False)}


def test_10_where_nothing_has_arrived_the_largest_is_0_and_masked_ports_read_nothing(tmp_path: Path) -> None:
    """A window of one place and of three in the padding; the current comes a step late, and is negative."""
    windows = Windows(kernel=(2, 2), stride=(1, 1), padding=(1, 1), dilation=(1, 1))
    group = Group(name="pool", shape=(1, 1, 1), windows=windows)
    readout = replace(small_networks.population("n", (1, 2, 2), "readout"), groups=(group,))
    weight = Scale("w", np.full((1, 1, 1), -3))
    made = small_networks.network(
        [small_networks.population("input", (1, 1, 1), "input"), readout],
        [Projection("input", "n", (weight,), delay=1, group="pool")],
        3,
    )
    file.write(tmp_path / "n.int.nir", replace(made, info=replace(made.info, stage="integer")))
    x = np.full((1, 1, 1), 2, np.int8)
    assert specified.run(file.read(tmp_path / "n.int.nir"), x)["n"].reshape(3, 4).tolist() == [
        [0] * 4,
        [-6] * 4,
        [-12] * 4,
    ]
