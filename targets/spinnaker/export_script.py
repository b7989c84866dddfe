"""Writes a network as a sPyNNaker script, with our partition and placement pinned: one sPyNNaker population per core.

Stock neurons only, so hard reset only. A population with a synaptic current becomes IF_curr_exp, any other
IF_curr_delta; where nothing leaks the time constant is 1,000 ms, which loses 0.1 % per step (sPyNNaker 1!7.4.1's
IFTruncDelta ignores its threshold). All round in s16.15, so spikes may differ from the integer network's; the script
says so.
"""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from inflor.converter.errors import InputError
from inflor.converter.files import atomic_path
from inflor.converter.reading.paths import sha256
from inflor.quant.ir.network import IntegerNetwork, Population
from inflor.quant.operators import IntArray
from inflor.targets.spinnaker.numbers import Lowered
from inflor.targets.spinnaker.options import SpinnakerOptions
from inflor.targets.spinnaker.plan import SpinnakerPlan
from inflor.targets.spinnaker.target import place

NO_LEAK_MS = 1000.0
_DIGEST = "digest of the arrays"
"""Stands for it in the script until they are written."""
STATE = 1 << 15
"""Largest potential, in units of 1.0, that the script's scale leaves room for; s16.15 ends at 65,536."""


def write(
    network: IntegerNetwork, path: str | os.PathLike[str], options: SpinnakerOptions | None = None
) -> tuple[str, ...]:
    """Write the script to `path` (.py) and its arrays beside it (.py.npz); returns notes for the user.

    Raises:
        InputError: the path is no .py, or a population needs what no stock neuron does: reset by subtraction, or a
            step that takes several ticks.
    """
    out = Path(path)
    if out.suffix != ".py":
        raise InputError(f"{path}: is written as a Python program; name it .py")
    for population in network.populations:
        if population.rule.reset_kind == "subtract":
            raise InputError(
                f"{network.source}: population {population.name!r} resets by subtraction, which no stock neuron of "
                "sPyNNaker does; train with `neuron='if'` or `neuron='lif'`, or run it with `target='spinnaker'`"
            )
        if population.groups:
            raise InputError(
                f"{network.source}: population {population.name!r} takes the maximum of currents, and stock neurons of "
                "sPyNNaker add up all that arrives; put the pool behind the neuron, or run it with `target='spinnaker'`"
            )
    plan = place(network, options or SpinnakerOptions(), {})
    _refuse_slow_steps(plan)
    arrays, cores, links = layout(plan)
    data = data_path(out)
    text = TEMPLATE.format(  # names come from files, so each stands there as a literal
        network=ascii(network.source),
        data=ascii(data.name),
        digest=_DIGEST,
        cores=",\n    ".join(map(ascii, cores)),
        links=",\n    ".join(map(ascii, links)),
        depth=plan.lowering.schedule.last,
        timesteps=network.info.timesteps,
        inputs=network.inputs[0].size,
    )
    with atomic_path(out) as script, atomic_path(data) as temporary:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        # The digest tells a script from the arrays of another one, of a run that was killed between the two.
        script.write_text(text.replace(_DIGEST, sha256(temporary)), encoding="utf-8")
    how = f"python {shlex.quote(out.name)} image.npy"
    return (f"Run it with sPyNNaker 1!7.4.1, an image as its argument: {how}", *_notes(plan))


