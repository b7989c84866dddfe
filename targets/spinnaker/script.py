"""Writes a network as a sPyNNaker script, with our partition and placement pinned: one sPyNNaker population per core.

Stock neurons only, so hard reset only. A leaky population becomes IF_curr_delta of its own time constant; one without
leak becomes IF_curr_delta of 1,000 ms, which loses 0.1 % of its potential per step (sPyNNaker 1!7.4.1's IFTruncDelta
ignores its threshold). Both round in s16.15, so spikes may differ from the integer network's; the script says so.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import InputError
from converter.files import atomic_path
from quant.network import DECAY_ONE, IntegerNetwork
from targets.spinnaker.lowering import Lowered
from targets.spinnaker.plan import SpinnakerPlan
from targets.spinnaker.target import place

NO_LEAK_MS = 1000.0
STATE = 1 << 15
"""Largest potential, in units of 1.0, that the script's scale leaves room for; s16.15 ends at 65,536."""


def write(network: IntegerNetwork, path: str | os.PathLike[str], **options: Any) -> tuple[str, ...]:
    """Write the script to `path` (.py) and its arrays beside it (.npz); returns notes for the user.

    options: those of `targets.spinnaker.place`.

    Raises:
        InputError: the path is no .py, or a population needs what no stock neuron does (reset by subtraction).
    """
    out = Path(path)
    if out.suffix != ".py":
        raise InputError(f"{path}: is written as a Python program; name it .py")
    for population in network.populations:
        if population.reset == "subtract":
            raise InputError(
                f"{network.source}: population {population.name!r} resets by subtraction, which no stock neuron of "
                "sPyNNaker does; train with --neuron if or lif, or run it with: inflor run --target spinnaker"
            )
    plan = place(network, **options)
    arrays, cores, links = layout(plan)
    text = TEMPLATE.format(
        network=network.source or "an integer network",
        data=out.with_suffix(".npz").name,
        cores=",\n    ".join(map(repr, cores)),
        links=",\n    ".join(map(repr, links)),
        depth=plan.lowering.depth,
        timesteps=network.info.timesteps,
    )
    with atomic_path(out.with_suffix(".npz")) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    with atomic_path(out) as temporary:
        temporary.write_text(text)
    leaky = [p.population.name for p in plan.lowering.populations if p.population.decay.any()]
    rest = [p.population.name for p in plan.lowering.populations if not p.population.decay.any()]
    notes = ["Run it with sPyNNaker 1!7.4.1, an image as its argument: python " + out.name + " image.npy"]
    if leaky:
        notes.append(
            f"Decays and inputs of {', '.join(leaky)} round in s16.15: spikes may differ from the cpu target's."
        )
    if rest:
        notes.append(
            f"{', '.join(rest)}: no leak becomes a time constant of 1,000 ms, so potentials lose 0.1 % per step."
        )
    return tuple(notes)


