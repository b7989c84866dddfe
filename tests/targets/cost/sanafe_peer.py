"""Runs a mapped network in SANA-FE's own simulator: JSON on standard input, JSON on standard output.

SANA-FE is GPL-3.0, so this is a program of its own that tests start; nothing imports it. Input: steps; groups [{name,
cores [per neuron], threshold, bias, reset_mode, spikes [neuron][step] or null,
synapse}]; edges [{source, target, pairs, weights}].
"""

from __future__ import annotations

import json
import sys

import sanafe


def main() -> None:
    job = json.load(sys.stdin)
    arch = sanafe.load_loihi()
    cores = [core for tile in arch.tiles for core in tile.cores]
    net = sanafe.Network()
    groups = {g["name"]: make(net, g, cores) for g in job["groups"]}
    for edge in job["edges"]:
        for (source, target), weight in zip(edge["pairs"], edge["weights"], strict=True):
            groups[edge["source"]][source].connect_to_neuron(groups[edge["target"]][target], {"weight": weight})
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    found = chip.sim(job["steps"], timing_model="simple", spike_trace=True, message_trace=True, perf_trace=True)
    messages = [m for step in found["message_trace"] for m in step if not m.get("placeholder")]
    spikes: dict[str, list[list[int]]] = {g["name"]: [] for g in job["groups"]}
    for step, fired in enumerate(found["spike_trace"]):
        for address in fired:
            spikes[address.group_name].append([step, address.neuron_offset])
    perf = {name: sum(values) for name, values in found["perf_trace"].items() if isinstance(values[0], int | float)}
    json.dump({"energy": found["energy"], "spikes": spikes, "messages": len(messages), "perf": perf}, sys.stdout)


def make(net, group, cores):
    made = net.create_neuron_group(group["name"], len(group["cores"]), default_synapse_hw_name=group["synapse"])
    for number, core in enumerate(group["cores"]):
        neuron = made[number]
        if group["spikes"] is not None:
            attributes = {"spikes": group["spikes"][number]}
            neuron.set_attributes(soma_hw_name=f"loihi_inputs[{number}]", model_attributes=attributes, log_spikes=True)
        else:
            attributes = {
                "threshold": group["threshold"][number],
                "bias": group["bias"][number],
                "reset_mode": group["reset_mode"],
                "leak_decay": 1.0,
            }
            neuron.set_attributes(soma_hw_name="loihi_lif", model_attributes=attributes, log_spikes=True)
        neuron.map_to_core(cores[core])
    return made


if __name__ == "__main__":
    main()
