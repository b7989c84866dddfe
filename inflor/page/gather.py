"""Gathers what a report shows from networks, records and verdicts that are loaded already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from inflor.converter.errors import InputError
from inflor.converter.nir.graph import Graph
from inflor.page.contents import Accuracy, Potentials, Row, Timeline, Verdict
from inflor.quant.ir.network import IntegerNetwork
from inflor.quant.ir.ranges import state_ranges
from inflor.targets.cpu.potentials import histograms
from inflor.targets.record.file import Record

MOST_SPIKES = 1 << 27
"""Neuron-steps of both networks that are compared spike for spike."""
MOST_POTENTIALS = 1 << 22
"""Neuron-steps whose membrane potential is counted."""
EDGES = np.round(np.arange(-60, 101) * 0.05, 2)
"""Bins of potentials, in thresholds; the threshold itself is an edge."""
LARGEST = 1 << 63
"""Of the numbers of a verdict."""
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


def verdict(found: Mapping[str, Any], origin: str, file: str | None = None) -> Verdict:
    """What `inflor check --json` printed, or an Equivalence as plain data.

    origin: where it came from, for the page; file: the path that messages name, None to name the origin.

    Raises:
        InputError: it is neither, or contradicts itself.
    """
    try:
        return _verdict(found, origin)
    except (KeyError, ValueError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{file or origin}: is not what inflor check --json prints: it {what}") from error


def _verdict(found: Mapping[str, Any], origin: str) -> Verdict:
    equal, targets, first = found["equal"], _list(found, "targets"), found["first_mismatch"]
    if not isinstance(equal, bool):
        raise ValueError(f"says 'equal' is {_short(equal)}, which is neither true nor false")
    if len(targets) < 2 or not all(isinstance(name, str) for name in targets):
        raise ValueError("does not name two or more targets")
    mismatches, layers = _whole(found, "mismatches"), tuple(_layer(layer) for layer in _list(found, "layers"))
    if equal != (mismatches == 0) or equal != (first is None) or sum(m["mismatches"] for m in layers) > mismatches:
        which = "no" if first is None else "a"
        raise ValueError(f"contradicts itself: equal {equal}, with {mismatches} mismatches and {which} first one")
    samples, compared = _whole(found, "samples", least=1), _whole(found, "compared_spikes")
    shown = None if first is None else _mismatch(_object(first, "first_mismatch"))
    if not layers:
        raise ValueError("compares no population")
    names = _list({"not_compared": (), **found}, "not_compared")
    left_out = tuple(_text({"not_compared": name}, "not_compared") for name in names)
    notes = tuple(_text({"notes": note}, "notes") for note in _list({"notes": (), **found}, "notes"))
    return Verdict(equal, tuple(targets), samples, compared, mismatches, layers, shown, origin, left_out, notes)


def _layer(layer: Any) -> Row:
    compared, mismatches = _whole(_object(layer, "layers"), "compared", least=1), _whole(layer, "mismatches")
    if mismatches > compared:
        raise ValueError(f"counts {mismatches} mismatches in {compared} compared")
    agreement = 1.0 - mismatches / compared
    return {"name": _text(layer, "name"), "compared": compared, "mismatches": mismatches, "agreement": agreement}


def _mismatch(first: Mapping[str, Any]) -> Row:
    return {
        **{key: _whole(first, key) for key in ("depth", "sample", "timestep")},
        "population": _text(first, "population"),
        "neuron": [_whole({"neuron": index}, "neuron") for index in _list(first, "neuron")],
        "sides": [_side(_object(side, "sides")) for side in _list(first, "sides")],
    }


def _side(side: Mapping[str, Any]) -> Row:
    """One target at the first mismatch, of which only the value is always known."""
    perhaps = ("due", "a", "v", "threshold", "a_seen", "v_seen")
    rest = {key: None if side.get(key) is None else _whole(side, key, -LARGEST) for key in perhaps}
    return {"target": _text(side, "target"), "value": _whole(side, "value", -LARGEST), **rest}


def _whole(found: Mapping[str, Any], key: str, least: int = 0) -> int:
    value = found[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        raise ValueError(f"says {key!r} is {_short(value)}, which is no whole number of at least {least}")
    return value


def _short(value: Any) -> str:
    return repr(value)[:80]


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found[key]
    if not isinstance(value, str):
        raise ValueError(f"says {key!r} is {_short(value)}, which is no text")
    return value


def _list(found: Mapping[str, Any], key: str) -> list[Any]:
    value = found[key]
    if not isinstance(value, list | tuple):
        raise ValueError(f"says {key!r} is {_short(value)}, which is no list")
    return list(value)


def _object(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"holds {_short(value)} under {key!r}, which is no object")
    return value


def populations(
    network: IntegerNetwork,
    record: Record,
    float_record: Record | None,
    losses: Mapping[str, Mapping[str, Any]],
    colors: Mapping[str, str],
) -> tuple[Row, ...]:
    """A row per population but the input. losses: the layers of a quantization's report, by name."""
    ranges = state_ranges(network)
    rows = []
    for p in sorted(network.populations, key=lambda p: network.depth[p.name]):
        if p.role == "input":
            continue
        fires = p.role != "readout"
        steps = p.size * record.timesteps
        row: dict[str, Any] = {
            "name": p.name,
            "color": colors[p.name],
            "kind": p.kind,
            "shape": list(p.shape),
            "neurons": p.size,
            "depth": network.depth[p.name],
            "bits": p.weight_bits,
            "scale": _ends(p.scale),
            "threshold": _ends(p.rule.threshold) if fires else None,
            "reset": p.rule.reset_kind if fires else None,
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
    if record.timesteps != float_record.timesteps:
        raise InputError(f"the float record has {float_record.timesteps} timesteps, the record {record.timesteps}")
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
    """Histograms over as many of the normalized images as memory allows."""
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
        if p.role != "input"
        for sample in range(SAMPLES_FOLLOWED)
        for frame in range(0, timesteps, length)
    )
    deepest = max(depth[name] for name in network.outputs)
    return Timeline(timesteps, timesteps + deepest - 1, blocks)


def _ends(values: npt.NDArray[Any]) -> list[float]:
    return [values.min().item(), values.max().item()]