def layout(plan: SpinnakerPlan) -> tuple[dict[str, Any], list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Arrays by name, one row of facts per core, and one row per connection of two cores and synapse type."""
    arrays: dict[str, Any] = {}
    cores: list[dict[str, Any]] = []
    unit: dict[str, float] = {}
    for index, (lowered, cut) in enumerate(zip(plan.lowering.populations, plan.partitions, strict=True)):
        tau, scale, parameters = _parameters(lowered)
        unit[cut.name] = scale
        if lowered.host is not None:
            host = lowered.host.tocoo()
            parts = {"row": host.row, "column": host.col, "weight": host.data}
            arrays |= {f"{cut.name}.host.{n}": v for n, v in parts.items()}
        for number in range(cut.cores):
            core = int(plan.first_core[index]) + number
            (x, y), p = plan.placement.at(plan.machine, core)
            neurons = cut.order[cut.start[number] : cut.start[number + 1]]
            label = f"{cut.name}.{number}"
            arrays[f"{label}.neurons"] = neurons
            arrays |= {f"{label}.{n}": v[neurons] for n, v in parameters.items()}
            facts = {"label": label, "population": cut.name, "n": len(neurons), "depth": lowered.depth, "scale": scale}
            cores.append({**facts, "tau_m": tau, "readout": lowered.population.kind == "readout", "at": (x, y, p)})
    links: list[tuple[Any, ...]] = []
    for connection in plan.lowering.connections:
        source = next(c for c in plan.partitions if c.name == connection.source)
        target = next(c for c in plan.partitions if c.name == connection.target)
        matrix = connection.matrix.tocoo()
        pair = source.core[matrix.row] * target.cores + target.core[matrix.col]
        for sign, kind in ((1, "excitatory"), (-1, "inhibitory")):
            chosen = np.flatnonzero(matrix.data * sign > 0)
            chosen = chosen[np.argsort(pair[chosen], kind="stable")]
            for part in np.split(chosen, np.flatnonzero(np.diff(pair[chosen])) + 1):
                if not len(part):
                    continue
                a, b = divmod(int(pair[part[0]]), target.cores)
                name = f"link{len(links)}"
                columns = (source.local[matrix.row[part]], target.local[matrix.col[part]], abs(matrix.data[part]))
                arrays[name] = np.stack(columns, axis=1)
                labels = (f"{source.name}.{a}", f"{target.name}.{b}")
                links.append((name, *labels, kind, connection.delay, unit[connection.target]))
    return arrays, cores, links


def _parameters(lowered: Lowered) -> tuple[float, float, dict[str, Any]]:
    """Time constant in ms, value of an integer unit, and arrays of the neuron's parameters in row-major order."""
    population = lowered.population
    keep = (DECAY_ONE - population.broadcast(population.decay).reshape(-1)) / DECAY_ONE
    if len(np.unique(keep)) > 1:
        raise InputError(f"population {population.name!r} has several decays; sPyNNaker's time constant is one")
    tau = NO_LEAK_MS if keep[0] == 1 else -1 / math.log(max(float(keep[0]), 1e-4))
    gain = 1 / (1 - math.exp(-1 / tau))  # potential that a constant input of 1 ends at
    reach = (1 << (31 - lowered.neurons.unit)) * gain  # of every sum that the proved range allows, as the chip holds it
    scale = 2.0 ** min(0, math.floor(math.log2(STATE / reach)))

    def real(values: Any) -> Any:
        return population.broadcast(values).reshape(-1) * scale

    return (
        tau,
        scale,
        {
            "v_thresh": real(population.threshold + 1),
            "v_reset": real(population.v_reset),
            "bias": real(population.bias),
        },
    )


TEMPLATE = '''"""{network} on SpiNNaker, written by inflor.

Stock neurons, one population per core, partition and placement pinned.

    python THIS.py [image.npy]        image: quantised input, signed integers of the network's input shape

The host computes the current that the image causes, and gives it to the first neurons as i_offset. Population k sees
frame f at tick f + k; its bias is a current source that starts then. Spikes may differ from the integer network's:
stock neurons round their decay and input in s16.15.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pyNN.spiNNaker as sim

TIMESTEPS, DEPTH = {timesteps}, {depth}
DATA = np.load(Path(__file__).with_name("{data}"))
CORES = [
    {cores},
]
LINKS = [  # array of (source, target, weight), from, to, synapse type, delay, value of an integer unit
    {links},
]


def offsets(core, image):
    """Bias, and what the image causes, of each neuron of a core."""
    bias = DATA[core["label"] + ".bias"].astype(float)
    name = core["population"] + ".host."
    if name + "row" in DATA and image is not None:
        row, column, weight = (DATA[name + n] for n in ("row", "column", "weight"))
        current = np.bincount(column, image[row] * weight, minlength=int(column.max()) + 1)
        neurons = DATA[core["label"] + ".neurons"]
        present = neurons < len(current)
        bias[present] += current[neurons[present]] * core["scale"]
    return bias


image = np.load(sys.argv[1]).reshape(-1).astype(np.int64) if len(sys.argv) > 1 else None
sim.setup(timestep=1.0)
populations = {{}}
for core in CORES:
    label, tau, wait = core["label"], core["tau_m"], core["depth"] - 1.0
    bias = offsets(core, image)
    offset = np.minimum(bias, 0) if wait else bias
    parameters = {{
        "tau_m": tau,
        "cm": tau * (1 - math.exp(-1 / tau)),  # so that a weight w moves the potential by w
        "v_rest": 0.0,
        "v_reset": DATA[label + ".v_reset"].tolist(),
        "v_thresh": 65000.0 if core["readout"] else DATA[label + ".v_thresh"].tolist(),
        "tau_refrac": 0.0,
        "i_offset": offset.tolist(),
    }}
    made = sim.Population(core["n"], sim.IF_curr_delta(**parameters), label=label)
    made.initialize(v=0.0)
    made.add_placement_constraint(*core["at"])
    made.record("v" if core["readout"] else "spikes")
    populations[label] = made
    for value in np.unique(bias[bias != 0]) if wait else ():
        # sPyNNaker's sources take positive currents only: a negative bias is there from the start, and undone first
        when = {{"start": wait}} if value > 0 else {{"start": 0.0, "stop": wait}}
        current = sim.DCSource(amplitude=abs(float(value)), **when)
        current.inject_into(made[np.flatnonzero(bias == value).tolist()])
for name, source, target, kind, delay, unit in LINKS:
    rows = DATA[name]
    synapses = np.column_stack([rows[:, 0], rows[:, 1], rows[:, 2] * unit, np.full(len(rows), float(delay))])
    connector = sim.FromListConnector(synapses, column_names=["weight", "delay"])
    sim.Projection(populations[source], populations[target], connector, receptor_type=kind)
sim.run(TIMESTEPS + DEPTH - 1)
results = {{label: made.get_data() for label, made in populations.items()}}
sim.end()
'''
