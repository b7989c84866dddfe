"""Other programs' word on our routes and spikes. Each is skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spynnaker_stand_in
from integer_networks import images
from on_target import placed
from spinnaker_networks import on_cpu, on_spinnaker, population, recurrent, residual, source

from inflor.converter.errors import InputError
from inflor.converter.nir.metadata import ModelInfo
from inflor.quant.ir.network import IntegerNetwork, Projection
from inflor.quant.ir.neuron import ZERO, SetTo
from inflor.quant.operators import Linear
from inflor.targets.spinnaker import export_script as script
from inflor.targets.spinnaker.options import SpinnakerOptions
from inflor.targets.spinnaker.report import describe

pytestmark = pytest.mark.slow


def pacman_table(chip, table, default):
    from pacman.model.routing_tables import UnCompressedMulticastRoutingTable
    from spinn_machine import MulticastRoutingEntry, RoutingEntry

    made = UnCompressedMulticastRoutingTable(*chip)
    for key, mask, route, straight in zip(
        table.key.tolist(), table.mask.tolist(), table.route.tolist(), default.tolist(), strict=True
    ):
        entry = RoutingEntry(spinnaker_route=route, defaultable=straight)
        made.add_multicast_routing_entry(MulticastRoutingEntry(key, mask, entry))
    return made


def test_pacman_proves_the_compressed_tables_and_rejects_a_changed_one():
    checker = pytest.importorskip("pacman.operations.router_compressors.routing_compression_checker")
    from pacman.exceptions import PacmanRoutingException

    plan = placed("spinnaker", residual(), neurons_per_core=24, cores_per_chip=2)
    assert sum(map(len, plan.tables.values())) < sum(map(len, plan.original.values()))
    changed = 0
    for chip, original in plan.original.items():
        before = pacman_table(chip, original, original.default)
        short = plan.tables[chip]
        checker.compare_tables(before, pacman_table(chip, short, np.zeros(len(short), bool)))
        if len(short):
            route = short.route.copy()
            route[0] ^= 1 << 8
            mutant = pacman_table(chip, replace(short, route=route), np.zeros(len(short), bool))
            with pytest.raises(PacmanRoutingException):
                checker.compare_tables(before, mutant)
            changed += 1
    assert changed > 10


def test_brian2_fires_the_same_spikes_with_soft_reset():
    """INFLOR_BRIAN2 names the interpreter that has Brian2, this one if it is not set."""
    python = os.environ.get("INFLOR_BRIAN2", sys.executable)
    found = subprocess.run([python, "-c", "import brian2"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"Brian2 cannot be imported by {python}: {found.stderr.strip().splitlines()[-1]}")
    rng = np.random.default_rng(3)
    first, second = rng.integers(-60, 100, (12, 8)), rng.integers(-60, 100, (10, 12))
    timesteps, thresholds = 8, (400, 150)
    populations = (
        source((8,)),
        population("n0", (12,), threshold=thresholds[0]),
        population("n1", (10,), threshold=thresholds[1]),
    )
    projections = (
        Projection("input", "n0", (Linear("w0", first),)),
        Projection("n0", "n1", (Linear("w1", second),)),
    )
    info = ModelInfo(timesteps=timesteps, stage="integer")
    network = IntegerNetwork(populations, projections, ("n1",), info, input_bits=8, source="brian")
    x = images(network, 2)[1] // 16
    got = on_spinnaker(placed("spinnaker", network, neurons_per_core=3, cores_per_chip=2), x[None])
    task = {
        "sizes": [12, 10],
        "thresholds": thresholds,
        "current": (first @ x.astype(np.int64)).tolist(),
        "weights": second.tolist(),
        "ticks": timesteps + 1,
    }
    peer = Path(__file__).with_name("brian2_peer.py")
    done = subprocess.run([python, str(peer)], input=json.dumps(task), capture_output=True, text=True, check=True)
    for depth, (name, spikes) in enumerate(zip(("n0", "n1"), json.loads(done.stdout), strict=True)):
        expected = np.zeros((timesteps + 2, network.by_name[name].size), bool)
        for tick, neuron in spikes:
            expected[tick - depth if tick >= depth else -1, neuron] = True
        assert expected[:timesteps].any()
        np.testing.assert_array_equal(got.spikes(name)[0], expected[:timesteps])


CONFIGURATION = """
[Machine]
version = 5
virtual_board = True
[Mode]
mode = Debug
[Reports]
write_network_graph = False
[Mapping]
validate_routes_uncompressed = True
"""


def hard_reset(decay):
    rng = np.random.default_rng(8)
    populations = (
        source((6,)),
        population("n1", (12,), "spiking", threshold=300, reset="zero", bias=40, decay=decay),
        population("n2", (8,), "spiking", threshold=120, reset="zero", bias=-3, v_reset=-4, decay=decay),
        population("out", (4,), "readout", reset="none"),
    )
    weights = [rng.integers(-60, 100, shape) for shape in ((12, 6), (8, 12), (4, 8))]
    names = [p.name for p in populations]
    projections = tuple(
        Projection(a, b, (Linear(f"to_{b}", w),)) for a, b, w in zip(names, names[1:], weights, strict=False)
    )
    return IntegerNetwork(
        populations, projections, ("out",), ModelInfo(timesteps=4, stage="integer"), input_bits=8, source="hard"
    )


def recurrent_hard_reset():
    """Current-based neurons in a cycle that fits a tick per step, hard reset, one population refractory."""
    network = recurrent()
    populations = tuple(
        p.with_rule(reset=SetTo(ZERO), refractory=p.name == "n2") if p.rule.reset_kind == "subtract" else p
        for p in network.populations
    )
    projections = tuple(replace(q, delay=2) if (q.source, q.target) == ("n2", "n1") else q for q in network.projections)
    return replace(network, populations=populations, projections=projections)


SCRIPTED = {
    "if": lambda: (hard_reset(0), images(hard_reset(0), 3)),
    "lif": lambda: (hard_reset(400), images(hard_reset(400), 3)),
    "cuba": lambda: (recurrent_hard_reset(), images(recurrent_hard_reset(), 3) // 16),
    "frames": lambda: (recurrent_hard_reset(), images(recurrent_hard_reset(), 3, frames=True) // 16),
}
LAYOUT = {"neurons_per_core": 4, "cores_per_chip": 2}


@pytest.mark.parametrize("kind", SCRIPTED)
def test_the_scripts_own_spikes_in_a_stand_in_for_spynnaker(tmp_path, monkeypatch, kind):
    """Its neurons round otherwise, so a few spikes are others; each core's agree with the network's all the same."""
    network, inputs = SCRIPTED[kind]()
    plan = placed("spinnaker", network, **LAYOUT)
    script.write(network, tmp_path / "net.py", SpinnakerOptions(**LAYOUT))
    expected = on_cpu(network, inputs)
    agree = fired = total = 0
    for sample, image in enumerate(inputs):
        np.save(tmp_path / "image.npy", image)
        made = spynnaker_stand_in.run(monkeypatch, tmp_path / "net.py", tmp_path / "image.npy")
        for lowered, cut in zip(plan.lowering.populations, plan.partitions, strict=True):
            name = cut.name
            ticks = slice(lowered.stage - 1, lowered.stage - 1 + network.info.timesteps)
            if lowered.population.role == "readout":
                continue
            got = np.concatenate([made[f"{name}.{core}"].spikes[ticks] for core in range(cut.cores)], axis=1)
            due = expected.spikes(name)[sample].reshape(network.info.timesteps, -1)[:, cut.order]
            agree, fired, total = agree + (got == due).sum(), fired + due.sum(), total + due.size
    assert fired > 0.05 * total
    assert agree >= 0.98 * total


NASTY = ("back\\slash", 'three""" quotes', "quote'", "two\nlines", "{brace}", '"""\nraise SystemExit(3)\n"""', "é")


@pytest.mark.parametrize("name", NASTY)
def test_names_in_the_script_are_no_code(tmp_path, monkeypatch, name):
    network, inputs = SCRIPTED["if"]()
    new = {p.name: name + p.name for p in network.populations}
    renamed = replace(
        network,
        source=name + "\ud800",
        populations=tuple(replace(p, name=new[p.name]) for p in network.populations),
        projections=tuple(replace(q, source=new[q.source], target=new[q.target]) for q in network.projections),
        outputs=tuple(new[n] for n in network.outputs),
    )
    path = tmp_path / f"{name}.py"
    script.write(renamed, path, SpinnakerOptions(**LAYOUT))
    script.write(network, tmp_path / "plain.py", SpinnakerOptions(**LAYOUT))
    np.save(tmp_path / "image.npy", inputs[0])
    made = spynnaker_stand_in.run(monkeypatch, path, tmp_path / "image.npy")
    plain = spynnaker_stand_in.run(monkeypatch, tmp_path / "plain.py", tmp_path / "image.npy")
    assert made.keys() == {name + label for label in plain}
    for label, core in plain.items():
        np.testing.assert_array_equal(made[name + label].spikes, core.spikes)


def test_a_cycle_of_several_ticks_per_step_is_refused_by_name(tmp_path):
    network = replace(recurrent_hard_reset(), projections=recurrent().projections)
    with pytest.raises(InputError, match=r"'n2_n1' leads from population 'n2' back to 'n1' with a delay of 1.*need 2"):
        script.write(network, tmp_path / "net.py")


@pytest.mark.parametrize("kind", ["if", "lif", "cuba"])
def test_spynnaker_takes_the_script_and_lays_it_out_as_we_did(tmp_path, kind):
    """On its virtual board: our cores where we put them, its routes checked, its rows the same synapses as ours."""
    if importlib.util.find_spec("spynnaker") is None:
        pytest.skip("sPyNNaker is not installed: pip install 'inflor[spinnaker]'")
    network, inputs = SCRIPTED[kind]()
    path = tmp_path / "net.py"
    notes = script.write(network, path, SpinnakerOptions(**LAYOUT))
    assert len(notes) == (3 if kind == "lif" else 2)
    (tmp_path / ".spynnaker.cfg").write_text(CONFIGURATION)
    np.save(tmp_path / "image.npy", inputs[0])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(path), "image.npy"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (report,) = (tmp_path / "reports").glob("*/run_1")
    theirs = {
        row["vertex_label"].partition("(")[0]: (row["x"], row["y"], row["p"])
        for row in json.loads((report / "json_files" / "placements.json").read_text())
        if not row["vertex_label"].startswith("SYSTEM")
    }
    plan = placed("spinnaker", network, **LAYOUT)
    wanted = {f"{r['population']}.{r['core']}": (r["x"], r["y"], r["p"]) for r in report_of(plan)}
    assert theirs == wanted
    assert len({at[:2] for at in wanted.values()}) >= 3
    cores = [wanted[f"{r['population']}.{r['core']}"] for r in report_of(plan)]
    scale = {c: s.get("scale", 0) for c, s in zip(cores, script.layout(plan)[1], strict=True)}
    compared = compare_memories(plan, cores, scale, report / "ds.sqlite3")
    assert compared == sum(c.matrix.nnz for c in plan.lowering.connections) > 100


def regions(database, at):
    """Regions of one core by number, as words."""
    with sqlite3.connect(database) as connection:
        query = "select region_num, content from region where x = ? and y = ? and p = ?"
        return {n: np.frombuffer(c, "<u4") for n, c in connection.execute(query, at) if c is not None}


def compare_memories(plan, cores, scale, database):
    """Every row of every core: theirs hold the same synapses as ours, in the same words but for the weight's shift.

    Weights of current-based neurons are not exact there: they are the nearest to what starts a current of the weight.
    """
    arrays, facts, _ = script.layout(plan)
    key_of = {
        int(r[1][7]): core
        for core, at in enumerate(cores)
        if (r := regions(database, at)).get(1) is not None and r[1][0]
    }
    compared = 0
    for core, at in enumerate(cores):
        held = regions(database, at)
        _, _, neuron_bits, type_bits, _, _, buffer, *shifts = held[4].tolist()
        memory = plan.memories[core]
        assert (neuron_bits, type_bits, buffer) == (memory.neuron_bits, 1, 256)
        count, listed = held[5][:2]
        theirs = rows_of(held[5][2:], int(count), int(listed), held.get(6))
        ours = rows_of(
            np.concatenate([memory.entries.view("<u4"), memory.addresses]),
            len(memory.entries),
            len(memory.addresses),
            memory.rows,
        )
        lowered = plan.lowering.populations[plan.population_of[core]]
        as_weights = [
            {
                (key_of[entry[0]] if known is None else known.index(entry[0]), entry[1:], row): {
                    (
                        word & 0xFFFF,
                        (round if tau else float)(
                            (word >> 16 << shift[word >> neuron_bits & 1])
                            / (unit * started(tau[word & ((1 << neuron_bits) - 1)] if tau else 0))
                        ),
                    )
                    for word in words
                }
                for (entry, row), words in rows.items()
                if words
            }
            for rows, known, shift, unit, tau in (
                (
                    theirs,
                    None,
                    shifts,
                    scale[at] * 32768,
                    arrays.get(f"{facts[core]['label']}.tau_syn", np.zeros(0)).tolist(),
                ),
                (ours, plan.keys.key.tolist(), lowered.shifts, 1 << lowered.neurons.unit, []),
            )
        ]
        assert as_weights[0] == as_weights[1]
        compared += sum(map(len, as_weights[0].values()))
    return compared


def started(tau):
    """What IF_curr_exp makes of a weight of 1 in its first tick, inverted."""
    return 1 / (tau * (1 - np.exp(-1 / tau))) if tau else 1


def rows_of(table, count, listed, memory):
    """Rows of a population table and its blocks by (entry's key, bits below its mask, neurons), and number."""
    entries, addresses = table[: 5 * count].reshape(count, 5).tolist(), table[5 * count : 5 * count + listed].tolist()
    rows = {}
    for key, mask, start, core, neurons in entries:
        assert start >> 13 & 7 == 4  # color bits
        where = (key, (core >> 16, mask ^ 0xFFFFFFFF, neurons))
        for address in addresses[start & 0x1FFF : (start & 0x1FFF) + (start >> 16)]:
            length, at = (address & 0xFF) + 1, (address >> 8) * 4
            if address >> 8 == 0xFFFFFF:
                continue
            for row in range(neurons & 0xFFFF):
                words = memory[at + row * (3 + length) :][: 3 + length].tolist()
                assert (words[0], words[2]) == (0, 0)
                rows.setdefault((where, row), []).extend(words[3 : 3 + words[1]])
    return rows


def report_of(plan):
    return describe(plan).data["placements"]


def test_soft_reset_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"'n1' resets by subtraction"):
        script.write(residual(), tmp_path / "net.py")
    assert not list(tmp_path.iterdir())