def written_beside(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The arrays, which are written beside the script."""
    return (data_path(path),)


def data_path(path: str | os.PathLike[str]) -> Path:
    """Where the arrays of the script `path` are: script.py.npz beside script.py, whose name no data set has."""
    out = Path(path)
    return out.parent / f"{out.name}.npz"


def _notes(plan: SpinnakerPlan) -> list[str]:
    """Where stock neurons are not the network's."""
    populations = [p.population for p in plan.lowering.populations]
    leaky = [p.name for p in populations if p.rule.decays]
    lasting = [p.name for p in populations if _endless(p.rule.decay) or _endless(p.rule.current_decay)]
    notes = []
    if leaky:
        notes.append(
            f"Decays and inputs of {', '.join(leaky)} round in s16.15: spikes may differ from the cpu target's."
        )
    if lasting:
        notes.append(f"{', '.join(lasting)}: no leak becomes a time constant of 1,000 ms, which loses 0.1 % per step.")
    return notes


def _refuse_slow_steps(plan: SpinnakerPlan) -> None:
    network, schedule = plan.network, plan.lowering.schedule
    if schedule.per_step == 1:
        return
    for projection in network.projections:
        least = schedule.stage[projection.source] - schedule.stage[projection.target] + 1
        if projection.delay < least:
            raise InputError(
                f"{network.source}: projection {projection.name!r} leads from population {projection.source!r} back to "
                f"{projection.target!r} with a delay of {projection.delay}, and stock neurons of sPyNNaker, which work "
                f"every tick, need {least}; delay it so, or run it with `target='spinnaker'`"
            )


def layout(plan: SpinnakerPlan) -> tuple[dict[str, Any], list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Arrays by name, one row of facts per core, and one row per connection of two cores and synapse type."""
    arrays: dict[str, Any] = {}
    cores: list[dict[str, Any]] = []
    unit: dict[str, float] = {}
    for index, (lowered, cut) in enumerate(zip(plan.lowering.populations, plan.partitions, strict=True)):
        scale, parameters = _parameters(lowered)
        unit[cut.name] = scale
        for delay, matrix in lowered.host.items():
            host = matrix.tocoo()
            parts = {"row": host.row, "column": host.col, "weight": host.data}
            arrays |= {f"{cut.name}.host{delay}.{n}": v for n, v in parts.items()}
        for number in range(cut.cores):
            core = int(plan.first_core[index]) + number
            (x, y), p = plan.placement.at(plan.machine, core)
            neurons = cut.order[cut.start[number] : cut.start[number + 1]]
            label = f"{cut.name}.{number}"
            arrays[f"{label}.neurons"] = neurons
            arrays |= {f"{label}.{n}": v[neurons] for n, v in parameters.items()}
            facts = {"label": label, "population": cut.name, "n": len(neurons), "stage": lowered.stage, "scale": scale}
            readout, lost = lowered.population.role == "readout", int(lowered.population.rule.refractory)
            cores.append({**facts, "readout": readout, "lost": lost, "hosts": list(lowered.host), "at": (x, y, p)})
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


def _parameters(lowered: Lowered) -> tuple[float, dict[str, Any]]:
    """Value of an integer unit, and arrays of the neurons' parameters in row-major order; time constants in ms."""
    population, rule = lowered.population, lowered.population.rule
    tau = _time_constant(population, rule.decay)
    gain = float((1 / (1 - np.exp(-1 / tau))).max())  # potential that a constant input of 1 ends at
    scale = 2.0 ** min(0, math.floor(math.log2(STATE / (lowered.reach * gain))))

    def real(values: Any) -> Any:
        return population.broadcast(values).reshape(-1) * scale

    arrays = {
        "tau_m": tau,
        "v_thresh": real(rule.threshold + 1 / (1 << rule.fraction_bits)),
        "v_reset": real(rule.v_reset),
        "bias": real(rule.bias),
        "drift": real(rule.drift / (1 << rule.fraction_bits)),
    }
    if rule.current_decay is not None:
        arrays["tau_syn"] = _time_constant(population, rule.current_decay)
    return scale, arrays


def _time_constant(population: Population, decay: IntArray) -> Any:
    """Of every neuron, with which exp(-1 / tau) is what it keeps."""
    keep = 1 - population.broadcast(decay).reshape(-1) / (1 << population.rule.decay_bits)
    return np.where(keep == 1, NO_LEAK_MS, -1 / np.log(np.clip(keep, 1e-4, 1 - 1e-4)))


def _endless(decay: IntArray | None) -> bool:
    return decay is not None and bool((decay == 0).any())


TEMPLATE = '''"""A spiking network on SpiNNaker, written by inflor.

Stock neurons, one population per core, partition and placement pinned.

    python THIS.py [image.npy]        quantised input: signed integers, of the network's input shape or one per step

The host computes the current that the input causes, and gives it to the first neurons as i_offset and step currents.
The population at stage k sees step f at tick f + k; its bias is a current source that starts then. Spikes may differ
from the integer network's: stock neurons round their decay and input in s16.15.
"""

import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import pyNN.spiNNaker as sim

NETWORK = {network}
TIMESTEPS, STAGES, INPUTS = {timesteps}, {depth}, {inputs}
ARRAYS = Path(__file__).with_name({data}).read_bytes()
if hashlib.sha256(ARRAYS).hexdigest() != "{digest}":
    sys.exit({data} + " is not the file that was written with this script; convert the network again")
DATA = np.load(io.BytesIO(ARRAYS))
CORES = [
    {cores},
]
LINKS = [  # array of (source, target, weight), from, to, synapse type, delay, value of an integer unit
    {links},
]


def currents(core, image):
    """What bias, drift and input bring to the neurons of a core: [TIMESTEPS, neurons]."""
    label = core["label"]
    total = np.tile(DATA[label + ".bias"].astype(float), (TIMESTEPS, 1))
    for delay in core["hosts"] if image is not None else ():
        name = f"{{core['population']}}.host{{delay}}."
        row, column, weight = (DATA[name + n] for n in ("row", "column", "weight"))
        for step in range(delay, TIMESTEPS):
            frame = image[(step - delay) % len(image)]
            caused = np.bincount(column, frame[row] * weight, minlength=int(DATA[label + ".neurons"].max()) + 1)
            total[step] += caused[DATA[label + ".neurons"]] * core["scale"]
    if label + ".tau_syn" in DATA:
        for step in range(1, TIMESTEPS):
            total[step] += total[step - 1] * np.exp(-1 / DATA[label + ".tau_syn"])
    return total + DATA[label + ".drift"]


def inject(made, core, total):
    """Give a core's neurons their currents from the tick on in which they see step 0; returns their i_offset."""
    wait = core["stage"] - 1
    if not wait and (total == total[0]).all():
        return total[0]
    # sPyNNaker's sources take positive currents only: what is negative is there from the start, and undone first
    offset = np.minimum(total.min(0), 0)
    sequence = np.vstack([np.zeros((int(wait > 0), len(offset))), total]) - offset
    times = [0.0] * (wait > 0) + [float(wait + step) for step in range(TIMESTEPS)]
    for column in np.unique(sequence, axis=1).T:
        if column.any():
            keep = [i for i in range(len(column)) if not i or column[i] != column[i - 1]]
            steps = {{"times": [times[i] for i in keep], "amplitudes": [float(column[i]) for i in keep]}}
            chosen = np.flatnonzero((sequence == column[:, None]).all(0))
            sim.StepCurrentSource(**steps).inject_into(made[chosen.tolist()])
    return offset


image = np.load(sys.argv[1]).astype(np.int64).reshape(-1, INPUTS) if len(sys.argv) > 1 else None
sim.setup(timestep=1.0)
populations = {{}}
for core in CORES:
    label = core["label"]
    tau = DATA[label + ".tau_m"]
    parameters = {{
        "tau_m": tau.tolist(),
        "cm": (tau * (1 - np.exp(-1 / tau))).tolist(),  # so that a weight w moves the potential by w
        "v_rest": 0.0,
        "v_reset": DATA[label + ".v_reset"].tolist(),
        "v_thresh": 65000.0 if core["readout"] else DATA[label + ".v_thresh"].tolist(),
        "tau_refrac": float(core["lost"]),
    }}
    model = sim.IF_curr_delta
    if label + ".tau_syn" in DATA:
        model = sim.IF_curr_exp
        parameters |= {{n: DATA[label + ".tau_syn"].tolist() for n in ("tau_syn_E", "tau_syn_I")}}
    made = sim.Population(core["n"], model(**parameters), label=label)
    made.initialize(v=0.0)
    made.set(i_offset=inject(made, core, currents(core, image)).tolist())
    made.add_placement_constraint(*core["at"])
    made.record("v" if core["readout"] else "spikes")
    populations[label] = made
for name, source, target, kind, delay, unit in LINKS:
    rows, gain = DATA[name], 1.0
    if target + ".tau_syn" in DATA:
        tau = DATA[target + ".tau_syn"][rows[:, 1]]
        gain = 1 / (tau * (1 - np.exp(-1 / tau)))  # so that a weight w starts a current of w
    synapses = np.column_stack([rows[:, 0], rows[:, 1], rows[:, 2] * unit * gain, np.full(len(rows), float(delay))])
    connector = sim.FromListConnector(synapses, column_names=["weight", "delay"])
    sim.Projection(populations[source], populations[target], connector, receptor_type=kind)
sim.run(TIMESTEPS + STAGES - 1)
results = {{label: made.get_data() for label, made in populations.items()}}
sim.end()
'''
