"""Runs two populations with soft reset in Brian2: JSON in on standard input, spikes (tick, neuron) out per population.

A program of its own, because Brian2 2.9 and the newest numpy do not go together.
"""

import json
import sys

import brian2
import numpy as np

brian2.prefs.codegen.target = "numpy"


def main() -> None:
    task = json.load(sys.stdin)
    ms = brian2.ms
    clock = brian2.Clock(dt=1 * ms)
    groups = []
    for size, threshold in zip(task["sizes"], task["thresholds"], strict=True):
        group = brian2.NeuronGroup(
            size,
            "v : 1\ncurrent : 1 (constant)",
            threshold=f"v >= {threshold + 1}",
            reset=f"v -= {2 * (threshold + 1)}",
            clock=clock,
        )
        group.run_regularly("v += current", when="start")
        groups.append(group)
    groups[0].current = task["current"]
    # delivered after the thresholds of its own step, a spike is first felt one step later: SpiNNaker's delay of 1
    synapses = brian2.Synapses(groups[0], groups[1], "w : 1", on_pre="v_post += w", clock=clock)
    synapses.connect()
    synapses.w = np.array(task["weights"]).T.ravel()
    monitors = [brian2.SpikeMonitor(group) for group in groups]
    brian2.Network(groups, synapses, monitors).run(task["ticks"] * ms)
    spikes = [
        sorted(zip(np.rint(m.t / ms).astype(int).tolist(), np.asarray(m.i).tolist(), strict=True)) for m in monitors
    ]
    print(json.dumps(spikes))


if __name__ == "__main__":
    main()
