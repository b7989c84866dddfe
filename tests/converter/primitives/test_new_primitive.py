"""A primitive of somebody else: one call of `register`, and every stage takes it, or refuses it by its name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import nir
import numpy as np
import pytest
import torch
from float_graphs import graph_of

import inflor
from inflor.converter.errors import InputError
from inflor.converter.nir import file as nir_file
from inflor.converter.nir.graph import Graph
from inflor.converter.nir.metadata import ModelInfo
from inflor.converter.passes.base import run_passes
from inflor.converter.passes.retime import retime
from inflor.converter.primitives.base import PRIMITIVES, Primitive, register
from inflor.converter.primitives.fields import Field, numbers, positive
from inflor.converter.primitives.step import moved
from inflor.converter.primitives.tensors import parameter
from inflor.converter.simulate.execute import run
from inflor.quant.fix.pipeline import quantize
from inflor.targets import running

N, STEPS = 3, 12


@dataclass(eq=False)
class Power(nir.NIRNode):
    """y = x ** exponent."""

    exponent: np.ndarray


@dataclass(eq=False)
class Adaptive(nir.NIRNode):
    """v += a; y = 1 where v > w + v_threshold; then v = 0 and w += 1; w leaks with tau."""

    tau: np.ndarray
    v_threshold: np.ndarray


def _power(node, like):
    exponent = parameter(node.exponent, like)
    return lambda x: x**exponent


class _Adaptation:
    def __init__(self, node, clock, like, timesteps, where):
        self.v, self.w = torch.zeros_like(like), torch.zeros_like(like)
        self.keep = 1 - parameter(moved(node.tau, "tau", clock, where), like)
        self.threshold = parameter(node.v_threshold, like)

    def advance(self, arriving, out):
        self.v = self.v + arriving
        self.w = self.w * self.keep
        out.copy_(self.v > self.w + self.threshold)
        self.v = self.v * (1 - out)
        self.w = self.w + out


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    for made in (Power, Adaptive):
        monkeypatch.setitem(PRIMITIVES, made, None)  # taken out again after the test
        del PRIMITIVES[made]
    exponent = Field(positive, per_element=True)
    register(Primitive(node=Power, equation="y = x^e", fields={"exponent": exponent}, apply=_power))
    register(
        Primitive(
            node=Adaptive,
            equation="y = 1 where v > w + v_threshold",
            fields={
                "tau": Field(positive, per_element=True, role="time"),
                "v_threshold": Field(numbers, per_element=True, role="threshold"),
            },
            state=_Adaptation,
            kind="adaptive",
        )
    )


def made(recurrent: bool = False) -> Graph:
    nodes = {
        "input": nir.Input(np.array([N])),
        "power": Power(np.array([2.0])),
        "neuron": Adaptive(np.array([2.0, 4, 8]), np.array([0.5])),
        "output": nir.Output(np.array([N])),
    }
    edges = [("input", "power"), ("power", "neuron"), ("neuron", "output")]
    return graph_of(nodes, [*edges, ("neuron", "neuron")] if recurrent else edges)


def by_hand(x: np.ndarray, recurrent: bool) -> np.ndarray:
    v, w, fired, spikes = np.zeros(N), np.zeros(N), np.zeros(N, bool), []
    for arriving in x:
        v = v + arriving**2 + (fired if recurrent else 0)
        w = w * (1 - 1 / np.array([2.0, 4, 8]))
        fired = v > w + 0.5
        v, w = np.where(fired, 0, v), w + fired
        spikes.append(fired)
    return np.array(spikes)


@pytest.mark.parametrize("recurrent", [False, True])
def test_it_runs_and_travels(recurrent, tmp_path):
    graph = made(recurrent)
    x = np.random.default_rng(0).integers(-8, 9, (STEPS, N)) / 8
    expected = by_hand(x, recurrent)
    assert 0 < expected.sum() < expected.size
    path = tmp_path / "new.nir"
    nir_file.write(path, graph.nodes, graph.edges, ModelInfo(timesteps=STEPS))
    for each in (graph, nir_file.read(path), run_passes(graph, [retime(2.0**-10)])):
        assert torch.equal(run(each, x[:, None], STEPS).spikes["neuron"][:, 0], torch.from_numpy(expected))
    rows = {row["name"]: row for row in inflor.info(path).tables["nodes"]}
    assert (rows["power"]["type"], rows["neuron"]["tau"], rows["neuron"]["threshold"]) == ("Power", "2..8", (0.5, 0.5))
    assert inflor.convert(path, portable=True).graph.order == graph.order


def test_the_float_target_records_it():
    x = np.random.default_rng(0).integers(0, 9, (5, N)).astype(np.float32) / 8
    record = running.run(replace(made(), info=ModelInfo(timesteps=STEPS)), "float", x)
    (population,) = record.populations
    assert (population.name, population.kind) == ("neuron", "adaptive")
    expected = [by_hand(np.tile(sample, (STEPS, 1)), False).sum() for sample in x]
    assert record.counts["neuron"].tolist() == expected


def test_the_quantizer_refuses_it_by_its_name():
    for kind, node in (("Power", Power(np.array([2.0]))), ("Adaptive", Adaptive(np.array([2.0]), np.array([0.5])))):
        nodes = {"input": nir.Input(np.array([N])), "node": node, "lif": nir.IF(np.ones(N), np.ones(N))}
        graph = graph_of({**nodes, "output": nir.Output(np.array([N]))})
        with pytest.raises(InputError, match=f"node 'node': a {kind} cannot be quanti.ed; .*LIF.* can"):
            quantize(graph, np.ones((4, N), np.float32))


def test_its_fields_and_its_time_are_checked():
    ends = {"input": nir.Input(np.array([N])), "output": nir.Output(np.array([N]))}
    chain = [("input", "node"), ("node", "output")]
    with pytest.raises(InputError, match=r"node 'node' \(Power\): field 'exponent' holds 0.0; every value"):
        graph_of({**ends, "node": Power(np.zeros(N))}, chain)
    fast = graph_of({**ends, "node": Adaptive(np.full(N, 0.5), np.ones(N))}, chain)
    with pytest.raises(InputError, match=r"node 'node' \(Adaptive\): tau is 0.5, shorter than the step"):
        run(fast, np.ones((1, N)), 2)
