"""Gathers what a report shows from networks, records and verdicts that are loaded already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.errors import InputError
from converter.graph import Graph
from inflor.page.contents import Accuracy, Potentials, Row, Timeline, Verdict
from quant.network import IntegerNetwork
from quant.ranges import state_ranges
from targets.potentials import histograms
from targets.record import Record

MOST_SPIKES = 1 << 27
"""Neuron-steps of both networks that are compared spike for spike."""
MOST_POTENTIALS = 1 << 22
"""Neuron-steps whose membrane potential is counted."""
EDGES = np.round(np.arange(-60, 101) * 0.05, 2)
"""Bins of potentials, in thresholds; the threshold itself is an edge."""
SAMPLES_FOLLOWED = 2
"""Samples that the timeline follows."""
MOST_FRAMES = 32
"""Timesteps of a sample up to which the timeline shows each; beyond, a sample is one block."""


def accuracy(record: Record, float_record: Record | None, why: str) -> Accuracy:
    """Accuracy of both on the samples that both ran. why: what to give where there is no float run."""
    if float_record is None:
        return Accuracy(record.accuracy, record.samples, why=why)
    both = min(record.samples, float_record.samples)
    agreement = float((record.predictions[:both] == float_record.predictions[:both]).mean())
    return Accuracy(record.accuracy, record.samples, float_record.accuracy, float_record.samples, agreement)


def verdict(found: Mapping[str, Any], origin: str) -> Verdict:
    """What `inflor check --json` printed, or an Equivalence as plain data.

    Raises:
        InputError: it is neither.
    """
    try:
        first = found["first_mismatch"]
        return Verdict(
            bool(found["equal"]),
            tuple(str(name) for name in found["targets"]),
            int(found["samples"]),
            int(found["compared_spikes"]),
            int(found["mismatches"]),
            tuple(
                {
                    "name": str(layer["name"]),
                    "compared": int(layer["compared"]),
                    "mismatches": int(layer["mismatches"]),
                    "agreement": float(layer["agreement"]),
                }
                for layer in found["layers"]
            ),
            None if first is None else _mismatch(first),
            origin,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{origin}: is not what inflor check --json prints ({error!r})") from error


def _mismatch(first: Mapping[str, Any]) -> Row:
    sides = ("target", "value", "due", "a", "v", "threshold", "a_seen", "v_seen")
    return {
        **{key: int(first[key]) for key in ("depth", "sample", "timestep")},
        "population": str(first["population"]),
        "neuron": [int(i) for i in first["neuron"]],
        "sides": [{key: side.get(key) for key in sides} for side in first["sides"]],
    }


def populations(
    network: IntegerNetwork,
    record: Record,
    float_record: Record | None,
    losses: Mapping[str, Mapping[str, Any]],
    colours: Mapping[str, str],
) -> tuple[Row, ...]:
    """A row per population but the input. losses: the layers of a quantisation's report, by name."""
    ranges = state_ranges(network)
    rows = []
    for p in sorted(network.populations, key=lambda p: network.depth[p.name]):
        if p.kind == "input":
            continue
        fires = p.kind != "readout"
        steps = p.size * record.timesteps
        row: dict[str, Any] = {
            "name": p.name,
            "colour": colours[p.name],
            "kind": p.kind,
            "shape": list(p.shape),
            "neurons": p.size,
            "depth": network.depth[p.name],
            "bits": p.weight_bits,
            "scale": _ends(p.scale),
            "threshold": _ends(p.threshold) if fires else None,
            "reset": p.reset if fires else None,
            "state_bits": ranges[p.name].state_bits,
            "spikes": float(record.counts[p.name].mean()) if fires else None,
            "rate": float(record.counts[p.name].mean()) / steps if fires else None,
            "snr": losses.get(p.name, {}).get("weight_snr_db"),
        }
        if float_record is not None and p.name in float_record.counts and fires:
            row["rate_float"] = float(float_record.counts[p.name].mean()) / steps
        rows.append(row)
    return tuple(rows)


def differing(record: Record, float_record: Record) -> tuple[dict[str, float], int]:
    """Share of neuron-steps whose spike is not the float network's, by population; and of how many samples.

    Raises:
        InputError: one of the records was written without spikes.
    """
    shared = {p.name: p for p in float_record.populations if p.name in record.counts and p.name in float_record.counts}
    neurons = sum(p.size for p in shared.values()) * record.timesteps
    samples = max(1, min(record.samples, float_record.samples, MOST_SPIKES // max(neurons, 1)))
    found = {}
    for name in shared:
        different = total = 0
        for start in range(0, samples, 32):
            part = slice(start, min(start + 32, samples))
            both = record.spikes(name, part) != float_record.spikes(name, part)
            different, total = different + int(both.sum()), total + both.size
        found[name] = different / total
    return found, samples


def potentials(graph: Graph, network: IntegerNetwork, x: npt.NDArray[np.float32]) -> Potentials:
    """Histograms over as many of the normalised images as memory allows."""
    neurons = sum(p.size for p in network.populations) * network.info.timesteps
    samples = max(1, min(len(x), 64, MOST_POTENTIALS // neurons))
    rows = tuple(
        {
            "name": h.population,
            "before": h.before.tolist(),
            "rectified": None if h.rectified is None else h.rectified.tolist(),
            "integer": h.integer.tolist(),
            "beyond": h.beyond,
            "error": h.error,
            "same": h.same,
        }
        for h in histograms(graph, network, x[:samples], EDGES)
    )
    return Potentials(samples, tuple(EDGES.tolist()), rows)


def timeline(network: IntegerNetwork) -> Timeline:
    """The wavefront of the first samples, streamed back to back: population k handles frame f at step f + k."""
    timesteps, depth = network.info.timesteps, network.depth
    length = 1 if timesteps <= MOST_FRAMES else timesteps
    blocks = tuple(
        {
            "name": p.name,
            "sample": sample,
            "frame": frame,
            "step": sample * timesteps + frame + depth[p.name] - 1,
            "steps": length,
        }
        for p in sorted(network.populations, key=lambda p: depth[p.name])
        if p.kind != "input"
        for sample in range(SAMPLES_FOLLOWED)
        for frame in range(0, timesteps, length)
    )
    deepest = max(depth[name] for name in network.outputs)
    return Timeline(timesteps, timesteps + deepest - 1, blocks)


def _ends(values: npt.NDArray[Any]) -> list[float]:
    return [values.min().item(), values.max().item()]
