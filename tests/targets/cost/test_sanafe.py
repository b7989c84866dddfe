"""Counts and dynamic energy against SANA-FE's own simulator, in a process of its own; skipped where it is missing."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from counting import emulate
from small_networks import conv, network, population

from inflor.quant.ir.network import Projection
from inflor.quant.operators import Flatten, Linear, Scale, unrolled
from inflor.targets.cost.activity import Activity
from inflor.targets.cost.counts import count
from inflor.targets.cost.mapped import count_mapped
from inflor.targets.cost.terms import Case
from inflor.targets.cost.updates import count_updates
from inflor.targets.loihi import cost as loihi
from inflor.targets.loihi.core_map import CORES_PER_TILE, MESH_HEIGHT
from inflor.targets.mapping import CoreMap, Wiring

PEER = Path(__file__).with_name("sanafe_peer.py")
SYNAPSES = {
    "convolution": "loihi_conv_synapse",
    "dense": "loihi_dense_synapse",
    "sparse": "loihi_sparse_synapse",
}
CORES = 128
NEVER = 1e12

NEEDS = pytest.mark.skipif(
    importlib.util.find_spec("sanafe") is None, reason="SANA-FE is not installed: pip install sanafe==2.2.9"
)
pytestmark = [NEEDS, pytest.mark.slow]


def drawn(seed: int):
    """Spikes as input; every projection takes a step, as on the chip, so that the network's steps are SANA-FE's.

    Soft resets take the threshold, the only one that SANA-FE has; some neurons have a bias and some have none.
    """
    rng = np.random.default_rng(seed)
    reset = ("subtract", "zero")[seed % 2]

    def neurons(name, shape, least, most):
        threshold = rng.integers(least, most, shape)
        bias = rng.integers(-3, 4, shape) * rng.integers(0, 2, shape)
        value = threshold if reset == "subtract" else 0
        return population(name, shape, threshold=threshold, reset=reset, reset_value=value, bias=bias)

    populations = (
        population("input", (2, 6, 5), "input"),
        neurons("n1", (4, 6, 5), 40, 90),
        neurons("n2", (4, 6, 5), 40, 90),
        neurons("n3", (3, 3, 3), 40, 120),
        population("out", (5,), "readout", bias=rng.integers(0, 2, 5)),
    )
    projections = (
        Projection("input", "n1", (conv(rng, 4, 2),), exponent=0, delay=1),
        Projection("n1", "n2", (conv(rng, 4, 4, groups=2),), exponent=0, delay=1),
        Projection("n1", "n3", (conv(rng, 3, 4, stride=2, padding=1),), exponent=0, delay=1),
        Projection("n2", "n3", (conv(rng, 3, 4, stride=2, padding=1),), exponent=0, delay=1),
        Projection("n2", "n2", (Scale("back", rng.integers(-9, 0, (4, 1, 1))),), exponent=0, delay=1),
        Projection("n3", "out", (Flatten("f", 0, 2), Linear("l", rng.integers(-9, 9, (5, 27)))), exponent=0, delay=1),
    )
    made = network(populations, projections, timesteps=12)
    return made, (rng.random((1, 12, 2, 6, 5)) < 0.3).astype(np.int8), rng


def mapped_on(made, rng) -> CoreMap:
    """Neurons on any of a few cores of the whole chip, a core to one population; the input has cores too."""
    free = rng.permutation(CORES)
    cores = {}
    for number, p in enumerate(made.populations):
        cores[p.name] = free[4 * number + rng.integers(0, 3, p.size)]
    tile = np.arange(CORES) // CORES_PER_TILE
    kinds = {"n1": "convolution", "n2": "convolution", "n3": "sparse", "out": "dense"}
    wiring = tuple(
        Wiring(
            source=q.source,
            target=q.target,
            source_shape=made.by_name[q.source].shape,
            operators=q.operators,
            kind=kinds[q.target],
        )
        for q in made.projections
    )
    names = {p.name: p.name for p in made.populations}
    position = np.column_stack([tile // MESH_HEIGHT, tile % MESH_HEIGHT])
    chip = np.zeros(CORES, np.int64)
    sites = np.unique(np.column_stack([chip, position]), axis=0)
    return CoreMap(
        chip="loihi1",
        cores=cores,
        spikes_of=names,
        depth=dict(made.depth),
        position=position,
        chip_of=chip,
        sites=sites,
        seats=CORES_PER_TILE,
        layout="drawn",
        wiring=wiring,
    )


def job(made, x: np.ndarray, core_map: CoreMap) -> dict:
    kinds = {w.target: w.kind for w in core_map.wiring}
    groups = []
    for p in made.populations:
        threshold = np.full(p.size, NEVER) if p.kind != "if" else p.broadcast(p.rule.threshold).ravel().astype(float)
        mode = {"subtract": "soft", "zero": "hard", "none": "none"}[p.rule.reset_kind]
        groups.append(
            {
                "name": p.name,
                "cores": core_map.cores[p.name].tolist(),
                "synapse": SYNAPSES[kinds.get(p.name, "sparse")],
                "threshold": threshold.tolist(),
                "bias": p.broadcast(p.rule.bias).ravel().astype(float).tolist(),
                "reset_mode": mode,
                "spikes": x[0].reshape(len(x[0]), -1).T.astype(bool).tolist() if p.role == "input" else None,
            }
        )
    edges = []
    for q in made.projections:
        matrix = unrolled(q.operators, made.by_name[q.source].shape).tocoo()
        pairs = np.column_stack([matrix.col, matrix.row]).tolist()
        edges.append({"source": q.source, "target": q.target, "pairs": pairs, "weights": matrix.data.tolist()})
    return {"steps": made.info.timesteps, "groups": groups, "edges": edges}


@pytest.mark.parametrize("seed", range(2))
def test_the_same_mapped_network_costs_the_same(seed: int, tmp_path: Path) -> None:
    made, x, rng = drawn(seed)
    core_map = mapped_on(made, rng)
    record = emulate(made, x)
    activity = Activity(made, record, x)
    updates = count_updates(activity)
    assert updates.unlike == ()
    mapped, load = count_mapped(activity, core_map, updates)
    estimate = loihi.sanafe(Case(activity=activity, counts=count(activity, updates), mapped=mapped, load=load))

    done = subprocess.run(
        [sys.executable, str(PEER)],
        input=json.dumps(job(made, x, core_map)),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peer = json.loads(done.stdout.splitlines()[-1])

    for p in made.populations:
        if p.kind == "if":
            spikes = record.spikes(p.name)[0].reshape(made.info.timesteps, -1)
            assert sorted(peer["spikes"][p.name]) == np.argwhere(spikes).tolist(), p.name
    terms = {t.name: t for t in estimate.terms}
    sent = int(x.sum())
    assert sum(mapped.spikes.values()) > 20
    assert peer["perf"]["fired"] == sum(mapped.spikes.values()) + sent
    assert peer["messages"] == sum(mapped.packets.values())
    assert peer["perf"]["hops"] == sum(mapped.hops["east-west"].values()) + sum(mapped.hops["north-south"].values())
    assert peer["perf"]["spikes"] == sum(mapped.synaptic_events.values()) + sum(mapped.input_events.values())
    assert peer["perf"]["updated"] == sum(mapped.stirred_updates.values()) + sent  # its input neurons, when they fire
    assert sum(mapped.stirred_updates.values()) < sum(mapped.neuron_updates.values())

    def energy(*names: str) -> float:
        return sum(t.energy_joules or 0.0 for name, t in terms.items() if name.startswith(names))

    parts = {
        "synapse": energy("synaptic events"),
        "soma": energy("neuron", "spikes"),
        "network": energy("packets", "hops"),
        "total": estimate.energy_joules,
    }
    for part, expected in parts.items():
        assert peer["energy"][part] == pytest.approx(expected, rel=1e-9), part
